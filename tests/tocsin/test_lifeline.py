"""The heartbeat at another broker, a real one: Mosquitto, and amqtt, which has no MQTT 5."""

import asyncio
import itertools
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from amqtt.broker import Broker as Amqtt

from tests.broker.certificates import Authority
from tests.broker.harness import running
from tests.mosquitto import Mosquitto, mosquittos
from tocsin.heartbeat import lifeline
from tocsin.heartbeat.lifeline import Lifeline
from tocsin.heartbeat.url import BrokerUrl

T = TypeVar("T")
TOPIC = "plant/heartbeat"


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Generator[Callable[..., Mosquitto]]:
    with mosquittos(tmp_path) as start:
        yield start


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr(lifeline, "ANSWER_S", 0.5)
    monkeypatch.setattr(lifeline, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(lifeline, "LAST_RETRY_S", 0.1)


async def until(what: str, look: Callable[[], T | None], within_s: float = 10.0) -> T:
    try:
        async with asyncio.timeout(within_s):
            while True:
                if found := look():
                    return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


class Watched:
    """A lifeline and what it says of itself: `troubles` in their order, None for well."""

    def __init__(
        self,
        url: str,
        *,
        topic: str = TOPIC,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.troubles: list[str | None] = []
        counter = itertools.count(1)
        self.line = Lifeline(
            BrokerUrl.parse(url),
            topic,
            password,
            tls,
            beat=lambda: json.dumps({"beat": next(counter)}).encode(),
            will=b'"gone"',
            trouble=self.troubles.append,
        )

    async def well(self) -> None:
        await until("a beat arrives", lambda: self.troubles[-1:] == [None])

    async def trouble(self) -> str:
        return await until("a trouble", lambda: next((t for t in self.troubles if t), None))


@asynccontextmanager
async def living(url: str, **more: Any) -> AsyncGenerator[Watched]:
    watched = Watched(url, **more)
    watched.line.start()
    try:
        yield watched
    finally:
        await watched.line.stop(b'"stopped"')


def retained(port: int, topic: str = TOPIC, *flags: str) -> Any:
    """What stands there for whoever comes now."""
    command = ["mosquitto_sub", "-h", "localhost", "-p", str(port), "-t", topic]
    said = subprocess.run([*command, "-C", "1", "-W", "5", *flags], capture_output=True, timeout=10)
    return json.loads(said.stdout) if said.stdout else None


async def test_it_says_that_it_lives_and_then_that_it_stopped(
    start_mosquitto: Callable[..., Mosquitto],
):
    mosquitto = start_mosquitto()
    async with living(mosquitto.url) as watched:
        await watched.well()
        assert retained(mosquitto.port) == {"beat": 1}
        watched.line.beat()
        await until("the second", lambda: len(watched.troubles) == 2)
        assert retained(mosquitto.port) == {"beat": 2}
        assert watched.troubles == [None, None]
    assert retained(mosquitto.port) == "stopped"


async def test_the_will_is_told_of_a_loop_that_ends_unsaid(
    start_mosquitto: Callable[..., Mosquitto],
):
    mosquitto = start_mosquitto()
    other_loop = asyncio.new_event_loop()

    async def live_and_vanish() -> None:
        watched = Watched(mosquitto.url)
        watched.line.start()
        await watched.well()

    await asyncio.to_thread(other_loop.run_until_complete, live_and_vanish())
    for task in asyncio.all_tasks(other_loop):
        task.cancel()
    await asyncio.to_thread(other_loop.run_until_complete, asyncio.sleep(0))
    other_loop.close()
    await until("the will", lambda: retained(mosquitto.port) == "gone")


async def test_it_comes_back_when_its_broker_does(start_mosquitto: Callable[..., Mosquitto]):
    mosquitto = start_mosquitto()
    async with living(mosquitto.url) as watched:
        await watched.well()
        mosquitto.stop()
        assert f"127.0.0.1:{mosquitto.port} " in await watched.trouble()
        await until("refused", lambda: "refused" in (watched.troubles[-1] or ""))
        mosquitto.start()
        await watched.well()
        assert retained(mosquitto.port) == {"beat": 2}


async def test_a_broker_that_hangs_is_left_and_nothing_gathers_for_it(
    start_mosquitto: Callable[..., Mosquitto],
):
    mosquitto = start_mosquitto()
    async with living(mosquitto.url) as watched:
        await watched.well()
        mosquitto.pause()
        watched.line.beat()
        for _ in range(1000):
            watched.line.beat()
        # Its connection is left, and that it takes up new ones by the kernel alone is no life.
        async with asyncio.timeout(10):
            while "does not answer" not in str(watched.troubles[-1]):
                watched.line.beat()
                await asyncio.sleep(0.01)
        mosquitto.resume()
        await watched.well()
        assert retained(mosquitto.port)["beat"] <= 4


async def test_stopping_waits_for_no_broker_that_hangs(start_mosquitto: Callable[..., Mosquitto]):
    mosquitto = start_mosquitto()
    async with living(mosquitto.url) as watched:
        await watched.well()
        mosquitto.pause()
        began = asyncio.get_running_loop().time()
        await watched.line.stop(b'"stopped"')
        assert asyncio.get_running_loop().time() - began < 0.9


async def test_a_login_over_tls_and_what_is_wrong_with_one(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
):
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    certificate, key = authority.server()
    users = tmp_path / "users"
    command = ["mosquitto_passwd", "-c", "-b", str(users), "plant-1", "s3cret"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    mosquitto = start_mosquitto(
        f"certfile {certificate}",
        f"keyfile {key}",
        "allow_anonymous false",
        f"password_file {users}",
    )
    url = f"mqtts://plant-1@localhost:{mosquitto.port}"
    trusting = authority.trusting()
    async with living(url, password="s3cret", tls=trusting) as watched:
        await watched.well()
        flags = ("--cafile", str(authority.ca), "-u", "plant-1", "-P", "s3cret")
        assert retained(mosquitto.port, TOPIC, *flags) == {"beat": 1}
    async with living(url, password="guessed", tls=trusting) as watched:
        said = await watched.trouble()
        assert said == f"localhost:{mosquitto.port} refuses the connection: not authorized"
    async with living(url, password="s3cret", tls=stranger.trusting()) as watched:
        assert "its certificate is not accepted: " in await watched.trouble()


async def test_a_topic_that_is_not_allowed_is_a_trouble(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
):
    rows = tmp_path / "acl"
    rows.write_text("topic read #\n")
    mosquitto = start_mosquitto("allow_anonymous true", f"acl_file {rows}")
    async with living(mosquitto.url, topic="tocsin/heartbeat") as watched:
        assert await watched.trouble() == (
            f"127.0.0.1:{mosquitto.port} does not take 'tocsin/heartbeat': not authorized;"
            " another Tocsin takes heartbeat.topic = 'devices/NAME/telemetry'"
        )


async def test_two_that_share_a_topic_are_told():
    async with running() as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        async with living(url) as one:
            await one.well()
            async with living(url):
                assert "ended the connection: session taken over" in await one.trouble()


async def test_a_broker_without_mqtt_5_gets_3_1_1():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}"}
    broker = Amqtt({"listeners": {"default": listener}, "plugins": anonymous})
    await broker.start()
    try:
        async with living(f"mqtt://127.0.0.1:{port}") as watched:
            await watched.well()
            assert await asyncio.to_thread(retained, port) == {"beat": 1}
        assert await asyncio.to_thread(retained, port) == "stopped"
    finally:
        await broker.shutdown()


async def test_what_speaks_no_mqtt_is_said():
    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"no MQTT here" * 10)
        writer.close()

    server = await asyncio.start_server(web, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with living(f"mqtt://127.0.0.1:{port}") as watched:
            assert "sends what is no MQTT: " in await watched.trouble()


WRONG_URLS = {
    "http://watch.example": "broker 'http://watch.example' has the scheme 'http'; expected mqtt://",
    "watch.example": "broker 'watch.example' has the scheme 'none'; expected mqtt://[USER@]HOST",
    "mqtt://": "broker 'mqtt://' is no address; expected mqtt://[USER@]HOST[:PORT]",
    "mqtt://watch.example/topic": "broker 'mqtt://watch.example/topic' is no address",
    "mqtt://watch.example:0": "broker 'mqtt://watch.example:0' has port 0; expected 1 to 65535",
    "mqtt://watch.example:x": "broker 'mqtt://watch.example:x' has no usable port",
    "mqtt://u:s3cret@watch.example": "broker …@watch.example holds a password; expected it in",
}


@pytest.mark.parametrize(("url", "why"), WRONG_URLS.items())
def test_wrong_urls_are_refused_without_repeating_a_secret(url: str, why: str):
    with pytest.raises(ValueError) as caught:
        BrokerUrl.parse(url)
    assert str(caught.value).startswith(why)
    assert "s3cret" not in str(caught.value)


def test_a_url_says_where_and_who():
    assert BrokerUrl.parse("mqtt://h") == BrokerUrl("h", 1883, tls=False)
    assert BrokerUrl.parse("mqtts://pl%40nt@[::1]") == BrokerUrl("::1", 8883, True, "pl@nt")
    assert str(BrokerUrl.parse("mqtt://u@[::1]:99")) == "[::1]:99"
