"""MQTT 5 with a client that is not ours: paho-mqtt, one network thread each."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.broker.harness import WITHIN_S, Running


def properties(packet: int, **values: object) -> Properties:
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


def told(given: mqtt.MQTTMessage | Properties | None, name: str) -> Any:
    """A property by paho's name for it: paho sets them as they come."""
    return getattr(given.properties if isinstance(given, mqtt.MQTTMessage) else given, name)


class Paho5:
    """A paho client of MQTT 5 that keeps what it got."""

    def __init__(self, client: str) -> None:
        self.mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self.messages: list[mqtt.MQTTMessage] = []
        self.connack: Properties | None = None
        self.session_present = False
        self.end: ReasonCode | None = None
        self.codes: list[int] = []
        self.acks: list[int] = []
        self._answered = threading.Event()
        self._subscribed = threading.Event()
        self._published = threading.Event()
        self.gone = threading.Event()
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = lambda _, __, message: self.messages.append(message)
        self.mqtt.on_subscribe = self._on_subscribe
        self.mqtt.on_publish = self._on_publish
        self.mqtt.on_disconnect = self._on_disconnect

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        extras: Properties | None,
    ) -> None:
        self.connack = extras
        self.session_present = flags.session_present
        self._answered.set()

    def _on_subscribe(
        self,
        client: mqtt.Client,
        userdata: object,
        mid: int,
        codes: list[ReasonCode],
        extras: Properties | None,
    ) -> None:
        self.codes = [code.value for code in codes]
        self._subscribed.set()

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: object,
        mid: int,
        reason: ReasonCode,
        extras: Properties,
    ) -> None:
        self.acks.append(reason.value)
        self._published.set()

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        extras: Properties | None,
    ) -> None:
        self.end = reason
        self.gone.set()

    def connect(self, port: int, clean: bool, expiry_s: int, aliases: int) -> None:
        wanted = properties(
            PacketTypes.CONNECT, SessionExpiryInterval=expiry_s, TopicAliasMaximum=aliases
        )
        self.mqtt.connect("127.0.0.1", port, clean_start=clean, properties=wanted)
        self.mqtt.loop_start()
        assert self._answered.wait(WITHIN_S), "no CONNACK"

    async def subscribe(self, topic_filter: str, options: SubscribeOptions, number: int) -> None:
        self._subscribed.clear()
        wanted = properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=number)
        answer = self.mqtt.subscribe(topic_filter, options=options, properties=wanted)
        assert answer[0] == MQTTErrorCode.MQTT_ERR_SUCCESS
        assert await asyncio.to_thread(self._subscribed.wait, WITHIN_S), "no SUBACK"

    async def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool = False, **values: object
    ) -> None:
        """Returns when the broker has answered."""
        self._published.clear()
        self.mqtt.publish(topic, payload, qos, retain, properties(PacketTypes.PUBLISH, **values))
        assert await asyncio.to_thread(self._published.wait, WITHIN_S), "no answer"

    def leave(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()


@asynccontextmanager
async def connected(
    broker: Running, client: str, *, clean: bool = True, expiry_s: int = 0, aliases: int = 0
) -> AsyncGenerator[Paho5]:
    paho = Paho5(client)
    await asyncio.to_thread(paho.connect, broker.port, clean, expiry_s, aliases)
    try:
        yield paho
    finally:
        await asyncio.to_thread(paho.leave)


async def test_terms(broker: Running) -> None:
    async with connected(broker, "") as paho:
        terms = paho.connack
        assert told(terms, "AssignedClientIdentifier").startswith("auto-")
        assert told(terms, "TopicAliasMaximum") == 32
        assert told(terms, "ReceiveMaximum") == 16_384
        assert told(terms, "MaximumPacketSize") == 266_240


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_properties_both_ways(broker: Running, qos: int) -> None:
    async with connected(broker, "sub") as sub, connected(broker, "pub") as pub:
        await sub.subscribe("t/#", SubscribeOptions(qos), 7)
        user = [("b", "1"), ("a", "2"), ("b", "3")]
        await pub.publish(
            "t/x",
            b"v",
            qos,
            UserProperty=user,
            ContentType="text/plain",
            ResponseTopic="answers",
            CorrelationData=b"\0\1",
            PayloadFormatIndicator=1,
            MessageExpiryInterval=100,
        )
        await broker.until("the message", lambda: sub.messages)
        [got] = sub.messages
        assert told(got, "UserProperty") == user
        assert told(got, "ContentType") == "text/plain"
        assert told(got, "ResponseTopic") == "answers"
        assert told(got, "CorrelationData") == b"\0\1"
        assert told(got, "SubscriptionIdentifier") == [7]
        assert 95 <= told(got, "MessageExpiryInterval") <= 100


async def test_request_and_response(broker: Running) -> None:
    async with connected(broker, "asks") as asks, connected(broker, "answers") as answers:
        await asks.subscribe("answers/asks", SubscribeOptions(1), 1)
        await answers.subscribe("questions", SubscribeOptions(1), 1)
        await asks.publish(
            "questions", b"?", 1, ResponseTopic="answers/asks", CorrelationData=b"42"
        )
        await broker.until("the question", lambda: answers.messages)
        question = answers.messages[0]
        where, which = told(question, "ResponseTopic"), told(question, "CorrelationData")
        await answers.publish(where, b"!", 1, CorrelationData=which)
        await broker.until("the answer", lambda: asks.messages)
        assert told(asks.messages[0], "CorrelationData") == b"42"


async def test_subscription_options(broker: Running) -> None:
    async with connected(broker, "c") as paho, connected(broker, "other") as other:
        options = SubscribeOptions(1, noLocal=True, retainAsPublished=True, retainHandling=2)
        await other.publish("t", b"before", 1, retain=True)
        await paho.subscribe("t", options, 1)
        await paho.publish("t", b"own", 1)
        await other.publish("t", b"theirs", 1, retain=True)
        await broker.until("the message", lambda: paho.messages)
        assert [(m.payload, m.retain) for m in paho.messages] == [(b"theirs", True)]


async def test_a_refused_publish_is_answered_and_the_client_stays(broker: Running) -> None:
    async with connected(broker, "c") as paho:
        await paho.publish("$SYS/x", b"", 1)
        await paho.publish("t", b"", 1)
        assert paho.acks == [0x87, 0]
        await paho.subscribe("$share/g", SubscribeOptions(0), 1)
        assert paho.codes == [0x8F]


async def test_a_session_and_aliases_over_a_reconnect(broker: Running) -> None:
    async with connected(broker, "sub", expiry_s=60) as sub:
        await sub.subscribe("t", SubscribeOptions(1), 1)
    await broker.ended("sub")
    async with connected(broker, "pub") as pub:
        # paho takes aliases as they are: the second message has the alias alone.
        await pub.publish("t", b"1", 1, TopicAlias=3)
        await pub.publish("", b"2", 1, TopicAlias=3)
    async with connected(broker, "sub", clean=False, expiry_s=60, aliases=5) as sub:
        assert sub.session_present
        await broker.until("the queue", lambda: len(sub.messages) == 2)
        assert [(m.topic, m.payload) for m in sub.messages] == [("t", b"1"), ("", b"2")]
        assert [told(m, "TopicAlias") for m in sub.messages] == [1, 1]


async def test_a_shared_subscription(broker: Running) -> None:
    async with connected(broker, "a") as one, connected(broker, "b") as two:
        for member in (one, two):
            await member.subscribe("$share/g/t", SubscribeOptions(1), 1)
        async with connected(broker, "pub") as pub:
            for number in range(10):
                await pub.publish("t", b"%d" % number, 1)
        await broker.until("all", lambda: len(one.messages) + len(two.messages) == 10)
        assert len(one.messages) == 5


async def test_takeover_says_why(broker: Running) -> None:
    first = Paho5("same")
    await asyncio.to_thread(first.connect, broker.port, True, 0, 0)
    async with connected(broker, "same"):
        assert await asyncio.to_thread(first.gone.wait, WITHIN_S)
        assert str(first.end) == "Session taken over"
    await asyncio.to_thread(first.leave)
