"""The fleet against an independent broker: nothing lost, nothing repeated, nothing left behind."""

import json
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, Protocol

import pytest
from paho.mqtt.client import MQTTMessage

from tocsin.simulators.broker_address import BrokerAddress, parse_broker
from tocsin.simulators.connection import Settings
from tocsin.simulators.fleet import Fleet


class Broker(Protocol):
    """What these tests use of the Mosquitto that conftest starts."""

    port: int

    @property
    def url(self) -> str: ...
    @property
    def log(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class Fleets:
    """Starts fleets, drives them by the real clock, and closes those that are left open."""

    def __init__(self) -> None:
        self._open: list[Fleet] = []
        self.said: list[str] = []

    def start(self, broker: BrokerAddress, devices: int = 5, **settings: Any) -> Fleet:
        fleet = Fleet(
            [f"d-{n}" for n in range(devices)],
            broker,
            replace(Settings(first_retry_s=0.05, last_retry_s=0.1), **settings),
            seed=1,
            now=time.monotonic(),
            say=self.said.append,
        )
        self._open.append(fleet)
        return fleet

    def close(self) -> None:
        for fleet in self._open:
            fleet.close(time.monotonic)
        self._open.clear()


def drive(fleet: Fleet, until: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not until():
        assert time.monotonic() < deadline, f"not true within {within_s} s: {fleet.counters()}"
        fleet.turn(time.monotonic(), 0.02)


@pytest.fixture
def fleets() -> Generator[Fleets]:
    fleets = Fleets()
    yield fleets
    fleets.close()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_each_message_arrives_once_and_in_order(
    qos: int, mosquitto: Broker, received: list[MQTTMessage], fleets: Fleets
) -> None:
    fleet = fleets.start(parse_broker(mosquitto.url), qos=qos)
    for n in range(60):  # before anything is connected: they wait in the backlog
        for device in range(5):
            fleet.publish(f"d-{device}", json.dumps({"n": n}).encode())
    drive(fleet, lambda: len(received) >= 300)
    drive(fleet, lambda: fleet.in_flight == 0)
    by_topic: dict[str, list[int]] = defaultdict(list)
    for message in received:
        assert message.qos == qos
        assert not message.retain
        by_topic[message.topic].append(json.loads(message.payload)["n"])
    assert by_topic == {f"devices/d-{n}/telemetry": list(range(60)) for n in range(5)}
    counters = fleet.counters()
    assert (counters.sent, counters.acked) == (300, 300 if qos else 0)
    assert (counters.dropped, counters.reconnects) == (0, 0)


@pytest.mark.parametrize("qos", [1, 2])
def test_devices_come_back_after_the_broker_was_away_and_lose_nothing(
    qos: int, mosquitto: Broker, fleets: Fleets
) -> None:
    fleet = fleets.start(parse_broker(mosquitto.url), qos=qos)
    drive(fleet, lambda: fleet.connected == 5)
    mosquitto.stop()
    for n in range(50):
        for device in range(5):
            fleet.publish(f"d-{device}", b"%d" % n)
        fleet.turn(time.monotonic(), 0.0)
    assert fleet.connected == 0
    mosquitto.start()
    drive(fleet, lambda: fleet.counters().acked == 250)
    counters = fleet.counters()
    assert (counters.sent, counters.dropped, counters.reconnects) == (250, 0, 5)
    # One line when it went, one when it was back, however many devices and attempts.
    assert len(fleets.said) == 2
    assert "trying again until it works" in fleets.said[0]
    assert "accepts devices again" in fleets.said[1]


def test_a_backlog_is_bounded_and_drops_the_oldest(
    mosquitto: Broker, received: list[MQTTMessage], fleets: Fleets
) -> None:
    fleet = fleets.start(parse_broker(mosquitto.url), devices=1, backlog=10)
    for n in range(25):
        fleet.publish("d-0", b"%d" % n)
    drive(fleet, lambda: fleet.counters().acked == 10)
    drive(fleet, lambda: len(received) == 10)
    assert [int(message.payload) for message in received] == list(range(15, 25))
    assert fleet.counters().dropped == 15


def test_an_unreachable_broker_is_tried_by_one_device_for_all(fleets: Fleets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    fleet = fleets.start(BrokerAddress("127.0.0.1", port), devices=200, first_retry_s=10.0)
    for _ in range(20):
        fleet.turn(time.monotonic(), 0.0)
    assert fleet.connected == 0
    assert not fleet.ever_accepted
    assert len(fleets.said) == 1
    assert f"127.0.0.1:{port} cannot be reached (Connection refused)" in fleets.said[0]


def test_a_refusal_is_told_with_its_reason(
    start_mosquitto: Callable[..., Broker], fleets: Fleets
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    fleet = fleets.start(parse_broker(broker.url), username="ann", password="wrong")
    drive(fleet, lambda: len(fleets.said) > 0)
    assert not fleet.ever_accepted
    assert "refused: Not authorized" in fleets.said[0]


def test_a_thousand_devices_need_one_thread_and_leave_with_a_disconnect(
    mosquitto: Broker, fleets: Fleets
) -> None:
    threads = threading.active_count()
    fleet = fleets.start(parse_broker(mosquitto.url), devices=1000)
    drive(fleet, lambda: fleet.connected == 1000)
    for device in range(1000):
        fleet.publish(f"d-{device}", b"{}")
    drive(fleet, lambda: fleet.counters().acked == 1000)
    assert threading.active_count() == threads
    fleets.close()
    mosquitto.stop()
    goodbyes = Counter(line.split(": ", 1)[1] for line in mosquitto.log.splitlines())
    assert sum(goodbyes[f"Client d-{n} disconnected."] for n in range(1000)) == 1000
