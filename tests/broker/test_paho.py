"""The same broker with real clients: paho-mqtt, one network thread each."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.broker.harness import WITHIN_S, Running, running
from tocsin.broker import Login
from tocsin.devices.credentials import ANONYMOUS, Identity


class Paho:
    """A paho client that keeps what it got."""

    def __init__(
        self,
        client: str,
        *,
        clean: bool = True,
        protocol: int = mqtt.MQTTv311,
        transport: Literal["tcp", "websockets"] = "tcp",
    ) -> None:
        self.mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client,
            clean_session=clean,
            protocol=MQTTProtocolVersion(protocol),
            transport=transport,
            reconnect_on_failure=False,
        )
        self.messages: list[mqtt.MQTTMessage] = []
        self.connack: ReasonCode | None = None
        self.session_present = False
        self._answered = threading.Event()
        self._subscribed = threading.Event()
        self.gone = threading.Event()
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = self._on_message
        self.mqtt.on_subscribe = self._on_subscribe
        self.mqtt.on_disconnect = self._on_disconnect

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.connack = reason
        self.session_present = flags.session_present
        self._answered.set()

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        self.messages.append(message)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed.set()

    def _on_disconnect(self, *_: object) -> None:
        self.gone.set()

    def connect(self, port: int, keepalive_s: int = 60) -> None:
        self._answered.clear()
        self.mqtt.connect("127.0.0.1", port, keepalive_s)
        self.mqtt.loop_start()
        assert self._answered.wait(WITHIN_S), "no CONNACK"

    def subscribe(self, topic_filter: str, qos: int) -> None:
        self._subscribed.clear()
        assert self.mqtt.subscribe(topic_filter, qos)[0] == MQTTErrorCode.MQTT_ERR_SUCCESS
        assert self._subscribed.wait(WITHIN_S), "no SUBACK"

    def publish(self, topic: str, payload: str, qos: int = 0, retain: bool = False) -> None:
        """Returns when the broker has acknowledged, at QoS 1 and 2."""
        info = self.mqtt.publish(topic, payload, qos, retain)
        info.wait_for_publish(WITHIN_S)
        assert info.is_published()

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.messages]

    def leave(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def die(self) -> None:
        """The socket goes without DISCONNECT."""
        sock = self.mqtt.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)
        assert self.gone.wait(WITHIN_S)
        self.mqtt.loop_stop()


@asynccontextmanager
async def connected(
    broker: Running, client: str, *, clean: bool = True, protocol: int = mqtt.MQTTv311
) -> AsyncGenerator[Paho]:
    paho = Paho(client, clean=clean, protocol=protocol)
    await asyncio.to_thread(paho.connect, broker.port)
    try:
        yield paho
    finally:
        await asyncio.to_thread(paho.leave)


@pytest.mark.parametrize("protocol", [mqtt.MQTTv31, mqtt.MQTTv311])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_both_ways_in_order(broker: Running, qos: int, protocol: int) -> None:
    numbers = [str(number) for number in range(200)]
    async with (
        connected(broker, "sub", protocol=protocol) as sub,
        connected(broker, "pub", protocol=protocol) as pub,
    ):
        await asyncio.to_thread(sub.subscribe, "devices/+/telemetry", qos)
        for number in numbers:
            pub.mqtt.publish("devices/d1/telemetry", number, qos)
        await broker.until("all arrived", lambda: len(sub.messages) >= len(numbers))
        assert sub.payloads == numbers
        assert {message.qos for message in sub.messages} == {qos}
    assert [payload.decode() for payload in broker.sink.payloads] == numbers


async def test_retained_and_will(broker: Running) -> None:
    async with connected(broker, "watch") as watch:
        await asyncio.to_thread(watch.subscribe, "state/#", 1)
        dying = Paho("dying")
        dying.mqtt.will_set("state/dying", "lost", qos=1, retain=True)
        await asyncio.to_thread(dying.connect, broker.port)
        await asyncio.to_thread(dying.publish, "state/dying", "alive", 1, True)
        await asyncio.to_thread(dying.die)
        await broker.until("the will", lambda: watch.payloads == ["alive", "lost"])
    async with connected(broker, "late") as late:
        await asyncio.to_thread(late.subscribe, "state/#", 1)
        await broker.until("the retained will", lambda: late.payloads == ["lost"])
        assert late.messages[0].retain


async def test_a_session_over_a_reconnect(broker: Running) -> None:
    async with connected(broker, "sub", clean=False) as sub:
        assert not sub.session_present
        await asyncio.to_thread(sub.subscribe, "t", 2)
    await broker.ended("sub")
    async with connected(broker, "pub") as pub:
        for number in range(20):
            await asyncio.to_thread(pub.publish, "t", str(number), 1 + number % 2)
    async with connected(broker, "sub", clean=False) as sub:
        assert sub.session_present
        await broker.until("the queue", lambda: len(sub.messages) == 20)
        # paho hands a QoS 2 message on at its PUBREL: the order is one per QoS.
        for qos in (1, 2):
            got = [message.payload for message in sub.messages if message.qos == qos]
            assert got == [b"%d" % number for number in range(qos - 1, 20, 2)]


async def test_takeover(broker: Running) -> None:
    first = Paho("same")
    await asyncio.to_thread(first.connect, broker.port)
    async with connected(broker, "same") as second:
        assert await asyncio.to_thread(first.gone.wait, WITHIN_S)
        assert await broker.ended("same") == "taken over"
        await asyncio.to_thread(second.publish, "t", "still", 1)
    first.mqtt.loop_stop()


async def test_keepalive_pings_keep_a_quiet_client(broker: Running) -> None:
    quiet = Paho("quiet")
    await asyncio.to_thread(quiet.connect, broker.port, 1)
    assert not await asyncio.to_thread(quiet.gone.wait, 3.0)
    await asyncio.to_thread(quiet.leave)


async def only_right(login: Login) -> Identity | None:
    return ANONYMOUS if login.password == b"right" else None


async def test_password() -> None:
    async with running(authenticate=only_right) as broker:
        answers: list[str] = []
        for password in ("wrong", "right"):
            paho = Paho("c")
            paho.mqtt.username_pw_set("olga", password)
            await asyncio.to_thread(paho.connect, broker.port)
            answers.append(str(paho.connack))
            await asyncio.to_thread(paho.leave)
        assert answers == ["Bad user name or password", "Success"]
