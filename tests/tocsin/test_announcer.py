"""What the server says over MQTT when it starts, after a server that was killed."""

import json
from pathlib import Path
from typing import Any

from tocsin.announcer import Announcer
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

RULES = [
    Rule(name="hot", when="t > 80"),
    Rule(name="slow", when="t > 80", on_delay="1h"),
    Rule(name="cold", when="t < 10"),
]


async def lived(folder: Path, *values: float, checkpoint: bool = False) -> dict[str, Any]:
    """A server starts, says how things stand, takes in `values` and is killed: what it said."""
    database = Database.open(folder)
    engine = Engine(folder, Settings(), Decoder(), database)
    await engine.start("test")
    retained: dict[str, bytes] = {}

    def publish(topic: str, payload: bytes, **_: object) -> None:
        retained[topic] = payload

    announcer = Announcer(publish)
    announcer.start(engine.alarms(), [])
    if not engine.pipeline.rules.entries():
        for rule in RULES:
            await engine.put_rule(rule, "ada")
    for value in values:
        message = Message("c", "devices/d/telemetry", b'{"t": %f}' % value)
        await engine.submit([message], engine.clock.now())
    if checkpoint:
        await engine.checkpoint()
    await engine.stop(within_s=0)  # no last checkpoint: as after a kill
    database.close()
    said = {topic: json.loads(payload) for topic, payload in retained.items()}
    return {
        t.removeprefix("tocsin/alerts/d/"): a["state"] for t, a in said.items() if "alerts" in t
    }


async def test_what_ended_just_before_a_kill_is_told_at_the_start(tmp_path: Path):
    await lived(tmp_path, 90, checkpoint=True)
    assert await lived(tmp_path, 20) == {"hot": "active", "slow": "pending"}
    assert await lived(tmp_path) == {"hot": "cleared_unacknowledged", "slow": "cleared"}


async def test_of_each_alarm_the_newest_alert_is_told(tmp_path: Path):
    await lived(tmp_path, 90, 20, 5, 20, checkpoint=True)
    await lived(tmp_path, 90)
    assert await lived(tmp_path) == {
        "hot": "active",
        "slow": "pending",
        "cold": "cleared_unacknowledged",
    }
