// MQTT.js at the word of the test: a command per line of JSON, answered with {"done": …} or {"error": …}.
// usage: node interoperability.mjs PACKAGE_FOLDER [CA_FILE]
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, caFile] = process.argv.slice(2);
const mqtt = createRequire(`${folder}/package.json`)("mqtt");
const ca = caFile === undefined ? undefined : readFileSync(caFile);
const clients = new Map();

/** Messages of one client in their order, and who waits for the next. */
class Inbox {
  messages = [];
  waiting = [];

  add(payload) {
    const resolve = this.waiting.shift();
    if (resolve) resolve(payload);
    else this.messages.push(payload);
  }

  next() {
    const payload = this.messages.shift();
    if (payload !== undefined) return payload;
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}

const commands = {
  async connect({ name, url, options }) {
    const client = mqtt.connect(url, { ...options, ca, clientId: name });
    const inbox = new Inbox();
    // Before CONNACK is told: what a session has missed comes right behind it.
    client.on("message", (_, payload) => inbox.add(payload.toString()));
    clients.set(name, { client, inbox });
    const answer = await new Promise((resolve, reject) => {
      client.once("connect", resolve);
      client.once("error", reject);
    });
    return answer.sessionPresent;
  },
  async subscribe({ name, filter }) {
    const granted = await clients.get(name).client.subscribeAsync(filter, { qos: 2 });
    return granted.map(({ qos }) => qos);
  },
  async publish({ name, topic, payload, qos }) {
    await clients.get(name).client.publishAsync(topic, payload, { qos });
  },
  hear: ({ name }) => clients.get(name).inbox.next(),
  leave: ({ name }) => clients.get(name).client.endAsync(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  try {
    const done = await commands[command.do](command);
    console.log(JSON.stringify({ done: done ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
process.exit(0);
