"""The main job: devices publish, hazards ring, a browser watches. All parts are the real ones."""

import json
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from tests.server import Server, wait_for

HOT = {
    "name": "hot",
    "when": "temp_c > 80",
    "severity": "critical",
    "message": "{device} at {temp_c:.0f} °C",
}


def publish(client: mqtt.Client, device: str, **values: Any) -> None:
    """Publish at QoS 1 and wait for the acknowledgement."""
    sent = client.publish(f"devices/{device}/telemetry", json.dumps(values), qos=1)
    sent.wait_for_publish(10)


def test_a_reading_rings_on_every_way_out(server: Server):
    assert server.send("POST", "/api/rules", HOT).status_code == 201
    told: list[tuple[str, Any, bool]] = []
    with (
        server.client("siren") as siren,
        server.client("my-first") as device,
        server.events() as page,
    ):
        siren.on_message = lambda _c, _u, m: told.append((m.topic, json.loads(m.payload), m.retain))
        siren.subscribe("tocsin/alerts/#", qos=1)

        publish(device, "my-first", temp_c=21.5)
        page.first("devices", lambda e: any(d["id"] == "my-first" for d in e["devices"]))

        publish(device, "my-first", temp_c=95)
        alert = page.first("alert", lambda a: a["state"] == "active")
        assert (alert["rule"], alert["subject"], alert["severity"]) == (
            "hot",
            "my-first",
            "critical",
        )
        assert alert["message"] == "my-first at 95 °C"
        topic, document, _ = wait_for("alert over MQTT", lambda: told[0] if told else None)
        assert topic == "tocsin/alerts/my-first/hot"
        assert document["id"] == alert["id"]
        assert document["durable"]

        publish(device, "my-first", temp_c=60)
        page.first("alert", lambda a: a["id"] == alert["id"] and not a["active"])
        wait_for("clear over MQTT", lambda: next((d for _, d, _ in told if not d["active"]), None))

    [listed] = server.get("/api/alerts", subject="my-first")
    assert listed["id"] == alert["id"]
    assert listed["state"] == "cleared_unacknowledged"
    answer = server.send("POST", f"/api/alerts/{alert['id']}/ack", {"note": "valve closed"})
    assert answer.status_code == 200
    [listed] = server.get("/api/alerts", subject="my-first")
    assert (listed["state"], listed["acknowledged_by"]) == ("cleared", "local")
    assert listed["comments"][-1]["note"] == "valve closed"


def test_a_device_of_your_own_appears_by_itself(server: Server):
    with server.events() as page:
        with server.client("x") as client:
            client.publish("devices/my-first/telemetry", b'{"temp_c": 21.5}')
            found = page.first(
                "devices", lambda e: any(d["id"] == "my-first" for d in e["devices"])
            )
        [device] = [d for d in found["devices"] if d["id"] == "my-first"]
        assert device["metrics"]["temp_c"]["value"] == 21.5
        assert device["metrics"]["temp_c"]["unit"] == "°C"
        frame = page.first("readings", lambda e: e["readings"])
        assert frame["readings"][0][:2] == ["my-first", "temp_c"]
        page.first("status", lambda s: s["latency"]["count"] >= 1)


def test_a_wrong_rule_is_refused_with_place_and_reason(server: Server):
    answer = server.send("POST", "/api/rules", {"name": "r", "when": "temp_c > agv(temp_c, '5m')"})
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body", "when"]
    assert problem["msg"] == "unknown function 'agv' at column 10; did you mean avg?"
    assert server.get("/api/rules") == []


def test_everything_is_there_after_a_restart(tmp_path: Path):
    server = Server(tmp_path / "data").start()
    try:
        server.send("POST", "/api/rules", HOT)
        with server.client("boiler-1") as client:
            publish(client, "boiler-1", temp_c=21.5)
            publish(client, "boiler-1", temp_c=95)
        [before] = server.get("/api/alerts")
        for end in (server.stop, server.kill):
            end()
            server.start()
            [alert] = server.get("/api/alerts")
            assert alert == before, "the same alert: it did not ring again"
            assert [r["name"] for r in server.get("/api/rules")] == ["hot"]
            device = server.get("/api/devices/boiler-1")
            assert device["readings_total"] == 2
            assert device["metrics"]["temp_c"]["value"] == 95
            now = time.time()
            series = server.get(
                "/api/devices/boiler-1/series", metric="temp_c", points=100,
                **{"from": now - 600, "to": now + 60},
            )  # fmt: skip
            assert sum(n for n in series["count"] if n) == 2
            assert max(v for v in series["max"] if v is not None) == 95
    finally:
        server.kill()


def test_sigterm_ends_within_three_seconds_with_a_browser_connected(server: Server):
    with server.client("c"), server.events() as page:
        page.first("status", lambda s: s["viewers"] == 1)
        assert server.stop() < 3
        page.first("closed", lambda _: True)


def test_the_address_it_listens_on_is_a_name_it_answers_to(tmp_path: Path):
    server = Server(tmp_path / "data", "--http", "127.0.0.2:0").start()
    try:
        assert server.http.startswith("http://127.0.0.2:")
        assert server.get("/api/devices") == []
    finally:
        server.kill()


def test_a_rule_from_a_file_says_which(tmp_path: Path):
    rules = tmp_path / "site.toml"
    rules.write_text('[[rule]]\nname = "hot"\nwhen = "temp_c > 80"\n')
    server = Server(tmp_path / "data", "--rules", str(rules)).start()
    try:
        assert [r["source"] for r in server.get("/api/rules")] == ["file:site.toml"]
    finally:
        server.kill()
