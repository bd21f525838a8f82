"""`$SYS/broker/…` and the report."""

from dataclasses import fields
from pathlib import Path

from tests.broker.harness import Running, local, running
from tocsin.broker import DEFAULT_RULES, Settings
from tocsin.broker.packets import Publish, Suback, Subscribe
from tocsin.broker.system import SYSTEM_TOPICS

MQTT_DOC = Path(__file__).parents[2] / "docs" / "mqtt.md"


async def test_who_subscribes_gets_every_figure_as_of_now(broker: Running) -> None:
    async with broker.client("a", clean=False):
        pass
    await broker.ended("a")
    async with broker.client("b") as peer:
        await peer.send(Publish("t", b"v"))
        await peer.round_trip()
        await peer.send(Subscribe(1, (("$SYS/#", 0),)))
        assert await peer.receive() == Suback(1, (0,))
        got = [await peer.expect(Publish) for _ in SYSTEM_TOPICS]
        assert all(each.retain for each in got)
        figures = {each.topic.removeprefix("$SYS/broker/"): each.payload for each in got}
    assert figures["version"] == b"tocsin 0.0-test"
    assert figures["clients/connected"] == b"1"
    assert figures["clients/disconnected"] == b"1"
    assert figures["clients/total"] == b"2"
    assert figures["publish/messages/received"] == b"1"
    assert int(figures["bytes/received"]) > 0
    assert figures["uptime"].endswith(b" seconds")


async def test_what_is_kept_is_told(broker: Running) -> None:
    async with broker.client("away", clean=False) as peer:
        await peer.subscribe("queue", 1)
        await peer.subscribe("$share/g/jobs", 1)
    await broker.ended("away")
    async with broker.client5("short", session_expiry_s=1):
        pass
    await broker.until("its session is over", lambda: broker.broker.totals().sessions == 1)
    for number in range(3):
        broker.broker.publish("queue", b"%d" % number, qos=1)
    async with broker.client("pub") as pub:
        await pub.send(Publish("kept", b"12345", retain=True))
        await pub.subscribe("$SYS/#")
        got = [await pub.expect(Publish) for _ in SYSTEM_TOPICS]
    figures = {
        each.topic.removeprefix("$SYS/broker/"): int(each.payload)
        for each in got
        if each.payload.isdigit()
    }
    assert figures["clients/expired"] == 1
    assert figures["clients/active"] == figures["clients/connected"] == 1
    assert figures["clients/inactive"] == figures["clients/disconnected"] == 1
    # That of the client that asks is not counted yet.
    assert (figures["subscriptions/count"], figures["shared_subscriptions/count"]) == (2, 1)
    assert figures["store/messages/count"] == figures["retained messages/count"] + 3
    assert figures["store/messages/count"] == figures["messages/stored"]
    assert figures["store/messages/bytes"] >= len("kept") + 5 + 3 * len("queue0")


async def test_figures_are_published_again_on_a_timer_while_somebody_listens() -> None:
    async with running(local(sys_interval_s=0.1)) as broker, broker.client("sub") as peer:
        await peer.subscribe("$SYS/broker/clients/connected")
        first = await peer.expect(Publish)
        assert (first.payload, first.retain) == (b"1", True)
        async with broker.client("other"):
            later = await peer.expect(Publish)
            assert (later.payload, later.retain) == (b"2", False)


async def test_the_report_shows_clients_and_totals(broker: Running) -> None:
    async with broker.client("c", clean=False) as peer:
        await peer.subscribe("t/#", 1)
        await peer.send(Publish("t/x", b"v"))
        await peer.expect(Publish)
        report = broker.broker.report()
        [client] = report.clients
        assert (client.id, client.connected, client.clean) == ("c", True, False)
        assert client.subscriptions == {"t/#": 1}
        assert (client.messages_received, client.messages_sent) == (1, 1)
        assert (report.totals.messages_received, report.totals.messages_sent) == (1, 1)
        assert client.address
        assert client.address.startswith("127.0.0.1:")
    await broker.ended("c")
    [client] = broker.broker.report().clients
    assert (client.connected, client.address) == (False, None)
    assert broker.broker.report(clients=0).clients == ()
    assert broker.broker.totals().messages_received == 1


def rows_of(section: str) -> list[list[str]]:
    """The cells of the table under the heading `section` of docs/mqtt.md, without its head."""
    text = MQTT_DOC.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_document_lists_every_limit_with_its_default() -> None:
    settings = Settings()
    expected = {
        spec.name: str(getattr(settings, spec.name))
        for spec in fields(Settings)
        if spec.name != "listeners"
    }
    assert {row[0]: row[1] for row in rows_of("Limits")} == expected
    assert all(len(row) == 5 and all(row) for row in rows_of("Limits"))


def test_the_document_has_the_access_table() -> None:
    expected = [
        [
            str(rule.role) if rule.role else "any",
            str(rule.action),
            rule.pattern,
            "yes" if rule.allowed else "no",
        ]
        for rule in DEFAULT_RULES
    ]
    assert rows_of("Who may do what") == expected


def test_the_document_lists_the_system_topics() -> None:
    assert {row[0]: row[1] for row in rows_of("System topics")} == dict(SYSTEM_TOPICS)
