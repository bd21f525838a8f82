"""Every transition of an alert is delivered at least once, whatever dies in between."""

import asyncio
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.delivery.receiver import Receiver, receiving
from tests.server import Server, wait_for

FAULTS = Path(__file__).parent / "faults"
RULE = {
    "name": "hot",
    "when": "temp_c > 80",
    "severity": "critical",
    "actions": ["ops"],
    "latch": True,
}
STEPS = ("committed", "queued", "saved", "answered", "confirming", "confirmed")


@contextmanager
def receiver_beside() -> Generator[Receiver]:
    """A receiver in a thread of its own: it outlives the servers that send to it."""
    loop = asyncio.new_event_loop()
    found: list[Receiver] = []
    done = asyncio.Event()

    async def main() -> None:
        async with receiving() as receiver:
            found.append(receiver)
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    try:
        yield wait_for("the receiver", lambda: found[0] if found else None)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


def settings(folder: Path, url: str, more: str = "") -> Path:
    file = folder / "tocsin.toml"
    file.write_text(f'[[channel]]\nname = "ops"\nurl = "{url}"\nsecret_env = "OPS_SECRET"\n{more}')
    return file


def publish(server: Server, value: float) -> None:
    with server.client("boiler-1") as client:
        payload = json.dumps({"temp_c": value})
        info = client.publish("devices/boiler-1/telemetry", payload, qos=1)
        info.wait_for_publish(10)


def told(receiver: Receiver, count: int) -> list[Any]:
    """The alerts by their keys, as soon as there are so many different ones."""

    def look() -> list[Any] | None:
        by_key: dict[str, Any] = {}
        for request in list(receiver.requests):
            by_key |= request.told
        return list(by_key.values()) if len(by_key) >= count else None

    return wait_for(f"{count} transitions; {receiver.keys}", look, 20)


@pytest.mark.parametrize("step", STEPS)
def test_kill_9_at_every_step_delivers_each_transition_with_the_same_key(step: str, tmp_path: Path):
    once = tmp_path / "once"
    with receiver_beside() as receiver:
        config = settings(tmp_path, receiver.url)
        env = {
            "OPS_SECRET": "0123456789abcdef",
            "TEST_DIES_AT": step,
            "TEST_DIES_ONCE": str(once),
        }
        program = FAULTS / "dies_delivering.py"
        server = Server(tmp_path / "data", "--config", str(config), env=env, program=program)
        server.start()
        try:
            assert server.send("POST", "/api/rules", RULE).status_code == 201
            once.touch()
            with server.client("boiler-1") as client:
                client.publish("devices/boiler-1/telemetry", '{"temp_c": 95}', qos=1)
                wait_for("it dies", lambda: not once.exists())
            server.kill()
            server.start()
            # Where it died before the PUBACK left, it may have died before the disk had it too.
            publish(server, 96.0)
            [rang] = told(receiver, 1)
            assert (rang["state"], rang["revision"]) == ("active", 1)
            publish(server, 20.0)
            assert [each["revision"] for each in told(receiver, 2)] == [1, 2]
            assert {each["id"] for each in told(receiver, 2)} == {rang["id"]}

            def all_confirmed() -> bool:
                found = server.get("/api/deliveries", alert=rang["id"])
                return [d["state"] for d in found] == ["confirmed", "confirmed"]

            wait_for("receipts", all_confirmed)
            keys = receiver.keys
            assert set(keys) == {f"{rang['id']}-1", f"{rang['id']}-2"}
            assert len(keys) <= 3, "at most the one in flight came twice"
            first = json.loads(receiver.requests[0].body)["transition"]
            assert (first["event"], first["revision"]) == ("holds", 1)
            assert first["readings"]["temp_c"]["value"] in (95.0, 96.0)
            assert all(len(r.headers["webhook-signature"]) > 40 for r in receiver.requests)
        finally:
            server.kill()
        assert "0123456789abcdef" not in server.log()
        assert "s3cret" not in server.log()


@pytest.mark.parametrize("step", [pytest.param("saved", marks=pytest.mark.long), "answered"])
def test_a_storm_told_together_is_told_whole_after_kill_9(step: str, tmp_path: Path):
    once = tmp_path / "once"
    with receiver_beside() as receiver:
        config = settings(tmp_path, receiver.url, 'group_by = "rule"\ngroup_interval_s = 0.1\n')
        env = {
            "OPS_SECRET": "0123456789abcdef",
            "TEST_DIES_AT": step,
            "TEST_DIES_ONCE": str(once),
        }
        program = FAULTS / "dies_delivering.py"
        server = Server(tmp_path / "data", "--config", str(config), env=env, program=program)
        server.start()
        try:
            assert server.send("POST", "/api/rules", RULE).status_code == 201
            once.touch()
            storm = {f"pump-{number}" for number in range(100)}
            with server.client("gateway") as client:
                for device in storm:
                    client.publish(f"devices/{device}/telemetry", '{"temp_c": 95}', qos=1)
                wait_for("it dies", lambda: not once.exists())
            server.kill()
            server.start()
            with server.client("gateway") as client:  # what was not acknowledged comes again
                sent = [
                    client.publish(f"devices/{device}/telemetry", '{"temp_c": 96}', qos=1)
                    for device in storm
                ]
                for each in sent:
                    each.wait_for_publish(10)
            alerts = told(receiver, len(storm))
            assert {alert["subject"] for alert in alerts} == storm
            assert {alert["revision"] for alert in alerts} == {1}

            def all_confirmed() -> bool:
                found = server.get("/api/deliveries", limit=1000)
                return len(found) == len(storm) and {d["state"] for d in found} == {"confirmed"}

            wait_for("receipts", all_confirmed)
            assert len(receiver.requests) < len(storm) / 2
        finally:
            server.kill()


def test_a_receiver_that_hangs_costs_the_others_nothing(tmp_path: Path):
    with receiver_beside() as receiver, receiver_beside() as good:
        receiver.behave = lambda _: "hang"
        more = f'timeout_s = 0.2\n[[channel]]\nname = "good"\nurl = "{good.url}"\n'
        config = settings(tmp_path, receiver.url, more)
        env = {"OPS_SECRET": "0123456789abcdef"}
        server = Server(tmp_path / "data", "--config", str(config), env=env).start()
        try:
            rule = {**RULE, "actions": ["ops", "good"]}
            assert server.send("POST", "/api/rules", rule).status_code == 201
            publish(server, 95.0)
            assert told(good, 1)[0]["rule"] == "hot"
            # Of the channel that fails an alert of its own is told, on the page and by the other.
            alarm = wait_for(
                "the self-alert",
                lambda: next(
                    (a for a in server.get("/api/alerts") if a["rule"] == "tocsin.channel"), None
                ),
                20,
            )
            assert alarm["subject"] == "channel:ops"
            assert {each["rule"] for each in told(good, 2)} == {"hot", "tocsin.channel"}
            ops, _ = server.get("/api/channels")
            assert (ops["name"], ops["failing"], ops["confirmed_total"]) == ("ops", True, 0)
            assert ops["target"] == receiver.url.removesuffix("/hook/s3cret")
            assert receiver.most_at_once <= 4

            receiver.behave = lambda _: 204
            wait_for(
                "it works again",
                lambda: server.get(f"/api/alerts/{alarm['id']}")["active"] is False,
                20,
            )
            assert server.stop() < 5
        finally:
            server.kill()


def test_what_is_dead_is_sent_again_when_somebody_says_so(tmp_path: Path):
    with receiver_beside() as receiver:
        receiver.behave = lambda _: 422
        config = settings(tmp_path, receiver.url)
        env = {"OPS_SECRET": "0123456789abcdef"}
        server = Server(tmp_path / "data", "--config", str(config), env=env).start()
        try:
            assert server.send("POST", "/api/rules", RULE).status_code == 201
            publish(server, 95.0)

            def dead() -> Any:
                return server.get("/api/deliveries", state="dead", channel="ops") or None

            [receipt] = wait_for("it is dead", dead)
            assert (receipt["error"], receipt["attempts"]) == ("answered 422", 1)
            receiver.behave = lambda _: 200
            assert (
                server.send("POST", "/api/deliveries/redrive", {"channel": "x"}).status_code == 404
            )
            answer = server.send("POST", "/api/deliveries/redrive", {"channel": "ops"})
            assert answer.json() == {"count": 1}
            assert told_keys(receiver, 2) == [receipt["key"]] * 2
            wait_for("confirmed", lambda: server.get("/api/deliveries", state="confirmed") or None)
            assert dead() is None
        finally:
            server.kill()


def told_keys(receiver: Receiver, count: int) -> list[str]:
    return wait_for(
        f"{count} requests", lambda: receiver.keys if len(receiver.keys) >= count else None
    )


def test_a_siren_is_commanded_over_mqtt(tmp_path: Path):
    config = tmp_path / "tocsin.toml"
    config.write_text(
        '[[channel]]\nname = "siren"\nkind = "mqtt"\ndevice = "siren-1"\ncommand = "siren"\n'
        "ring = '{\"on\": 1}'\n"
    )
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        heard: list[tuple[str, bytes]] = []
        with server.client("siren-1") as siren:
            siren.on_message = lambda _c, _u, m: heard.append((m.topic, bytes(m.payload)))
            subscribed = threading.Event()

            def on_subscribe(*_: object) -> None:
                subscribed.set()

            siren.on_subscribe = on_subscribe
            siren.subscribe("devices/siren-1/commands/+", qos=1)
            assert subscribed.wait(10)
            unknown = server.send("POST", "/api/rules", {**RULE, "actions": ["ops"]})
            assert unknown.status_code == 422
            assert "'ops' is no channel; expected one of these: siren" in unknown.text
            rule = {**RULE, "latch": False, "actions": ["siren"]}
            assert server.send("POST", "/api/rules", rule).status_code == 201
            publish(server, 95.0)
            wait_for("the siren", lambda: heard or None)
            publish(server, 20.0)
            wait_for("silence", lambda: len(heard) == 2)
            topic = "devices/siren-1/commands/siren"
            assert heard == [(topic, b'{"on": 1}'), (topic, b'{"on": false}')]
            found = server.get("/api/deliveries")
            assert [(d["state"], d["command"]) for d in found] == [
                ("sent", "clear"),
                ("sent", "ring"),
            ]
    finally:
        server.kill()


def test_the_heartbeat_pings_and_says_that_it_stops(tmp_path: Path):
    with receiver_beside() as watchdog:
        config = tmp_path / "tocsin.toml"
        config.write_text(f'[heartbeat]\nurl = "{watchdog.url}"\nevery_s = 0.1\n')
        server = Server(tmp_path / "data", "--config", str(config)).start()
        try:
            wait_for("pings", lambda: len(watchdog.pings) >= 3)
            beats: list[Any] = []
            with server.client("watcher") as watcher:
                watcher.on_message = lambda _c, _u, m: beats.append(json.loads(m.payload))
                watcher.subscribe("tocsin/heartbeat")
                wait_for("the retained beat", lambda: beats or None)
                assert beats[0]["state"] == "online"
                server.stop()
                wait_for("the last beat", lambda: beats[-1]["state"] == "offline")
        finally:
            server.kill()


def test_the_heartbeat_over_mqtt_can_be_switched_off(tmp_path: Path):
    server = Server(tmp_path / "data", env={"TOCSIN_HEARTBEAT__MQTT": "false"}).start()
    try:
        heard: list[str] = []
        with server.client("watcher") as watcher:
            watcher.on_message = lambda _c, _u, m: heard.append(m.topic)
            watcher.subscribe([("#", 1), ("test", 1)])
            watcher.publish("test", b"the last of what was on its way", 1)
            wait_for("its own message", lambda: "test" in heard or None)
        assert "tocsin/heartbeat" not in heard
    finally:
        server.kill()
