"""Each limit is hit, and can be seen: its value, how often, and who came to it.

What each one does is in test_limits.py and test_backoff.py; here is that none of it hides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import pytest

from tests.broker.harness import Peer, Running, local, running
from tests.broker.test_limits import SLOW, deaf
from tocsin.broker import Login, Settings
from tocsin.broker.facts import Came, Left, to_record
from tocsin.broker.fold import Fold
from tocsin.broker.hits import LIMITS
from tocsin.broker.packets import LEVEL_311, Connect, Publish, Subscribe
from tocsin.dashboard import metrics
from tocsin.devices.credentials import ANONYMOUS, Identity

NOT_LIMITS = {
    "listeners",
    "address_connect_burst",  # the other half of address_connects_per_s
    "remembered_addresses", "remembered_logins", "remembered_topics", "refusals_kept",
    "session_expiry_s", "in_flight", "topic_aliases", "keepalive_max_s",
    "will_grace_s", "linger_s", "stop_grace_s", "sys_interval_s",
}  # fmt: skip
"""Settings that bound what is remembered, say how long, or that clients are told beforehand."""


@dataclass(frozen=True, slots=True)
class Scene:
    broker: Running
    stack: AsyncExitStack

    async def guest(self) -> Peer:
        """A socket that is there until the end."""
        return await self.stack.enter_async_context(self.broker.peer())

    async def client(self, name: str = "c", *, clean: bool = True) -> Peer:
        peer = await self.guest()
        await peer.connect(Connect(name, clean))
        return peer


Act = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """How a limit is hit under these settings. It says at the client `c` that it was, or, where
    that client is closed or has not come in, in a refusal that begins like this. None: it is
    nobody's in particular."""

    act: Act
    settings: Mapping[str, float]
    refusal: str | None = ""


async def comes_and_goes(scene: Scene) -> None:
    """One more socket than the one that is there, closed at once."""
    await scene.client()
    await (await scene.guest()).closed()


def guesses(*names: str) -> Act:
    async def act(scene: Scene) -> None:
        for name in names:
            await (await scene.guest()).connect(Connect("c", username=name, password=b"wrong"))

    return act


async def says_nothing(scene: Scene) -> None:
    await (await scene.guest()).closed()


def connects(client: str, user: str) -> Act:
    async def act(scene: Scene) -> None:
        peer = await scene.guest()
        await peer.send(Connect(client, username=user))
        await peer.closed()

    return act


def publishes(*packets: Publish) -> Act:
    async def act(scene: Scene) -> None:
        await (await scene.client()).send(*packets)

    return act


def subscribes(*filters: str) -> Act:
    async def act(scene: Scene) -> None:
        scene.broker.broker.publish("r", b"v", retain=True)
        peer = await scene.client()
        await peer.send(Subscribe(1, tuple((each, 0) for each in filters)))
        await peer.receive()

    return act


def is_away(payload: bytes) -> Act:
    """The client `c` has a session, and misses three messages."""

    async def act(scene: Scene) -> None:
        peer = await scene.client(clean=False)
        await peer.subscribe("t", 1)
        await peer.leave()
        await scene.broker.ended("c")
        for _ in range(3):
            scene.broker.broker.publish("t", payload, qos=1)

    return act


async def two_are_away(scene: Scene) -> None:
    for name in ("b", "c"):
        await (await scene.client(name, clean=False)).leave()
        await scene.broker.ended(name)


async def reads_nothing(scene: Scene) -> None:
    peer = await deaf(scene.broker, "c", 0)
    scene.stack.push_async_callback(peer.leave)
    while not scene.broker.broker.report().limit_hits["write_buffer_bytes"]:
        scene.broker.broker.publish("t", b"x" * 10_000)
        await asyncio.sleep(0)


async def waits_for_the_disk(scene: Scene) -> None:
    scene.broker.sink.held = True
    await publishes(Publish("t", b"x" * 1_000, 1, packet_id=1))(scene)


RETAINED = [Publish(f"r/{n}", b"x" * 90, retain=True) for n in range(2)]
DEEP, LONG = Publish("a/b/c", b"v"), Publish("x" * 21, b"v")
TWO_OPEN = [Publish("t", b"v", 2, packet_id=n) for n in (1, 2)]

CASES = {
    "connections": Case(comes_and_goes, {"connections": 1}, "too many connections:"),
    "address_connections": Case(
        comes_and_goes, {"address_connections": 1}, "too many connections of one address:"
    ),
    "address_connects_per_s": Case(
        comes_and_goes,
        {"address_connects_per_s": 0.01, "address_connect_burst": 1},
        "connects too fast:",
    ),
    "login_failures_free": Case(
        guesses("ann", "ann", "ann"), {"login_failures_free": 1}, "too many wrong logins: 'ann'"
    ),
    "address_login_failures": Case(
        guesses("ann", "bob"), {"address_login_failures": 1}, "too many wrong logins: 'bob'"
    ),
    "connect_timeout_s": Case(says_nothing, {"connect_timeout_s": 0.05}, "connect timeout:"),
    "connect_packet_bytes": Case(
        connects("c", "u" * 100), {"connect_packet_bytes": 100}, "malformed packet: packet has"
    ),
    "packet_bytes": Case(
        publishes(Publish("t", b"x" * 100)), {"packet_bytes": 50}, "malformed packet: packet has"
    ),
    "client_id_bytes": Case(connects("c" * 11, "u"), {"client_id_bytes": 10}, "client id too long"),
    "topic_bytes": Case(publishes(LONG), {"topic_bytes": 20}),
    "topic_levels": Case(publishes(DEEP), {"topic_levels": 2}),
    "subscriptions": Case(subscribes("a", "b"), {"subscriptions": 1}),
    "sessions_offline": Case(two_are_away, {"sessions_offline": 1}, "too many sessions away:"),
    "client_messages_per_s": Case(
        publishes(*[Publish("t", b"v")] * 3), {"client_messages_per_s": 1.0}
    ),
    "client_bytes_per_s": Case(publishes(Publish("t", b"x" * 500)), {"client_bytes_per_s": 100.0}),
    "queued_messages": Case(is_away(b"v"), {"queued_messages": 2}),
    "queued_bytes": Case(is_away(b"x" * 100), {"queued_bytes": 250}),
    "unreleased": Case(publishes(*TWO_OPEN), {"unreleased": 1}, "too many unreleased messages:"),
    "write_buffer_bytes": Case(reads_nothing, SLOW),
    "retained_messages": Case(publishes(*RETAINED), {"retained_messages": 1}),
    "retained_bytes": Case(publishes(*RETAINED), {"retained_bytes": 150}),
    "retained_replay": Case(subscribes("r", "r"), {"retained_replay": 1}),
    "uncommitted_bytes": Case(waits_for_the_disk, {"uncommitted_bytes": 1_000}, None),
}


async def with_any_password_but_one(login: Login) -> Identity | None:
    return None if login.password == b"wrong" else ANONYMOUS


def read_by_prometheus(report: Any, name: str) -> dict[str, float]:
    families = metrics._broker(report)  # pyright: ignore[reportPrivateUsage]
    [family] = [each for each in families if each.name == name]
    return {each.labels["limit"]: each.value for each in family.samples}


@pytest.mark.parametrize("limit", CASES)
async def test_a_limit_that_is_hit_can_be_seen(limit: str) -> None:
    case = CASES[limit]
    settings = local(**case.settings)
    async with running(settings, authenticate=with_any_password_but_one) as broker:
        assert not any(broker.broker.report().limit_hits.values())
        async with AsyncExitStack() as stack:
            await case.act(Scene(broker, stack))
            await broker.until("it was hit", lambda: broker.broker.report().limit_hits[limit])
            # What GET /api/broker answers with.
            report = msgspec.to_builtins(broker.broker.report())
            assert {name for name, count in report["limit_hits"].items() if count} == {limit}
            assert report["limits"][limit] == case.settings[limit]
            assert read_by_prometheus(report, "tocsin_broker_limit")[limit] == case.settings[limit]
            hits = read_by_prometheus(report, "tocsin_broker_limit_hits")
            assert hits[limit] == report["limit_hits"][limit] > 0
            if case.refusal:
                reasons = [each["reason"] for each in report["refusals"]]
                assert any(each.startswith(case.refusal) for each in reasons), reasons
            elif case.refusal is not None:
                [client] = [each for each in report["clients"] if each["id"] == "c"]
                assert client["limit_hits"] == {limit: report["limit_hits"][limit]}


async def test_what_a_replay_does_again_does_not_count() -> None:
    settings = local(sessions_offline=1)
    fold = Fold(settings, lambda: 3.0)
    facts = [
        fact
        for name in ("b", "c")
        for fact in (
            Came(name, ANONYMOUS, None, LEVEL_311, False, 60.0, 1.0),
            Left(name, 60.0, 0, 2.0),
        )
    ]
    fold.replay([to_record(fact) for fact in facts], 2.0, 1)
    async with running(settings, fold=fold) as broker:
        report = broker.broker.report()
        assert [client.id for client in report.clients] == ["c"]
        assert not any(report.limit_hits.values())
        assert not report.refused


def test_every_setting_is_a_limit_that_counts_or_none() -> None:
    assert CASES.keys() == LIMITS
    assert not LIMITS & NOT_LIMITS
    assert {spec.name for spec in fields(Settings)} == LIMITS | NOT_LIMITS
