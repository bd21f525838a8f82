"""amqtt's own plugins inside this broker: file, JWT and HTTP, none of them changed."""

import asyncio
import socket
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from tests.broker.harness import Running, running
from tocsin.broker import Login
from tocsin.broker.packets import (
    LEVEL_5,
    Connack,
    Connect,
    ConnectCode,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Will,
)
from tocsin.broker.plugins import PluginError, Plugins, PluginUse
from tocsin.broker.reasons import Reason
from tocsin.dashboard.users.passwords import hash_password
from tocsin.devices.credentials import Identity, Role

FILE = "amqtt.plugins.authentication.FileAuthPlugin"
JWT_LOGIN = "amqtt.contrib.jwt.UserAuthJwtPlugin"
JWT_TOPICS = "amqtt.contrib.jwt.TopicAuthJwtPlugin"
HTTP_LOGIN = "amqtt.contrib.http.UserAuthHttpPlugin"
HTTP_TOPICS = "amqtt.contrib.http.TopicAuthHttpPlugin"
TABOO = "amqtt.plugins.topic_checking.TopicTabooPlugin"

SECRET = "a secret of 32 bytes for the test"
CLAIMS = {"publish_claim": "writes", "subscribe_claim": "reads", "receive_claim": "hears"}


@asynccontextmanager
async def using(*uses: tuple[str, Mapping[str, Any]]) -> AsyncGenerator[Plugins]:
    plugins = Plugins([PluginUse(path, config) for path, config in uses])
    try:
        yield plugins
    finally:
        await plugins.close()


@asynccontextmanager
async def guarded(*uses: tuple[str, Mapping[str, Any]]) -> AsyncGenerator[Running]:
    """A broker that asks these plugins about logins, if they decide them, and about topics."""
    async with using(*uses) as plugins:

        async def authenticate(login: Login) -> Identity | None:
            if plugins.decide_logins and not await plugins.authenticate(login):
                return None
            return Identity(Role.OPERATOR, login.username or "")

        async with running(authenticate=authenticate, advise=plugins.advise) as broker:
            yield broker


# -- logins ------------------------------------------------------------------------------------


async def test_the_file_plugin(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    write(file, f"olga:{hash_password('long enough')}\n")
    async with using((FILE, {"password_file": str(file)})) as plugins:
        assert await plugins.authenticate(Login("c", "olga", b"long enough"))
        assert not await plugins.authenticate(Login("c", "olga", b"wrong"))
        assert not await plugins.authenticate(Login("c", "otto", b"long enough"))
        # It has no answer for who gives no name: nobody has said yes.
        assert not await plugins.authenticate(Login("c"))


def write(file: Path, text: str) -> None:
    file.write_text(text)


async def test_the_jwt_plugin() -> None:
    config = {"secret_key": SECRET, "user_claim": "username"}
    token = jwt.encode({"username": "olga"}, SECRET).encode()
    forged = jwt.encode({"username": "olga"}, "another secret of more than 32 bytes").encode()
    async with using((JWT_LOGIN, config)) as plugins:
        assert await plugins.authenticate(Login("c", "olga", token))
        assert not await plugins.authenticate(Login("c", "otto", token))
        assert not await plugins.authenticate(Login("c", "olga", forged))
        assert not await plugins.authenticate(Login("c", "olga", b"\xff"))


Ask = Callable[[dict[str, Any]], int]


@asynccontextmanager
async def web_server(answer: Ask) -> AsyncGenerator[dict[str, Any]]:
    """An HTTP server that answers with a status; gives the configuration to ask it."""

    async def respond(request: web.Request) -> web.Response:
        return web.Response(status=answer({"path": request.path, **await request.json()}))

    app = web.Application()
    app.router.add_post("/{path}", respond)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    try:
        yield {
            "host": "127.0.0.1",
            "port": sock.getsockname()[1],
            "request_method": "post",
            "response_mode": "status",
        }
    finally:
        await runner.cleanup()


async def test_the_http_plugin() -> None:
    asked: list[dict[str, Any]] = []

    def answer(question: dict[str, Any]) -> int:
        asked.append(question)
        return {"right": 200, "wrong": 403}.get(question["password"], 500)

    async with web_server(answer) as config, using((HTTP_LOGIN, config)) as plugins:
        assert await plugins.authenticate(Login("c", "olga", b"right"))
        assert not await plugins.authenticate(Login("c", "olga", b"wrong"))
        # 500 is no answer, and without one nobody comes in.
        assert not await plugins.authenticate(Login("c", "olga", b"?"))
    assert asked[0] == {
        "path": "/user",
        "username": "olga",
        "password": "right",
        "client_id": "c",
    }


async def test_a_plugin_that_fails_has_said_no() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    config = {"host": "127.0.0.1", "port": port}
    async with using((HTTP_LOGIN, config)) as plugins:
        assert not await plugins.authenticate(Login("c", "olga", b"right"))


async def test_all_plugins_with_an_answer_must_agree(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    token = jwt.encode({"username": "olga"}, SECRET)
    write(file, f"olga:{hash_password(token)}\n")
    both = (
        (FILE, {"password_file": str(file)}),
        (
            JWT_LOGIN,
            {"secret_key": SECRET, "user_claim": "username"},
        ),
    )
    async with using(*both) as plugins:
        assert await plugins.authenticate(Login("c", "olga", token.encode()))
    write(file, f"olga:{hash_password('another one')}\n")
    async with using(*both) as plugins:
        assert not await plugins.authenticate(Login("c", "olga", token.encode()))


@pytest.mark.parametrize(
    ("path", "config", "why"),
    [
        ("amqtt.contrib.nothing.Plugin", {}, "cannot be loaded: No module named"),
        ("Plugin", {}, "cannot be loaded: Empty module name"),
        ("amqtt.contrib.jwt.Nothing", {}, "cannot be loaded: module 'amqtt.contrib.jwt' has no"),
        ("amqtt.contexts.BaseContext", {}, "is no plugin for logins or topics"),
        (JWT_LOGIN, {"secret_key": SECRET}, 'missing value for field "user_claim"'),
        (JWT_LOGIN, {"secret_key": 5, "user_claim": "u"}, "wrong value type"),
        (FILE, {"password_file": "/nowhere"}, "does not start: Password file '/nowhere' not found"),
    ],
)
async def test_plugins_that_cannot_be_used(path: str, config: dict[str, Any], why: str) -> None:
    with warnings.catch_warnings():
        with pytest.raises(PluginError) as raised:
            Plugins([PluginUse(path, config)])
    assert path in str(raised.value)
    assert why in str(raised.value)


# -- topics, through the broker ------------------------------------------------------------------


async def test_the_jwt_topic_plugin_through_the_broker() -> None:
    claims = {"writes": ["a/+"], "reads": ["a/#"], "hears": ["#"]}
    token = jwt.encode(claims, SECRET).encode()
    config = {"secret_key": SECRET, **CLAIMS}
    async with guarded((JWT_TOPICS, config)) as broker, broker.peer() as peer:
        await peer.connect(Connect("c", username="olga", password=token, level=LEVEL_5))
        # In one piece: each waits for the answer to the one before, and none is lost.
        await peer.send(
            Subscribe(1, (("a/1", 1), ("b", 1))),
            Publish("a/1", b"1", 1, packet_id=2),
            Publish("b", b"2", 1, packet_id=3),
            Publish("a/1", b"3", 1, packet_id=4),
        )
        suback = await peer.expect(Suback)
        assert suback.codes == (1, Reason.NOT_AUTHORIZED)
        got = [await peer.receive() for _ in range(5)]
        assert [each.payload for each in got if isinstance(each, Publish)] == [b"1", b"3"]
        acks = [(each.packet_id, each.reason) for each in got if isinstance(each, Puback)]
        assert acks == [(2, 0), (3, Reason.NOT_AUTHORIZED), (4, 0)]
        assert broker.sink.payloads == [b"1", b"3"]


async def test_the_http_topic_plugin_is_asked_once_a_topic() -> None:
    asked: list[tuple[str, int]] = []

    def answer(question: dict[str, Any]) -> int:
        asked.append((question["topic"], question["acc"]))
        return 200 if question["topic"].startswith("a/") else 403

    async with web_server(answer) as config:
        async with guarded((HTTP_TOPICS, config)) as broker, broker.peer() as peer:
            await peer.connect(Connect("c", username="olga", level=LEVEL_5))
            await peer.send(*[Publish("a/1", b"%d" % n) for n in range(100)])
            await peer.send(Publish("b", b"no"), Publish("a/2", b"last", 1, packet_id=1))
            assert await peer.expect(Puback) == Puback(1)
            assert await peer.subscribe("$share/g/a/+", 1) == 1
            assert asked == [("a/1", 2), ("b", 2), ("a/2", 2), ("a/+", 4)]
            assert broker.sink.payloads == [b"%d" % n for n in range(100)] + [b"last"]
            assert broker.broker.report().clients[0].dropped == {"not allowed": 1}
            # The table of this broker has to agree: nobody publishes for the server.
            await peer.send(Publish("tocsin/a", b"", 1, packet_id=2))
            assert (await peer.expect(Puback)).reason == Reason.NOT_AUTHORIZED
            assert len(asked) == 4


async def test_a_will_is_asked_for_and_a_slow_answer_holds_only_who_waits_for_it() -> None:
    release = asyncio.Event()

    async def respond(request: web.Request) -> web.Response:
        question = await request.json()
        if question["topic"] == "slow":
            await release.wait()
        return web.Response(status=403 if question["topic"] == "no" else 200)

    app = web.Application()
    app.router.add_post("/acl", respond)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    sock = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    config = {
        "host": "127.0.0.1",
        "port": sock.getsockname()[1],
        "request_method": "post",
        "response_mode": "status",
    }
    async with guarded((HTTP_TOPICS, config)) as broker:
        async with broker.peer() as denied:
            refused = Connect("c", username="olga", will=Will("no", b""))
            assert await denied.connect(refused) == Connack(ConnectCode.NOT_AUTHORIZED)
        async with broker.peer() as slow, broker.peer() as quick:
            await slow.connect(Connect("slow", username="olga"))
            await quick.connect(Connect("quick", username="olga"))
            await slow.send(Publish("slow", b"1", 1, packet_id=1))
            await quick.send(Publish("quick", b"2", 1, packet_id=1))
            assert await quick.expect(Puback) == Puback(1)
            assert broker.sink.payloads == [b"2"]
            release.set()
            assert await slow.expect(Puback) == Puback(1)
    await runner.cleanup()


async def test_the_taboo_plugin_through_the_broker() -> None:
    async with guarded((TABOO, {})) as broker, broker.client() as peer:
        await peer.send(Publish("prohibited", b"no"), Publish("fine", b"yes"))
        await peer.round_trip()
        assert broker.sink.payloads == [b"yes"]
