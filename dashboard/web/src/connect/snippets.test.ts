import { describe, expect, test } from "vitest";
import { brokerAddress, isDeviceId, snippets } from "./snippets";

describe("the address a device connects to", () => {
  test("is the one the server tells", () => {
    expect(brokerAddress({ host: "10.0.0.7", port: 1884 }, "plant.local")).toEqual({ host: "10.0.0.7", port: 1884 });
  });

  test.each(["0.0.0.0", "::", "[::]", ""])("is the page's own where the server listens on %o", (host) => {
    expect(brokerAddress({ host, port: 1883 }, "plant.local")).toEqual({ host: "plant.local", port: 1883 });
  });

  test("has no brackets around an IPv6 page address", () => {
    expect(brokerAddress({ host: "::", port: 1883 }, "[::1]").host).toBe("::1");
  });
});

test("snippets carry address, device and, where one is asked for, a login", () => {
  const [mosquitto, paho] = snippets({ host: "127.0.0.1", port: 1884 }, "oven-1", false);
  expect(mosquitto?.text).toBe(`mosquitto_pub -h 127.0.0.1 -p 1884 -t devices/oven-1/telemetry -m '{"temp_c": 21.5}'`);
  expect(paho?.text).toContain('client.connect("127.0.0.1", 1884)');
  expect(paho?.text).not.toContain("username");
  const withLogin = snippets({ host: "127.0.0.1", port: 1884 }, "oven-1", true);
  expect(withLogin[0]?.text).toContain('-u oven-1 -P "$PASSWORD"');
  expect(withLogin[1]?.text).toContain('client.username_pw_set("oven-1"');
});

test.each([
  ["boiler-7", true],
  ["Kessel.süd_3", true],
  ["", false],
  ["a/b", false],
  ["a#", false],
  ["+", false],
  ["$SYS", false],
  ["two words", false],
  ["x".repeat(129), false],
])("%o is a device id: %s", (text, answer) => expect(isDeviceId(text)).toBe(answer));
