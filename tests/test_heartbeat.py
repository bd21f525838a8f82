"""Somebody notices when a real server is gone: at Mosquitto, and at a second Tocsin."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.mosquitto import Mosquitto, mosquittos
from tests.server import Server, wait_for
from tests.tocsin.command import run
from tocsin.devices.credentials import Credential, Role, hash_token
from tocsin.devices.storage.credentials import CredentialStore
from tocsin.devices.storage.database import Database

GONE = {
    "name": "gone",
    "devices": "tocsin-*",
    "when": "state == 'offline' or absent(uptime_s, '30s')",
    "severity": "critical",
}


def told(mosquitto: Mosquitto, state: str) -> dict[str, Any]:
    """The retained heartbeat, as soon as it says `state`."""
    command = ["mosquitto_sub", "-p", str(mosquitto.port), "-t", "tocsin/heartbeat", "-C", "1"]

    def look() -> dict[str, Any] | None:
        said = subprocess.run([*command, "-W", "2"], capture_output=True, timeout=10).stdout
        beat: dict[str, Any] = json.loads(said or b"{}")
        return beat if beat.get("state") == state else None

    return wait_for(f"{state} at Mosquitto", look)


def test_a_broker_that_is_not_there_is_a_trouble_and_no_more(tmp_path: Path):
    with mosquittos(tmp_path) as start:
        mosquitto = start()
        mosquitto.stop()
        server = Server(tmp_path / "data", env={"TOCSIN_HEARTBEAT__BROKER": mosquitto.url}).start()
        try:
            [trouble] = wait_for("a trouble", lambda: server.get("/api/status")["troubles"] or None)
            assert trouble["work"] == "heartbeat broker"
            assert trouble["error"].endswith("is not reached: connection refused")
            assert "heartbeat broker failed" in run(tmp_path, "doctor", "--data", "data").out
            mosquitto.start()
            assert told(mosquitto, "online")["every_s"] == 10
            wait_for("no trouble", lambda: not server.get("/api/status")["troubles"])
            server.kill()
            assert told(mosquitto, "offline")["reason"] == "connection lost"
            server.start()
            assert told(mosquitto, "online")["uptime_s"] < 30
            server.stop()
            assert told(mosquitto, "offline")["reason"] == "stopped"
        finally:
            server.kill()


def test_a_second_tocsin_rings_when_the_first_is_killed(tmp_path: Path):
    database = Database.open(tmp_path / "watcher")
    token = hash_token(b"s3cret")
    CredentialStore(database).put(Credential("tocsin-plant-1", Role.DEVICE, token, 1.0))
    database.close()
    watcher = Server(tmp_path / "watcher").start()
    env = {
        "TOCSIN_HEARTBEAT__BROKER": f"mqtt://tocsin-plant-1@127.0.0.1:{watcher.mqtt[1]}",
        "TOCSIN_HEARTBEAT__TOPIC": "devices/tocsin-plant-1/telemetry",
        "TOCSIN_HEARTBEAT__PASSWORD_ENV": "WATCH_TOKEN",
        "WATCH_TOKEN": "s3cret",
    }
    plant = Server(tmp_path / "plant", env=env)
    try:
        assert watcher.send("POST", "/api/rules", GONE).status_code == 201
        plant.start()
        wait_for("a heartbeat", lambda: watcher.device("tocsin-plant-1"))
        assert watcher.get("/api/alerts") == []
        plant.kill()
        [alert] = wait_for("it rings", lambda: watcher.get("/api/alerts", state="active") or None)
        assert (alert["rule"], alert["device"]) == ("gone", "tocsin-plant-1")
        plant.start()
        wait_for("it is over", lambda: not watcher.get("/api/alerts", state="active"))
        assert "s3cret" not in plant.log()
    finally:
        plant.kill()
        watcher.kill()
