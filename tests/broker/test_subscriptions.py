"""Subscriptions and retained messages against a matcher that takes the standard word by word."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.broker.retained import Retained, RetainedMessages
from tocsin.broker.subscriptions import Grant, Subscriptions

level = st.sampled_from(["a", "b", "c", "", "$x"])
topics = st.lists(level, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.one_of(
    st.lists(st.one_of(level, st.just("+")), min_size=1, max_size=4).map("/".join).filter(bool),
    st.lists(st.one_of(level, st.just("+")), max_size=3).map(lambda head: "/".join([*head, "#"])),
)


def matches(topic_filter: str, topic: str) -> bool:
    """Section 4.7 of the standard, written for the reader."""
    if topic.startswith("$") and topic_filter[0] in "+#":
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        w in ("+", found) for w, found in zip(wanted, levels, strict=True)
    )


def test_the_examples_of_the_standard() -> None:
    examples = {
        ("sport/tennis/player1/#", "sport/tennis/player1"): True,
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking"): True,
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"): True,
        ("sport/#", "sport"): True,
        ("sport/tennis/+", "sport/tennis/player1"): True,
        ("sport/tennis/+", "sport/tennis/player1/ranking"): False,
        ("sport/+", "sport"): False,
        ("sport/+", "sport/"): True,
        ("+/+", "/finance"): True,
        ("/+", "/finance"): True,
        ("+", "/finance"): False,
        ("#", "$SYS/broker"): False,
        ("+/monitor/Clients", "$SYS/monitor/Clients"): False,
        ("$SYS/#", "$SYS/broker"): True,
        ("$SYS/monitor/+", "$SYS/monitor/Clients"): True,
    }
    for (topic_filter, topic), expected in examples.items():
        subscriptions: Subscriptions[str] = Subscriptions()
        subscriptions.add(topic_filter, "me", Grant(1))
        assert bool(subscriptions.match(topic)) is expected, (topic_filter, topic)
        assert matches(topic_filter, topic) is expected, (topic_filter, topic)


changes = st.lists(
    st.tuples(st.booleans(), filters, st.integers(0, 5), st.integers(0, 2)), max_size=40
)


@given(changes, st.lists(topics, min_size=1, max_size=6))
def test_subscriptions_match_as_the_standard_says(
    steps: list[tuple[bool, str, int, int]], probes: list[str]
) -> None:
    subscriptions: Subscriptions[int] = Subscriptions(remembered=3)
    present: dict[tuple[str, int], int] = {}
    for adds, topic_filter, subscriber, qos in steps:
        if adds:
            subscriptions.add(topic_filter, subscriber, Grant(qos))
            present[topic_filter, subscriber] = qos
        else:
            was_there = present.pop((topic_filter, subscriber), None) is not None
            assert subscriptions.remove(topic_filter, subscriber) == was_there
        assert len(subscriptions) == len(present)
        # Asked after every change: a remembered answer must not outlive it.
        for topic in probes:
            expected: dict[int, int] = {}
            for (each, who), granted in present.items():
                if matches(each, topic):
                    expected[who] = max(granted, expected.get(who, 0))
            assert dict(subscriptions.match(topic).plain) == expected
    for topic_filter, subscriber in list(present):
        assert subscriptions.remove(topic_filter, subscriber)
    assert len(subscriptions) == 0


puts = st.lists(st.tuples(topics, st.sampled_from([b"", b"v", b"w"]), st.integers(0, 30)))


@given(puts, filters)
def test_retained_messages_are_the_newest_of_each_matching_topic(
    steps: list[tuple[str, bytes, int]], topic_filter: str
) -> None:
    retained = RetainedMessages(1_000, 1_000_000)
    newest: dict[str, tuple[int, bytes]] = {}
    for topic, payload, sequence in steps:
        retained.put(Retained(topic, payload, 0, sequence))
        if sequence >= newest.get(topic, (-1, b""))[0]:
            newest[topic] = (sequence, payload)
    kept = {topic: payload for topic, (_, payload) in newest.items() if payload}
    assert {each.topic: each.payload for each in retained.match(topic_filter)} == {
        topic: payload for topic, payload in kept.items() if matches(topic_filter, topic)
    }
    assert len(retained) == len(kept)
    assert retained.bytes == sum(len(topic) + len(payload) for topic, payload in kept.items())


def test_retained_messages_are_bounded_and_the_server_is_not() -> None:
    retained = RetainedMessages(limit=2, limit_bytes=100)
    assert retained.put(Retained("a", b"1", 0, 1))
    assert retained.put(Retained("b", b"1", 0, 2))
    assert not retained.put(Retained("c", b"1", 0, 3))
    assert retained.put(Retained("a", b"2", 0, 4)), "a topic that is there may change"
    assert not retained.put(Retained("a", b"x" * 100, 0, 5)), "too many bytes"
    assert retained.put(Retained("tocsin/alerts/x", b"{}", 0, 6), bounded=False)
    assert {each.payload for each in retained.match("#")} == {b"1", b"2", b"{}"}


def test_a_deletion_outlives_older_messages_only_while_those_can_come() -> None:
    retained = RetainedMessages(10, 100)
    retained.put(Retained("t", b"", 0, 5))
    assert retained.put(Retained("t", b"late", 1, 4))
    assert retained.match("t") == []
    retained.settle(5)
    retained.put(Retained("t", b"later", 1, 6))
    assert [each.payload for each in retained.match("t")] == [b"later"]
