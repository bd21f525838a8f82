"""Mosquitto and Node-RED: MQTT in, a function node with limits, HTTP out as Server-Sent Events."""

import json
from urllib.request import urlopen

from benchmarks.peers.installed import NODE_RED, node_program, node_red_program
from benchmarks.peers.mosquitto import Mosquitto

START = """
context.changed = new Map();
context.alarms = new Set();
context.count = 0;
context.clients = [];
flow.set("judge", context);
context.timer = setInterval(() => {
  if (!context.changed.size) return;
  const frame = JSON.stringify({readings: [...context.changed.values()]});
  for (const res of context.clients) res.write("event: readings\\ndata: " + frame + "\\n\\n");
  context.changed.clear();
}, 100);
"""
JUDGE = """
const values = msg.payload, device = msg.topic.split("/")[1], ts = values.ts;
for (const metric in values) {
  if (metric === "ts") continue;
  const key = device + " " + metric, value = values[metric];
  context.changed.set(key, [device, metric, ts, value]);
  if (value > LIMITS[metric]) {
    if (!context.alarms.has(key)) {
      context.alarms.add(key);
      const alarm = {subject: device, rule: metric, state: "active", value: value,
                     began_at: new Date(ts).toISOString()};
      const text = "event: alert\\ndata: " + JSON.stringify(alarm) + "\\n\\n";
      for (const res of context.clients) res.write(text);
    }
  } else context.alarms.delete(key);
}
context.count++;
"""
OPEN = """
const res = msg.res._res;
res.writeHead(200, {"Content-Type": "text/event-stream"});
res.write("event: hello\\ndata: {}\\n\\n");
flow.get("judge").clients.push(res);
"""
LIMITS = "{temp_c: 90, pressure_bar: 3, flow_lpm: 60, vibration_mm_s: 5}"


class NodeRed(Mosquitto):
    name = "mosquitto+node-red"
    configuration = (
        Mosquitto.configuration + "; Node-RED from npm: MQTT in (parsed JSON), one function node"
        " with a limit per metric, SSE out with what changed every 100 ms; no editor open"
    )

    def __init__(self, qos: int = 0) -> None:
        super().__init__()
        self._qos = qos

    @classmethod
    def version(cls) -> str:
        node_red_program()
        return f"{NODE_RED} with Mosquitto {super().version()}"

    @property
    def stream_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/stream"

    def start(self) -> None:
        super().start()
        flow = self.folder / "flows.json"
        flow.write_text(json.dumps(self._flow()))
        settings = self.folder / "settings.js"
        settings.write_text(
            f'module.exports = {{ uiHost: "127.0.0.1", uiPort: {self.http_port}, '
            f'flowFile: "flows.json", credentialSecret: false, httpAdminRoot: false, '
            f'logging: {{ console: {{ level: "warn" }} }} }};\n'
        )
        command = (node_program(), node_red_program(), "-u", self.folder, "-s", settings)
        self.run("node-red", *command, port=self.http_port)

    def received(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.http_port}/count", timeout=10) as answer:
            return int(answer.read())

    def _flow(self) -> list[dict[str, object]]:
        def node(name: str, kind: str, *wires: str, **rest: object) -> dict[str, object]:
            return {"id": name, "type": kind, "z": "tab", "wires": [list(wires)], **rest}

        broker: dict[str, object] = {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": "127.0.0.1",
            "port": str(self.port),
            "clientid": "node-red",
            "protocolVersion": "4",
            "keepalive": "60",
            "cleansession": True,
        }
        source = {"topic": "devices/#", "qos": str(self._qos), "datatype": "json"}
        judge = {"initialize": START, "finalize": "clearInterval(context.timer);", "outputs": 0}
        code = f"const LIMITS = {LIMITS};\n{JUDGE}"
        count = 'msg.payload = String(flow.get("judge").count);\nreturn msg;'
        return [
            {"id": "tab", "type": "tab", "label": "bench"},
            broker,
            node("in", "mqtt in", "judge", broker="broker", inputs=0, **source),
            node("judge", "function", func=code, **judge),
            node("get-stream", "http in", "open", url="/stream", method="get"),
            node("open", "function", func=OPEN, outputs=0),
            node("get-count", "http in", "count", url="/count", method="get"),
            node("count", "function", "answer", func=count, outputs=1),
            node("answer", "http response"),
        ]
