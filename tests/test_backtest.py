"""A preview gives what the server gave: SIGKILL, an outage, late data, a changed rule."""

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tests.server import Server, wait_for
from tocsin.ingest.alerts.alert import Alert

CLOCK_AHEAD = Path(__file__).parent / "faults" / "clock_ahead.py"
OUTAGE_S = 600.0
HOT = {"name": "hot", "when": "temp_c > 80", "clear": "temp_c < 60"}
HOTTER = {"name": "hot", "when": "temp_c > 88 or door == true", "off_delay": "0.02s"}
RULES = (
    {"name": "slow", "when": "temp_c > 60", "on_delay": "0.05s", "off_delay": "0.02s"},
    {"name": "mean", "when": "avg(temp_c, '10s') > 52 and count(temp_c, '1m') >= 3"},
    {"name": "jump", "when": "delta(temp_c, '5s') > 60 or rate(temp_c, '5s') < -30"},
    {"name": "low", "when": "pressure < 0.5", "message": "{device} at {temp_c:.2f}"},
    {"name": "fault", "when": "state == 'fault' and temp_c < 90", "devices": "pump-*"},
)

SILENT = {"name": "silent", "when": "age(level) > 0.1", "devices": "tank-*"}
"""It rings without a reading, and goes on to while the server is dead."""
AWAY = {"name": "away", "when": "age(level) > 300", "devices": "tank-*"}
"""It would ring for the outage, if the device had been silent then and not the server."""

Transition = tuple[float, str, str, float, float | None, str, int]


class Plant:
    """Devices with clocks of their own and bad habits, on a server that may be dead meanwhile."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ahead_s = 0.0
        self._random = Random(7)
        self._sent: list[tuple[str, bytes]] = []

    def publish(self, count: int) -> None:
        """Messages one after the other, each acknowledged before the next."""
        with self.server.client("gateway") as client:
            for _ in range(count):
                message = client.publish(*self._message(), qos=1)
                message.wait_for_publish(10)
                assert message.is_published()

    def fall_silent(self) -> None:
        """A tank says something, once more; done when silence has rung and that is on disk."""
        with self.server.client("tank-1") as client:
            client.publish("devices/tank-1/telemetry", '{"level": 1}', qos=1).wait_for_publish(10)
        self.publish(1)
        wait_for(
            "silence rings",
            lambda: self.server.get("/api/alerts", rule="silent", state="active"),
            30,
        )
        self.publish(1)

    def _message(self) -> tuple[str, bytes]:
        random = self._random
        if self._sent and random.random() < 0.1:
            return random.choice(self._sent[-20:])
        device = random.choice(("boiler-1", "boiler-2", "pump-1", "pump-2"))
        row: dict[str, Any] = {"temp_c": round(random.uniform(10, 100), 2)}
        if random.random() < 0.4:
            row["pressure"] = random.random()
        if random.random() < 0.3:
            row["state"] = random.choice(("run", "fault"))
        if random.random() < 0.3:
            row["door"] = random.random() < 0.5
        if device != "boiler-1":
            off_s = random.choice((0.0, 0.0, 0.0, -0.5, -3.0, -30.0, -100.0, -700.0, 100.0, 900.0))
            row["ts"] = round(time.time() + self.ahead_s + off_s, 3)
        message = f"devices/{device}/telemetry", json.dumps(row).encode()
        self._sent.append(message)
        return message


def stored(server: Server) -> list[Alert]:
    """Every transition that the server wrote down, but for those a person made."""
    some = server.get("/api/alerts")[0]["id"]
    server.get(f"/api/alerts/{some}/transitions")  # written down before they are shown
    with closing(sqlite3.connect(server.data / "state.db")) as database:
        rows = database.execute("SELECT body FROM ingest_transitions").fetchall()
    alerts = [msgspec.msgpack.decode(body, type=Alert) for (body,) in rows]
    return [alert for alert in alerts if alert.cause and alert.cause.event != "retire"]


def of(alerts: Sequence[Alert], rule: str, since: str, until: str) -> list[Transition]:
    """What became of a rule in a time."""
    begin, end = (datetime.fromisoformat(each).timestamp() for each in (since, until))
    return sorted(
        (
            round(alert.cause.at, 3),
            alert.id,
            alert.state.value,
            round(alert.began_at, 3),
            alert.value,
            alert.message,
            alert.revision,
        )
        for alert in alerts
        if alert.rule == rule and alert.cause and begin <= alert.cause.at < end
    )


def preview(server: Server, rule: object, start: str, end: str) -> list[Transition]:
    answer = server.send("POST", "/api/rules/preview", {"rule": rule, "from": start, "to": end})
    last = json.loads(answer.text.splitlines()[-1])
    assert "report" in last, last
    subjects: Sequence[Any] = last["report"]["subjects"]
    assert sum(each["changes_total"] for each in subjects) == sum(
        len(each["changes"]) for each in subjects
    )
    return sorted(
        (
            datetime.fromisoformat(each["at"]).timestamp(),
            each["id"],
            each["state"],
            datetime.fromisoformat(each["began_at"]).timestamp(),
            each["value"],
            each["message"],
            each["revision"],
        )
        for subject in subjects
        for each in subject["changes"]
    )


def quiet() -> None:
    """Done when no delay runs: the longest is 0.05 s, and 300 s where an alarm flaps."""
    began = time.monotonic()
    wait_for("all delays are over", lambda: time.monotonic() > began + 0.2)


def test_a_preview_is_what_a_server_stored_that_was_killed_and_away_and_changed(tmp_path: Path):
    ahead = {"TEST_CLOCK_AHEAD_S": "0", "TOCSIN_ENGINE__CHECKPOINT_S": "1"}
    server = Server(tmp_path / "data", program=CLOCK_AHEAD, env=ahead)
    plant = Plant(server)
    try:
        server.start()
        began = datetime.fromtimestamp(time.time() - 1).astimezone().isoformat()
        for rule in (*RULES, SILENT, AWAY, HOT):
            assert server.send("POST", "/api/rules", rule).status_code == 201
        plant.publish(150)
        raw = server.data / "history" / "raw"
        wait_for("a checkpoint", lambda: list(raw.glob("*/*.parquet")) or None)
        plant.fall_silent()
        plant.publish(150)
        server.kill()

        server.env["TEST_CLOCK_AHEAD_S"] = str(OUTAGE_S)
        plant.ahead_s = OUTAGE_S
        server.start()
        plant.publish(150)
        plant.fall_silent()
        quiet()
        changed = server.send("PUT", "/api/rules/hot", HOTTER).json()["updated_at"]
        plant.publish(150)
        server.kill()

        server.start()
        plant.publish(150)
        quiet()
        ended = datetime.fromtimestamp(time.time() + OUTAGE_S).astimezone().isoformat()
        alerts = stored(server)
        for rule, since, until in (
            *((rule, began, ended) for rule in RULES),
            (HOT, began, changed),
            (HOTTER, changed, ended),
        ):
            expected = of(alerts, str(rule["name"]), since, until)
            assert len(expected) > 10, "nothing to compare"
            assert preview(server, rule, since, until) == expected, rule
        expected = of(alerts, "silent", began, ended)
        assert [state for _, _, state, *_ in expected] == [
            "active",
            "cleared_unacknowledged",
            "active",
        ]
        assert preview(server, SILENT, began, ended) == expected
        assert preview(server, AWAY, began, ended) == of(alerts, "away", began, ended) == []
    finally:
        server.kill()
