// MQTT.js against the broker: subscribes with a session, leaves, and is sent what it missed.
// usage: node interoperability.mjs PACKAGE_FOLDER URL [CA_FILE]; prints the payloads, a line each.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, url, caFile] = process.argv.slice(2);
const mqtt = createRequire(`${folder}/package.json`)("mqtt");
const options = {
  ca: caFile === undefined ? undefined : readFileSync(caFile),
  protocolVersion: 5,
  properties: { sessionExpiryInterval: 60 },
  reconnectPeriod: 0,
};

const sub = await mqtt.connectAsync(url, { ...options, clientId: "js-sub", clean: true });
await sub.subscribeAsync("js/#", { qos: 2 });
const heard = [];
const first = new Promise((resolve) => sub.once("message", (_, payload) => resolve(payload)));
const pub = await mqtt.connectAsync(url, { ...options, clientId: "js-pub" });
await pub.publishAsync("js/1", "now", { qos: 2 });
heard.push(await first);
await sub.endAsync();
await pub.publishAsync("js/1", "later", { qos: 1 });

const back = mqtt.connect(url, { ...options, clientId: "js-sub", clean: false });
const missed = new Promise((resolve) => back.once("message", (_, payload) => resolve(payload)));
const answer = await new Promise((resolve, reject) => {
  back.once("connect", resolve);
  back.once("error", reject);
});
heard.push(await missed, `session present: ${answer.sessionPresent}`);
await back.endAsync();
await pub.endAsync();
console.log(heard.join("\n"));
