"""SUBSCRIBE, UNSUBSCRIBE, filters and shared subscriptions (3.8 to 3.11, 4.7, 4.8)."""

import pytest

from tests.broker.clauses import clause, clause311
from tests.broker.conformance.peers import both, client, rest
from tests.broker.harness import Running, local, running
from tocsin.broker.packets import (
    LEVEL_5,
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason


def ids(*numbers: int) -> Properties:
    return Properties(subscription_ids=numbers)


@both
@clause311(
    "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-4", "MQTT-3.8.4-5", "MQTT-3.9.3-1",
    "MQTT-3.9.3-2", "MQTT-2.3.1-7", "MQTT-3.8.3-2",
)  # fmt: skip
@clause(
    "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-5", "MQTT-3.8.4-6", "MQTT-3.8.4-7",
    "MQTT-3.9.3-1", "MQTT-3.9.3-2", "MQTT-2.2.1-6",
)  # fmt: skip
async def test_one_answer_for_many_filters_in_their_order(level: int) -> None:
    async with running(local(subscriptions=3)) as broker, client(broker, "c", level) as peer:
        wanted = (("a/+", 1), ("b/#", 0), ("c", 2), ("too/many", 1), ("c", 1))
        await peer.send(Subscribe(65_535, wanted))
        answer = await peer.expect(Suback)
        refused = Reason.QUOTA_EXCEEDED if level == LEVEL_5 else 0x80
        assert answer.packet_id == 65_535
        assert answer.codes == (1, 0, 2, refused, 1)
        for topic, qos in (("a/x", 1), ("b", 0), ("c", 1), ("too/many", None)):
            broker.broker.publish(topic, b"v", qos=2)
            if qos is not None:
                got = await peer.expect(Publish)
                assert (got.topic, got.qos) == (topic, qos)
        await peer.round_trip()


@clause("MQTT-3.9.2-1", "MQTT-3.9.2-2", "MQTT-3.11.2-1", "MQTT-3.11.2-2", "MQTT-3.1.2-24")
@clause("MQTT-3.14.2-3", "MQTT-3.14.2-4")
async def test_answers_fit_into_what_the_client_takes(broker: Running) -> None:
    """Reasons in words are left out; codes cannot be: then the client is told why it is closed."""
    filters = tuple((f"$share/{number}", 0) for number in range(14))
    async with broker.client5(maximum_packet_bytes=19) as peer:
        await peer.send(Subscribe(1, filters))
        answer = await peer.expect(Suback)
        assert answer == Suback(1, (Reason.TOPIC_FILTER_INVALID,) * 14)
        await peer.send(Unsubscribe(2, tuple(each for each, _ in filters)))
        assert await peer.receive() == Unsuback(2, (Reason.NO_SUBSCRIPTION_EXISTED,) * 14)
    for packet in (Subscribe(1, (*filters, ("a", 0))), Unsubscribe(2, ("a",) * 15)):
        async with broker.client5("d", maximum_packet_bytes=19) as peer:
            await peer.send(packet)
            assert await rest(peer) == bytes((0xE0, 1, Reason.PACKET_TOO_LARGE))


@both
@clause311("MQTT-3.8.4-3")
@clause("MQTT-3.8.4-3", "MQTT-3.8.4-4")
async def test_the_same_filter_again_replaces_the_subscription(broker: Running, level: int) -> None:
    broker.broker.publish("t/1", b"kept", qos=2, retain=True)
    async with client(broker, "c", level, keep=True) as peer:
        for granted in (2, 0, 1):
            await peer.subscribe("t/#", granted)
            assert (await peer.expect(Publish)).qos == granted
            broker.broker.publish("t/2", b"v", qos=2)
            assert (await peer.expect(Publish)).qos == granted
        # What was queued under the grant before it is not lost.
        async with client(broker, "pub", level) as pub:
            for number in range(20):
                await pub.send(Publish("t/3", b"%d" % number, 1, packet_id=number + 1))
            await peer.send(Subscribe(9, (("t/#", 1 | (RETAIN_NEVER if level == LEVEL_5 else 0)),)))
            got: list[bytes] = []
            while len(got) < 20:
                packet = await peer.receive()
                if isinstance(packet, Publish) and packet.topic == "t/3":
                    got.append(packet.payload)
            assert got == [b"%d" % number for number in range(20)]
    assert broker.broker.totals().subscriptions == 1


@both
@clause311(
    "MQTT-3.10.4-1", "MQTT-3.10.4-2", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6",
    "MQTT-2.3.1-7",
)  # fmt: skip
@clause(
    "MQTT-3.10.4-1", "MQTT-3.10.4-2", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6",
    "MQTT-3.11.3-1", "MQTT-3.11.3-2", "MQTT-2.2.1-6",
)  # fmt: skip
@pytest.mark.parametrize("keep", [False, True])
async def test_unsubscribing_takes_what_is_equal(broker: Running, level: int, keep: bool) -> None:
    async with client(broker, "c", level, keep=keep) as peer:
        for topic_filter in ("t/#", "T/+", "u"):
            await peer.subscribe(topic_filter, 1)
        await peer.send(Unsubscribe(65_535, ("t/1", "T/+", "t/+", "T/+", "U")))
        none = Reason.NO_SUBSCRIPTION_EXISTED
        expected = (none, 0, none, none, none) if level == LEVEL_5 else ()
        got = await peer.expect(Unsuback)
        assert got.packet_id == 65_535
        assert (got.codes[0:3], got.codes[4:]) == (expected[0:3], expected[4:])
        for topic in ("T/1", "t/1", "u"):
            broker.broker.publish(topic, b"v", qos=1)
        assert [(await peer.expect(Publish)).topic for _ in range(2)] == ["t/1", "u"]
        await peer.send(Unsubscribe(3, ("never",)))
        assert (await peer.expect(Unsuback)).packet_id == 3


@both
@clause311("MQTT-3.10.4-3")
@clause("MQTT-3.10.4-3")
async def test_what_was_begun_is_completed_after_unsubscribing(broker: Running, level: int) -> None:
    async with client(broker, "c", level, keep=True) as peer:
        await peer.subscribe("t", 2)
        broker.broker.publish("t", b"1", qos=1)
        broker.broker.publish("t", b"2", qos=2)
        one, two = [await peer.expect(Publish) for _ in range(2)]
        await peer.send(Unsubscribe(3, ("t",)))
        await peer.expect(Unsuback)
        await peer.send(Pubrec(two.packet_id))
        assert await peer.receive() == Pubrel(two.packet_id)
    await broker.ended("c")
    async with client(broker, "c", level, keep=True, present=True) as peer:
        assert await peer.receive() == Pubrel(two.packet_id)
        again = await peer.expect(Publish)
        assert (again.packet_id, again.payload, again.dup) == (one.packet_id, b"1", True)
        await peer.send(Pubcomp(two.packet_id), Puback(one.packet_id))
        await peer.round_trip()


@both
@clause311("MQTT-3.3.5-1")
@clause("MQTT-3.3.4-2", "MQTT-3.3.4-3", "MQTT-3.3.4-4", "MQTT-3.3.4-5")
async def test_overlapping_filters_are_one_delivery(broker: Running, level: int) -> None:
    """One copy with all identifiers: never one for each subscription."""
    async with client(broker, "c", level) as peer:
        for number, (topic_filter, qos) in enumerate((("a/#", 0), ("a/+", 2), ("a/b", 1)), 1):
            numbered = ids(number * 1_000) if level == LEVEL_5 else Properties()
            await peer.subscribe(topic_filter, qos, numbered)
        broker.broker.publish("a/b", b"v", qos=2)
        got = await peer.expect(Publish)
        assert got.qos == 2
        expected = {1_000, 2_000, 3_000} if level == LEVEL_5 else set[int]()
        assert set(got.properties.subscription_ids) == expected
        await peer.round_trip()
        broker.broker.publish("a/b/c", b"v")
        got = await peer.expect(Publish)
        assert got.properties.subscription_ids == ((1_000,) if level == LEVEL_5 else ())


@both
@clause311("MQTT-4.7.2-1", "MQTT-3.3.2-3", "MQTT-4.7.1-2", "MQTT-4.7.1-3")
@clause("MQTT-4.7.2-1", "MQTT-3.3.2-3", "MQTT-4.7.1-1", "MQTT-4.7.1-2")
@pytest.mark.parametrize(
    ("topic_filter", "heard"),
    [
        ("#", "a a/ a/b a/b/c /a b"),
        ("+", "a b"),
        ("+/+", "a/ a/b /a"),
        ("/+", "/a"),
        ("a/#", "a a/ a/b a/b/c"),
        ("a/+", "a/ a/b"),
        ("a/+/c", "a/b/c"),
        ("+/b/#", "a/b a/b/c $x/b"),
        ("$x/#", "$x/b"),
        ("$x/+", "$x/b"),
        ("a", "a"),
    ],
)
async def test_what_filters_match(
    broker: Running, level: int, topic_filter: str, heard: str
) -> None:
    expected = [
        each for each in heard.split() if not each.startswith("$") or topic_filter[0] == "$"
    ]
    async with client(broker, "c", level) as peer:
        await peer.subscribe(topic_filter)
        for topic in ("a", "a/", "a/b", "a/b/c", "/a", "b", "$x/b"):
            broker.broker.publish(topic, b"v", retain=True)
        assert [(await peer.expect(Publish)).topic for _ in expected] == expected
        await peer.round_trip()
    # The retained ones follow the same rules.
    async with client(broker, "late", level) as late:
        await late.subscribe(topic_filter)
        assert {(await late.expect(Publish)).topic for _ in expected} == set(expected)
        await late.round_trip()


# -- options of MQTT 5 -----------------------------------------------------------------------------


@clause("MQTT-3.8.3-3")
async def test_no_local_holds_back_the_clients_own(broker: Running) -> None:
    async with broker.client5("a") as one, broker.client5("b") as other:
        await one.subscribe("t", NO_LOCAL | 1)
        for qos in (0, 1):
            await one.send(Publish("t", b"own", qos, packet_id=qos))
            await other.send(Publish("t", b"theirs", qos, packet_id=qos))
        got = [await one.receive() for _ in range(3)]
        assert [each.payload for each in got if isinstance(each, Publish)] == [b"theirs"] * 2
        await one.round_trip()


@clause("MQTT-3.3.1-12", "MQTT-3.3.1-13")
@pytest.mark.parametrize("sent", [False, True])
async def test_retain_is_passed_on_where_it_is_wanted(broker: Running, sent: bool) -> None:
    async with broker.client5("keeps") as keeps, broker.client5("clears") as clears:
        await keeps.subscribe("t", RETAIN_AS_PUBLISHED | 1)
        await clears.subscribe("t", 1)
        async with broker.client5("pub") as pub:
            for qos in (0, 1):
                await pub.send(Publish("t", b"v", qos, sent, packet_id=qos))
                assert (await keeps.expect(Publish)).retain is sent
                assert not (await clears.expect(Publish)).retain


@clause("MQTT-3.3.1-9", "MQTT-3.3.1-10", "MQTT-3.3.1-11")
@pytest.mark.parametrize(
    ("options", "at_first", "again"),
    [(0, True, True), (RETAIN_IF_NEW, True, False), (RETAIN_NEVER, False, False)],
)
async def test_retain_handling_also_of_a_session_that_goes_on(
    broker: Running, options: int, at_first: bool, again: bool
) -> None:
    broker.broker.publish("t", b"kept", qos=1, retain=True)
    for wanted in (at_first, again):
        async with broker.client5("c", clean=False, session_expiry_s=60) as peer:
            await peer.subscribe("t", options | 1)
            if wanted:
                got = await peer.expect(Publish)
                assert got.retain
                await peer.send(Puback(got.packet_id))
            await peer.round_trip()
        await broker.ended("c")
        broker.connections.clear()


# -- shared ----------------------------------------------------------------------------------------


@clause("MQTT-4.8.2-1", "MQTT-4.8.2-2")
@pytest.mark.parametrize(
    ("topic_filter", "code"),
    [
        ("$share/g/t", 0), ("$share/g/+", 0), ("$share/g/#", 0), ("$share/g//", 0),
        ("$share", 0), ("$shared/g/t", 0),
        ("$share/g", 0x8F), ("$share//t", 0x8F), ("$share/g/", 0x8F), ("$share/+/t", 0x8F),
        ("$share/", 0x8F),
    ],
)  # fmt: skip
async def test_shared_filters(broker: Running, topic_filter: str, code: int) -> None:
    async with broker.client5() as peer:
        assert await peer.subscribe(topic_filter) == code


@clause("MQTT-4.8.2-1", "MQTT-4.8.2-2")
@pytest.mark.parametrize("topic_filter", ["$share/#/t", "$share/g+/t"])
async def test_a_group_with_a_mixed_wildcard_is_no_filter_at_all(
    broker: Running, topic_filter: str
) -> None:
    async with broker.client5() as peer:
        await peer.send(Subscribe(1, ((topic_filter, 0),)))
        said = await rest(peer)
        assert (said[0], said[2]) == (0xE0, Reason.TOPIC_FILTER_INVALID)


@clause("MQTT-4.8.2-3")
async def test_each_member_gets_its_own_qos(broker: Running) -> None:
    async with broker.client5("a") as one, broker.client5("b") as two, broker.client5("c") as three:
        members = (one, two, three)
        for qos, member in enumerate(members):
            await member.subscribe("$share/g/t", qos)
        for _ in members:
            broker.broker.publish("t", b"v", qos=2)
        assert [(await member.expect(Publish)).qos for member in members] == [0, 1, 2]


@clause("MQTT-4.8.2-4", "MQTT-4.8.2-5")
@pytest.mark.parametrize("back", [True, False])
async def test_qos_2_stays_with_the_member_it_was_sent_to(broker: Running, back: bool) -> None:
    async with broker.client5("other") as other:
        async with broker.client5("first", session_expiry_s=60 if back else 0) as first:
            await first.subscribe("$share/g/t", 2)
            broker.broker.publish("t", b"v", qos=2)
            sent = await first.expect(Publish)
            await other.subscribe("$share/g/t", 2)
        await broker.ended("first")
        await other.round_trip()
        if back:
            async with broker.client5("first", clean=False, session_expiry_s=60) as first:
                again = await first.expect(Publish)
                assert (again.packet_id, again.dup) == (sent.packet_id, True)
                await first.send(Pubrec(again.packet_id))
                assert await first.receive() == Pubrel(again.packet_id)
        await other.round_trip()


@clause("MQTT-4.8.2-6")
async def test_a_refusal_of_one_member_is_no_message_for_another(broker: Running) -> None:
    async with broker.client5("first") as first, broker.client5("other") as other:
        for member in (first, other):
            await member.subscribe("$share/g/t", 2)
        for qos, answer in ((1, Puback), (2, Pubrec)):
            broker.broker.publish("t", b"v", qos=qos)
            broker.broker.publish("t", b"w", qos=qos)
            got = await first.expect(Publish)
            assert (await other.expect(Publish)).payload == b"w"
            await first.send(answer(got.packet_id, Reason.UNSPECIFIED_ERROR))
            await first.round_trip()
            await other.round_trip()
