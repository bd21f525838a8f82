import type { Endpoint } from "../wire/contract";

/** Addresses a server listens on that are no address to connect to. */
const ANY = new Set(["", "0.0.0.0", "::", "[::]"]);

/** The address a device can reach: the one the server tells, or the page's own where it listens on all. */
export function brokerAddress(told: Endpoint | null, pageHost: string): Endpoint {
  const host = told && !ANY.has(told.host) ? told.host : pageHost;
  return { host: host.replace(/^\[|\]$/g, ""), port: told?.port ?? 1883 };
}

export interface Snippet {
  name: string;
  label: string;
  text: string;
}

export function snippets({ host, port }: Endpoint, device: string, withLogin: boolean): Snippet[] {
  const login = withLogin ? ` -u ${device} -P "$PASSWORD"` : "";
  const topic = `devices/${device}/telemetry`;
  return [
    {
      name: "mosquitto",
      label: "mosquitto_pub",
      text: `mosquitto_pub -h ${host} -p ${port}${login} -t ${topic} -m '{"temp_c": 21.5}'`,
    },
    {
      name: "paho",
      label: "Python",
      text: `# pip install paho-mqtt
import json, time
import paho.mqtt.client as mqtt

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="${device}")
${withLogin ? `client.username_pw_set("${device}", input("password: "))\n` : ""}client.connect("${host}", ${port})
client.loop_start()
while True:
    reading = {"temp_c": 21.5, "ts": time.time()}
    client.publish("${topic}", json.dumps(reading), qos=1)
    time.sleep(1)`,
    },
    {
      name: "alerts",
      label: "Follow alerts",
      text: `mosquitto_sub -h ${host} -p ${port}${withLogin ? ' -u NAME -P "$PASSWORD"' : ""} -v -t 'tocsin/alerts/#'`,
    },
  ];
}

/** Whether a text can be a device id: one topic level without wildcards. */
export function isDeviceId(text: string): boolean {
  return /^[^/#+$\s]{1,128}$/u.test(text);
}
