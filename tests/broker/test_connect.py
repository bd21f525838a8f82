"""CONNECT: who gets in, with which answer, and what it does to a session that is there."""

import asyncio

import pytest

from tests.broker.catalogue import MALFORMED, MALFORMED_CONNECTS, MISPLACED, Malformed
from tests.broker.harness import Running, local, running
from tocsin.broker import Listener, ListenError, Login, Settings
from tocsin.broker.closing import CONNECTION_LOST as LOST
from tocsin.broker.packets import (
    LEVEL_31,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrel,
    Will,
)
from tocsin.broker.reasons import ConnectCode
from tocsin.devices.credentials import Identity, Role
from tocsin.devices.message import Message


async def by_password(login: Login) -> Identity | None:
    """olga and otto come in with the password `right`; `broken` makes the check itself fail."""
    if login.username == "broken":
        raise OSError("user store is gone")
    # Not at once, as a real check: whatever else the broker does comes between.
    await asyncio.sleep(0.01)
    known = login.username if login.password == b"right" else None
    return Identity(Role.OPERATOR, known) if known else None


@pytest.mark.parametrize("level", [LEVEL_31, 4])
async def test_accepted(broker: Running, level: int) -> None:
    async with broker.peer() as peer:
        assert await peer.connect(Connect("c", level=level)) == Connack()
        await peer.send(Disconnect())
        await peer.closed()
    assert await broker.ended("c") == "clean"
    assert broker.connections == [("c", True, "connected"), ("c", False, "clean")]


async def test_an_empty_client_id_gets_one_of_its_own(broker: Running) -> None:
    async with broker.peer() as first, broker.peer() as second:
        await first.connect(Connect(""))
        await second.connect(Connect(""))
        ids = {report.id for report in broker.broker.report().clients}
    assert len(ids) == 2
    assert all(each.startswith("auto-") for each in ids)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (Connect("", clean=False), ConnectCode.IDENTIFIER_REJECTED),
        (Connect("x" * 257), ConnectCode.IDENTIFIER_REJECTED),
        (Connect("c"), ConnectCode.NOT_AUTHORIZED),
        (Connect("c", username="olga"), ConnectCode.BAD_CREDENTIALS),
        (Connect("c", username="olga", password=b"wrong"), ConnectCode.BAD_CREDENTIALS),
        (Connect("c", username="broken", password=b""), ConnectCode.SERVER_UNAVAILABLE),
        (
            Connect("c", username="olga", password=b"right", will=Will("tocsin/x", b"")),
            ConnectCode.NOT_AUTHORIZED,
        ),
    ],
)
async def test_refused(packet: Connect, code: ConnectCode) -> None:
    async with running(authenticate=by_password) as broker, broker.peer() as peer:
        assert await peer.connect(packet) == Connack(code)
        await peer.closed()
        assert broker.connections == []
        report = broker.broker.report()
        assert (len(report.refusals), report.totals.sessions) == (1, 0)


@pytest.mark.parametrize("case", MALFORMED_CONNECTS, ids=lambda case: case.name)
async def test_a_malformed_connect_closes_the_socket(broker: Running, case: Malformed) -> None:
    async with broker.peer() as peer:
        await peer.send(case.wire)
        await peer.closed()
    assert broker.refused() == {"malformed packet": 1}
    assert case.why in broker.broker.report().refusals[0].reason


@pytest.mark.parametrize("case", MALFORMED + MISPLACED, ids=lambda case: case.name)
async def test_a_malformed_packet_closes_that_client_only(broker: Running, case: Malformed) -> None:
    async with broker.client("good") as good, broker.client("bad") as bad:
        await good.subscribe("t")
        await bad.send(Publish("t", b"before"), case.wire, Publish("t", b"after"))
        await bad.closed()
        assert (await good.expect(Publish)).payload == b"before"
        await good.round_trip()
    reason = await broker.ended("bad")
    assert reason.startswith("malformed packet: ")
    assert case.why in reason
    assert broker.sink.payloads == [b"before"]


async def test_packets_right_behind_connect_wait_for_the_login() -> None:
    async with running(authenticate=by_password) as broker, broker.peer() as peer:
        await peer.send(
            Connect("c", username="olga", password=b"right"),
            Publish("t", b"v", 1, packet_id=1),
            Pingreq(),
        )
        assert await peer.receive() == Connack()
        assert {await peer.receive(), await peer.receive()} == {Puback(1), Pingresp()}


async def test_packets_right_behind_a_refused_connect_are_not_taken() -> None:
    async with running(authenticate=by_password) as broker, broker.peer() as peer:
        await peer.send(Connect("c", username="olga"), Publish("t", b"v", 1, packet_id=1))
        await peer.closed()
        assert broker.sink.messages == []


async def test_a_client_that_leaves_during_its_login_leaves_nothing() -> None:
    async with running(authenticate=by_password) as broker:
        async with broker.peer() as peer:
            await peer.send(Connect("c", username="olga", password=b"right"))
        await broker.until("socket is gone", lambda: not broker.broker.totals().connections)
        assert broker.broker.totals().sessions == 0
        # Whether the login or the end of the socket was seen first: what began has ended.
        assert broker.connections in ([], [("c", True, "connected"), ("c", False, LOST)])


async def test_a_login_that_takes_too_long_is_given_up() -> None:
    cancelled = asyncio.Event()

    async def hanging(login: Login) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with running(local(connect_timeout_s=0.2), authenticate=hanging) as broker:
        async with broker.peer() as peer:
            await peer.send(Connect("c"))
            await peer.closed()
        await asyncio.wait_for(cancelled.wait(), 1)
        assert broker.refused() == {"connect timeout": 1}


# -- takeover ----------------------------------------------------------------------------------


async def test_takeover_closes_the_older_connection_and_publishes_its_will(
    broker: Running,
) -> None:
    async with broker.peer() as old, broker.peer() as new, broker.client("watch") as watch:
        await watch.subscribe("wills/#")
        await old.connect(Connect("c", will=Will("wills/c", b"gone")))
        assert await new.connect(Connect("c")) == Connack()
        await old.closed()
        assert (await watch.expect(Publish)).payload == b"gone"
        await new.round_trip()
    assert [event for event in broker.connections if event[0] == "c"][:3] == [
        ("c", True, "connected"),
        ("c", False, "taken over"),
        ("c", True, "connected"),
    ]
    assert broker.sink.messages == [Message("c", "wills/c", b"gone")]


@pytest.mark.parametrize(
    ("intruder", "code"),
    [
        (Connect("c", username="olga", password=b"wrong"), ConnectCode.BAD_CREDENTIALS),
        (Connect("c"), ConnectCode.NOT_AUTHORIZED),
        # Known, and another: the client id belongs to who has its session.
        (Connect("c", username="otto", password=b"right"), ConnectCode.IDENTIFIER_REJECTED),
    ],
)
async def test_who_is_refused_disturbs_nobody(intruder: Connect, code: ConnectCode) -> None:
    async with running(authenticate=by_password) as broker:
        async with broker.peer() as peer, broker.peer() as other:
            await peer.connect(Connect("c", False, username="olga", password=b"right"))
            await peer.subscribe("t", 1)
            assert await other.connect(intruder) == Connack(code)
            await other.closed()
            broker.broker.publish("t", b"still here", qos=1)
            assert (await peer.expect(Publish)).payload == b"still here"
        assert await broker.ended("c") == "connection lost"
        async with broker.peer() as other:
            assert await other.connect(intruder) == Connack(code)
        assert len(broker.connections) == 2
        assert broker.broker.totals().sessions == 1


# -- sessions ----------------------------------------------------------------------------------


async def test_a_persistent_session_keeps_subscriptions_and_messages(broker: Running) -> None:
    async with broker.client("c", clean=False) as peer:
        await peer.subscribe("t/#", 2)
    await broker.ended("c")
    for number in range(3):
        broker.broker.publish("t/x", b"%d" % number, qos=number)
    async with broker.peer() as peer:
        assert await peer.connect(Connect("c", False)) == Connack(session_present=True)
        got = [await peer.expect(Publish), await peer.expect(Publish)]
        # QoS 0 is not kept for who is away.
        assert [(each.payload, each.qos, each.dup) for each in got] == [
            (b"1", 1, False),
            (b"2", 2, False),
        ]


async def test_unacknowledged_messages_come_again_in_order_with_dup(broker: Running) -> None:
    async with broker.client("c", clean=False) as peer:
        await peer.subscribe("t", 2)
        for number in range(4):
            broker.broker.publish("t", b"%d" % number, qos=2 if number == 1 else 1)
        first = [await peer.expect(Publish) for _ in range(4)]
        assert [each.packet_id for each in first] == [1, 2, 3, 4]
        await peer.send(Puback(3))
        await peer.round_trip()
    await broker.ended("c")
    async with broker.peer() as peer:
        await peer.connect(Connect("c", False))
        again = [await peer.expect(Publish) for _ in range(3)]
        assert [(each.payload, each.qos, each.dup, each.packet_id) for each in again] == [
            (b"0", 1, True, 1),
            (b"1", 2, True, 2),
            (b"3", 1, True, 4),
        ]
        broker.broker.publish("t", b"new", qos=1)
        assert not (await peer.expect(Publish)).dup


async def test_a_release_that_was_not_completed_comes_again(broker: Running) -> None:
    async with broker.client("c", clean=False) as peer:
        await peer.subscribe("t", 2)
        broker.broker.publish("t", b"v", qos=2)
        packet_id = (await peer.expect(Publish)).packet_id
        await peer.send(b"\x50\x02" + packet_id.to_bytes(2, "big"))
        assert await peer.receive() == Pubrel(packet_id)
    await broker.ended("c")
    async with broker.peer() as peer:
        await peer.connect(Connect("c", False))
        assert await peer.receive() == Pubrel(packet_id)
        await peer.round_trip()


async def test_a_clean_session_forgets_and_is_forgotten(broker: Running) -> None:
    async with broker.client("c", clean=False) as peer:
        await peer.subscribe("t", 1)
    await broker.ended("c")
    broker.broker.publish("t", b"kept", qos=1)
    async with broker.peer() as peer:
        assert await peer.connect(Connect("c", True)) == Connack(session_present=False)
        broker.broker.publish("t", b"not subscribed", qos=1)
        await peer.round_trip()
    await broker.until("session is gone", lambda: not broker.broker.totals().sessions)
    assert broker.broker.totals().subscriptions == 0
    async with broker.peer() as peer:
        assert await peer.connect(Connect("c", False)) == Connack(session_present=False)


async def test_sessions_of_clients_that_are_away_are_bounded() -> None:
    async with running(local(sessions_offline=2)) as broker:
        for number in range(4):
            async with broker.client(f"c{number}", clean=False):
                pass
            await broker.ended(f"c{number}")
        assert [report.id for report in broker.broker.report().clients] == ["c2", "c3"]


# -- time --------------------------------------------------------------------------------------


async def test_keepalive_is_enforced_at_one_and_a_half(broker: Running) -> None:
    loop = asyncio.get_running_loop()
    async with broker.peer() as silent, broker.peer() as pinging:
        began = loop.time()
        await silent.connect(Connect("silent", keepalive_s=1, will=Will("w", b"gone")))
        await pinging.connect(Connect("pinging", keepalive_s=1))

        async def ping() -> None:
            while True:
                await pinging.round_trip()
                await asyncio.sleep(0.5)

        pings = asyncio.create_task(ping())
        await silent.closed()
        assert 1.5 <= loop.time() - began < 2.5
        assert broker.sink.payloads == [b"gone"]
        assert await broker.ended("silent") == "keepalive"
        assert not pings.done()
        pings.cancel()
        await asyncio.wait([pings])
        await pinging.round_trip()


async def test_a_client_that_never_sends_connect_is_gone_in_time() -> None:
    async with running(local(connect_timeout_s=0.3)) as broker:
        async with broker.peer() as mute, broker.peer() as dripping:
            await dripping.send(b"\x10\x0e\0\x04MQ")
            await mute.closed()
            await dripping.closed()
        assert broker.refused() == {"connect timeout": 2}


# -- the listener ------------------------------------------------------------------------------


async def test_one_connection_too_many_is_closed_at_once() -> None:
    async with running(local(connections=2)) as broker:
        async with broker.client("a") as first, broker.client("b"), broker.peer() as third:
            await third.closed()
            await first.round_trip()
        assert broker.refused() == {"too many connections": 1}
        await broker.until("room again", lambda: not broker.broker.totals().connections)
        async with broker.client("c") as peer:
            await peer.round_trip()


async def test_a_busy_port_is_named(broker: Running) -> None:
    taken = Settings(listeners=(Listener("127.0.0.1", 0), Listener("127.0.0.1", broker.port)))
    with pytest.raises(ListenError, match=f"127.0.0.1:{broker.port}: the port is in use"):
        async with running(taken):
            pass


async def test_stop_closes_everything_and_publishes_no_wills() -> None:
    async with running() as broker:
        async with broker.peer() as peer:
            await peer.connect(Connect("c", will=Will("w", b"gone")))
            await broker.broker.stop()
            await peer.closed()
            assert broker.connections[-1] == ("c", False, "server stopping")
            assert broker.sink.messages == []
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", broker.port)
