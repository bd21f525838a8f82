"""The program a Python developer would write: subscribe with paho, parse, keep the newest, compare
with limits, show it live in a browser.

    python paho_consumer.py MQTT_PORT HTTP_PORT QOS

It runs beside Mosquitto as the peer of the whole product. It keeps nothing on disk, has no windows
and no alarm states; what it does, it does without waste: paho's thread handles messages, and
viewers get at most one event per 100 ms with what has changed since.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, StreamingResponse
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

LIMITS = {"temp_c": 90.0, "pressure_bar": 3.0, "flow_lpm": 60.0, "vibration_mm_s": 5.0}
FRAME_S = 0.1


class Plant:
    """The newest reading of every metric of every device, and which are over their limit."""

    def __init__(self, qos: int) -> None:
        self.qos = qos
        self.count = 0
        self.devices: dict[str, dict[str, tuple[float, float]]] = {}
        self.alarms: set[tuple[str, str]] = set()
        self.changed: dict[tuple[str, str], tuple[float, float]] = {}
        self.news: list[dict[str, object]] = []

    def on_connect(self, client: Client, *_: object) -> None:
        client.subscribe("devices/#", self.qos)

    def on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        values = json.loads(message.payload)
        device = message.topic.split("/")[1]
        ts = values.pop("ts")
        newest = self.devices.setdefault(device, {})
        for metric, value in values.items():
            newest[metric] = self.changed[device, metric] = (ts, value)
            if value > LIMITS[metric]:
                if (device, metric) not in self.alarms:
                    self.alarms.add((device, metric))
                    self.news.append(alarm(device, metric, ts, value))
            elif self.alarms:
                self.alarms.discard((device, metric))
        self.count += 1


def alarm(device: str, metric: str, ts: float, value: float) -> dict[str, object]:
    began = datetime.fromtimestamp(ts / 1e3, UTC).isoformat()
    return {"subject": device, "rule": metric, "state": "active", "began_at": began, "value": value}


def create_app(plant: Plant) -> FastAPI:
    app = FastAPI()

    @app.get("/count")
    async def count() -> PlainTextResponse:
        return PlainTextResponse(str(plant.count))

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(frames(plant), media_type="text/event-stream")

    return app


async def frames(plant: Plant) -> AsyncIterator[str]:
    """One viewer's stream. With several viewers this would need a queue for each."""
    yield "event: hello\ndata: {}\n\n"
    while True:
        await asyncio.sleep(FRAME_S)
        changed, plant.changed = plant.changed, {}
        news, plant.news = plant.news, []
        for alert in news:
            yield f"event: alert\ndata: {json.dumps(alert)}\n\n"
        if changed:
            rows = [[*key, ts, value] for key, (ts, value) in changed.items()]
            yield f"event: readings\ndata: {json.dumps({'readings': rows})}\n\n"


def main() -> None:
    mqtt_port, http_port, qos = map(int, sys.argv[1:])
    plant = Plant(qos)
    client = Client(CallbackAPIVersion.VERSION2, client_id="consumer")
    client.on_message = plant.on_message
    client.on_connect = plant.on_connect
    client.connect("127.0.0.1", mqtt_port)
    client.loop_start()
    app = create_app(plant)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=http_port,
        log_level="warning",
        loop="uvloop",
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
