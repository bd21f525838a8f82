"""The default access table row by row, and what a pattern covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.clauses import clause311
from tests.broker.harness import Running, running
from tests.broker.test_subscriptions import filters, matches, topics
from tocsin.broker import AccessControl, Action, Login, Rule
from tocsin.broker.access import with_rules
from tocsin.broker.packets import (
    Connack,
    Connect,
    ConnectCode,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Will,
)
from tocsin.devices.credentials import ANONYMOUS, Identity, Role

DEVICE = Identity(Role.DEVICE, "boiler-1", "boiler-1")
OPERATOR = Identity(Role.OPERATOR, "olga")

Row = tuple[Identity, list[str], list[str]]

TABLE: list[Row] = [
    # who, may publish, may not publish
    (DEVICE, ["devices/boiler-1/telemetry", "devices/boiler-1/replies/7"], [
        "devices/boiler-1/commands/stop", "devices/boiler-1/commands", "devices/boiler-2/telemetry",
        "devices/boiler-1x/telemetry", "plant/boiler-1", "devices", "tocsin/alerts/x/y", "$SYS/x",
    ]),
    (OPERATOR, ["devices/boiler-1/commands/stop", "devices/boiler-2/telemetry", "plant/x"], [
        "tocsin/alerts/x/y", "tocsin", "$SYS/broker/uptime", "$share", "$",
    ]),
    (ANONYMOUS, ["devices/boiler-1/telemetry", "devices/b/commands/stop", "any/where", "/"], [
        "tocsin/alerts/x/y", "tocsin/heartbeat", "$SYS/broker/uptime", "$internal/x",
    ]),
]  # fmt: skip

SUBSCRIBE_TABLE: list[Row] = [
    # who, may subscribe, may not subscribe
    (DEVICE, ["devices/boiler-1/commands/#", "devices/boiler-1/commands/+",
              "devices/boiler-1/commands/stop", "devices/boiler-1/commands"], [
        "#", "+/+/commands/#", "devices/+/commands/stop", "devices/boiler-2/commands/#",
        "devices/boiler-1/#", "devices/boiler-1/+/stop", "tocsin/#", "$SYS/#",
    ]),
    (OPERATOR, ["#", "tocsin/#", "$SYS/#", "devices/+/commands/#"], []),
    (ANONYMOUS, ["#", "tocsin/alerts/#", "$SYS/broker/uptime", "+/+"], []),
]  # fmt: skip


@pytest.mark.parametrize(("who", "allowed", "refused"), TABLE)
def test_publish_rows(who: Identity, allowed: list[str], refused: list[str]) -> None:
    permit = AccessControl().permit(who, "c1")
    assert [topic for topic in allowed if not permit.may_publish(topic)] == []
    assert [topic for topic in refused if permit.may_publish(topic)] == []


@pytest.mark.parametrize(("who", "allowed", "refused"), SUBSCRIBE_TABLE)
def test_subscribe_rows(who: Identity, allowed: list[str], refused: list[str]) -> None:
    permit = AccessControl().permit(who, "c1")
    assert [each for each in allowed if not permit.may_subscribe(each)] == []
    assert [each for each in refused if permit.may_subscribe(each)] == []


@pytest.mark.parametrize("device", ["+", "#", "a/b", "$…", "{device}"])
def test_a_device_id_is_never_a_wildcard(device: str) -> None:
    permit = AccessControl().permit(Identity(Role.DEVICE, device, device), "c1")
    assert not permit.may_publish("devices/other/telemetry")
    assert not permit.may_subscribe("devices/other/commands/#")


def test_a_device_role_without_a_device_may_nothing() -> None:
    permit = AccessControl().permit(Identity(Role.DEVICE, "lost", None), "c1")
    assert not permit.may_publish("devices/lost/telemetry")
    assert not permit.may_subscribe("devices/lost/commands/#")


@given(filters, filters, st.lists(topics, max_size=20))
def test_a_filter_is_allowed_only_if_each_of_its_topics_is(
    pattern: str, wanted: str, probes: list[str]
) -> None:
    # The wildcards of a pattern match $ topics too; the standard's do not at their start.
    rules = [Rule(None, Action.SUBSCRIBE, pattern, allowed=True)]
    reading = AccessControl(rules).permit(ANONYMOUS, "c1")
    writing = AccessControl([Rule(None, Action.PUBLISH, pattern, allowed=True)]).permit(
        ANONYMOUS, "c1"
    )
    denying = AccessControl(
        [
            Rule(None, Action.SUBSCRIBE, pattern, allowed=False),
            Rule(None, Action.SUBSCRIBE, "#", allowed=True),
        ]
    ).permit(ANONYMOUS, "c1")
    for topic in probes:
        if matches(pattern, topic):
            assert writing.may_publish(topic)
        if matches(wanted, topic):
            if reading.may_subscribe(wanted):
                assert writing.may_publish(topic), f"{wanted} was allowed and {topic} is not"
            if denying.may_subscribe(wanted):
                assert not writing.may_publish(topic), f"{wanted} reads {topic}, which is refused"


def test_remembered_topics_are_bounded() -> None:
    access = AccessControl(remembered=3)
    first, second = access.permit(DEVICE, "c1"), access.permit(OPERATOR, "c1")
    for number in range(3):
        access.remember(first, b"%d" % number, str(number))
    access.remember(second, b"x", "x")
    assert (first.topics, second.topics) == ({}, {b"x": "x"})
    access.remember(second, b"y" * 300, "y" * 300)
    assert list(second.topics) == [b"x"]
    assert access.permit(DEVICE, "c1") is first


# -- rows of the settings ----------------------------------------------------------------------

GATEWAY = Identity(Role.OPERATOR, "gateway")


def test_rows_name_the_user_and_the_client() -> None:
    access = AccessControl(
        [
            Rule(None, Action.PUBLISH, "users/{user}/#", allowed=True),
            Rule(None, Action.PUBLISH, "clients/{client}/+", allowed=True),
            Rule(None, Action.SUBSCRIBE, "clients/{client}/#", allowed=True),
        ]
    )
    permit = access.permit(GATEWAY, "g-1")
    assert permit.may_publish("users/gateway/x/y")
    assert not permit.may_publish("users/other/x")
    assert permit.may_publish("clients/g-1/x")
    assert not permit.may_publish("clients/g-2/x")
    assert permit.may_subscribe("clients/g-1/+")
    assert not permit.may_subscribe("clients/+/x")
    # Another client id of the same user has rights of its own.
    assert access.permit(GATEWAY, "g-2") is not permit
    assert access.permit(GATEWAY, "g-1") is permit
    assert access.permit(GATEWAY, "g-2").may_publish("clients/g-2/x")
    # Nobody is called anonymous: a row that names the user is not for who has no name.
    assert not access.permit(ANONYMOUS, "a").may_publish("users/anonymous/x")
    assert access.permit(ANONYMOUS, "a").may_publish("clients/a/x")


@pytest.mark.parametrize("name", ["+", "#", "a/b", "{user}", ""])
def test_names_are_never_wildcards(name: str) -> None:
    access = AccessControl(
        [
            Rule(None, Action.PUBLISH, "u/{user}/x", allowed=True),
            Rule(None, Action.PUBLISH, "c/{client}/x", allowed=True),
            Rule(None, Action.SUBSCRIBE, "u/{user}/x", allowed=True),
            Rule(None, Action.SUBSCRIBE, "c/{client}/x", allowed=True),
        ]
    )
    permit = access.permit(Identity(Role.OPERATOR, name), name)
    for kind in ("u", "c"):
        for other in ("other", "a", "b", "a/b"):
            assert not permit.may_publish(f"{kind}/{other}/x")
            assert not permit.may_subscribe(f"{kind}/{other}/x")
        assert not permit.may_subscribe(f"{kind}/+/x")
        assert not permit.may_subscribe(f"{kind}/#")


def test_a_row_for_one_user_is_for_that_user_alone() -> None:
    rows = [Rule(None, Action.PUBLISH, "plant/#", allowed=True, user="boiler-1")]
    access = AccessControl(with_rules(rows))
    other = Identity(Role.DEVICE, "boiler-2", "boiler-2")
    assert access.permit(DEVICE, "c").may_publish("plant/x")
    assert not access.permit(other, "c").may_publish("plant/x")
    assert access.permit(other, "c").may_publish("devices/boiler-2/x")


def test_rows_come_before_the_defaults_and_behind_those_of_the_server() -> None:
    rows = [
        Rule(None, Action.PUBLISH, "#", allowed=True),
        Rule(Role.OPERATOR, Action.SUBSCRIBE, "secret/#", allowed=False),
    ]
    access = AccessControl(with_rules(rows))
    assert access.permit(DEVICE, "c").may_publish("any/where")
    assert not access.permit(DEVICE, "c").may_publish("tocsin/alerts/x/y")
    assert not access.permit(OPERATOR, "c").may_publish("$SYS/x")
    assert not access.permit(OPERATOR, "c").may_subscribe("#")
    assert access.permit(OPERATOR, "c").may_subscribe("plant/#")
    assert not access.permit(DEVICE, "c").may_subscribe("plant/#")


# -- through the broker ------------------------------------------------------------------------


async def as_device(login: Login) -> Identity | None:
    return DEVICE


async def test_a_refused_publish_at_qos_0_is_dropped_and_counted(broker: Running) -> None:
    async with broker.client("c") as peer:
        await peer.send(Publish("tocsin/forged", b"x"), Publish("ok", b"y", 1, packet_id=1))
        assert await peer.receive() == Puback(1)
        [report] = broker.broker.report().clients
        assert report.dropped == {"not allowed": 1}
    assert broker.sink.payloads == [b"y"]
    assert broker.refused() == {"not allowed": 1}


@pytest.mark.parametrize("qos", [1, 2])
@clause311("MQTT-3.3.5-2")
async def test_a_refused_publish_at_qos_1_or_2_closes(broker: Running, qos: int) -> None:
    async with broker.client("c") as peer:
        await peer.send(Publish("$SYS/broker/uptime", b"x", qos, packet_id=1))
        await peer.closed()
    assert await broker.ended("c") == "not allowed: publish to '$SYS/broker/uptime'"
    assert broker.sink.messages == []


@clause311("MQTT-3.3.5-2")
async def test_what_is_empty_is_acknowledged_and_ignored_in_its_turn(broker: Running) -> None:
    """3.1.1 has no negative ack; a message without payload has nothing that could be lost."""
    broker.broker.publish("tocsin/x", b"kept", retain=True)
    async with broker.client("c") as peer:
        await peer.send(
            Publish("ok", b"1", 1, packet_id=1),
            Publish("tocsin/x", b"", 1, retain=True, packet_id=2),
            Publish("ok", b"2", 1, packet_id=3),
            Publish("tocsin/x", b"", 2, retain=True, packet_id=4),
        )
        got = [await peer.receive() for _ in range(4)]
        assert got == [Puback(1), Puback(2), Puback(3), Pubrec(4)]
        await peer.send(Pubrel(4))
        assert await peer.receive() == Pubcomp(4)
        await peer.subscribe("tocsin/#")
        assert (await peer.expect(Publish)).payload == b"kept"
        [report] = broker.broker.report().clients
        assert report.dropped == {"not allowed": 2}
    assert broker.sink.payloads == [b"1", b"2"]


async def test_a_refused_subscription_gets_0x80() -> None:
    async with running(authenticate=as_device) as broker, broker.client() as peer:
        assert await peer.subscribe("devices/+/commands/#") == 0x80
        assert await peer.subscribe("devices/boiler-1/commands/#", 1) == 1
        broker.broker.publish("devices/boiler-2/commands/stop", b"no")
        broker.broker.publish("devices/boiler-1/commands/stop", b"yes")
        assert (await peer.expect(Publish)).payload == b"yes"


async def test_a_will_needs_the_right_to_publish() -> None:
    async with running(authenticate=as_device) as broker, broker.peer() as peer:
        refused = await peer.connect(Connect("c", will=Will("devices/boiler-2/x", b"")))
        assert refused == Connack(ConnectCode.NOT_AUTHORIZED)
        await peer.closed()
        assert broker.connections == []
