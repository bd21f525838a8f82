"""The default access table row by row, and what a pattern covers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.harness import Running, running
from tests.broker.test_subscriptions import filters, matches, topics
from tocsin.broker import AccessControl, Action, Login, Rule
from tocsin.broker.packets import Connack, Connect, ConnectCode, Puback, Publish, Will
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
    permit = AccessControl().permit(who)
    assert [topic for topic in allowed if not permit.may_publish(topic)] == []
    assert [topic for topic in refused if permit.may_publish(topic)] == []


@pytest.mark.parametrize(("who", "allowed", "refused"), SUBSCRIBE_TABLE)
def test_subscribe_rows(who: Identity, allowed: list[str], refused: list[str]) -> None:
    permit = AccessControl().permit(who)
    assert [each for each in allowed if not permit.may_subscribe(each)] == []
    assert [each for each in refused if permit.may_subscribe(each)] == []


@pytest.mark.parametrize("device", ["+", "#", "a/b", "$…", "{device}"])
def test_a_device_id_is_never_a_wildcard(device: str) -> None:
    permit = AccessControl().permit(Identity(Role.DEVICE, device, device))
    assert not permit.may_publish("devices/other/telemetry")
    assert not permit.may_subscribe("devices/other/commands/#")


def test_a_device_role_without_a_device_may_nothing() -> None:
    permit = AccessControl().permit(Identity(Role.DEVICE, "lost", None))
    assert not permit.may_publish("devices/lost/telemetry")
    assert not permit.may_subscribe("devices/lost/commands/#")


@given(filters, filters, st.lists(topics, max_size=20))
def test_a_filter_is_allowed_only_if_each_of_its_topics_is(
    pattern: str, wanted: str, probes: list[str]
) -> None:
    # The wildcards of a pattern match $ topics too; the standard's do not at their start.
    rules = [Rule(None, Action.SUBSCRIBE, pattern, allowed=True)]
    reading = AccessControl(rules).permit(ANONYMOUS)
    writing = AccessControl([Rule(None, Action.PUBLISH, pattern, allowed=True)]).permit(ANONYMOUS)
    denying = AccessControl(
        [
            Rule(None, Action.SUBSCRIBE, pattern, allowed=False),
            Rule(None, Action.SUBSCRIBE, "#", allowed=True),
        ]
    ).permit(ANONYMOUS)
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
    first, second = access.permit(DEVICE), access.permit(OPERATOR)
    for number in range(3):
        access.remember(first, b"%d" % number, str(number))
    access.remember(second, b"x", "x")
    assert (first.topics, second.topics) == ({}, {b"x": "x"})
    access.remember(second, b"y" * 300, "y" * 300)
    assert list(second.topics) == [b"x"]
    assert access.permit(DEVICE) is first


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
async def test_a_refused_publish_at_qos_1_or_2_closes(broker: Running, qos: int) -> None:
    async with broker.client("c") as peer:
        await peer.send(Publish("$SYS/broker/uptime", b"x", qos, packet_id=1))
        await peer.closed()
    assert await broker.ended("c") == "not allowed: publish to '$SYS/broker/uptime'"
    assert broker.sink.messages == []


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
