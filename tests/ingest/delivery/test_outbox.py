"""The outbox on a real state.db: what a restart finds, what a replay adds, a disk that fails."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ingest.delivery.receiver import receiving
from tests.ingest.delivery.test_backlog import an_alert
from tocsin.deliveries import encode
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.dispatcher import Dispatcher
from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.delivery.receipt import Answer, Receipt
from tocsin.ingest.delivery.webhook import Webhook
from tocsin.ingest.storage.outbox import OutboxStore

OPS = Channel("ops", url="http://127.0.0.1:1/")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path)
    yield opened
    opened.close()


def outbox_on(database: Database, *channels: Channel) -> Outbox:
    return Outbox(channels or (OPS,), OutboxStore(database), list)


def rang(name: str, revision: int = 1) -> Alert:
    return replace(an_alert(name, revision), sounded=True, actions=("ops",))


def keys(outbox: Outbox, now: float = 100.0) -> list[str]:
    found: list[str] = []
    while sent := outbox.take_due(now):
        found.append(sent.key)
        outbox.settle(sent, Answer(), now, 0.0)
    return found


async def test_a_replay_adds_what_the_outbox_has_not_and_nothing_else(database: Database):
    outbox = outbox_on(database)
    outbox.take([rang("a")], 5, 1.0)
    outbox.take([rang("b")], 5, 1.0)  # a timer, whose cause is everything up to there
    assert keys(outbox) == ["a-1", "b-1"]
    await outbox.save()
    again = outbox_on(database)
    again.begin(newest=7)
    for name, position in (("a", 5), ("b", 5), ("b", 6), ("c", 7)):
        again.replay([rang(name)], position, 2.0)
    assert keys(again) == ["b-1", "c-1"], "b rang by a timer that a replay fires later"


async def test_what_was_not_saved_comes_back_from_the_journal(database: Database):
    outbox = outbox_on(database)
    outbox.take([rang("a")], 5, 1.0)
    again = outbox_on(database)
    again.begin(newest=5)
    again.replay([rang("a")], 5, 1.0)
    assert keys(again) == ["a-1"]


async def test_what_was_told_before_its_commit_is_not_there_twice_when_a_replay_gives_it(
    database: Database,
):
    outbox = outbox_on(database)
    outbox.take([rang("a")], None, 1.0)
    await outbox.save()
    again = outbox_on(database)
    again.begin(newest=5)
    again.replay([rang("a")], 5, 1.0)
    assert keys(again) == ["a-1"]


async def test_a_journal_that_begins_anew_is_not_passed_over(database: Database):
    outbox = outbox_on(database)
    outbox.take([rang("a")], 900, 1.0)
    await outbox.save()
    again = outbox_on(database)
    again.begin(newest=0)
    again.replay([rang("b")], 1, 2.0)
    assert keys(again) == ["a-1", "b-1"]


async def test_a_restart_finds_what_waits_in_order_and_how_often_it_was_tried(database: Database):
    outbox = outbox_on(database)
    outbox.take([rang("a", 1), rang("a", 2), rang("b")], 1, 1.0)
    sent = outbox.take_due(1.0)
    assert sent
    outbox.settle(sent, Answer("answered 500"), 1.0, 0.0)
    await outbox.save()
    again = outbox_on(database)
    [_, _, first] = await again.deliveries()
    assert (first.key, first.state, first.attempts) == ("a-1", Receipt.FAILED, 1)
    assert keys(again, 1.5) == ["b-1"], "a-1 has to wait, and a-2 behind it"
    assert keys(again, 3.0) == ["a-1", "a-2"]
    assert [d.state for d in await again.deliveries()] == [Receipt.CONFIRMED] * 3
    assert await again.deliveries(state=Receipt.FAILED) == []


async def test_a_channel_that_is_gone_from_the_settings_leaves_its_deliveries_dead(
    database: Database,
):
    outbox = outbox_on(database)
    outbox.take([rang("a")], 1, 1.0)
    await outbox.save()
    again = outbox_on(database, Channel("other", url="http://127.0.0.1:1/"))
    [dead] = await again.deliveries()
    assert (dead.state, dead.error) == (
        Receipt.DEAD,
        "channel ops is not in the settings any more",
    )
    assert await again.redrive(None, None, 2.0) == 0
    back = outbox_on(database)
    assert await back.redrive("ops", None, 2.0) == 1
    assert keys(back) == ["a-1"]


async def test_a_disk_that_cannot_be_written_does_not_keep_an_alarm_from_being_told(
    database: Database,
):
    async with receiving() as receiver:
        channel = Channel("ops", url=receiver.url)
        outbox = outbox_on(database, channel)
        await database.run(
            lambda connection: connection.execute(
                "ALTER TABLE delivery_outbox RENAME TO delivery_outbox_away"
            )
        )
        webhook = Webhook(channel, partial(encode, channel), lambda: 1.0, "1")
        confirmed = asyncio.Event()

        def health(_channel: str, reason: str | None) -> None:
            assert reason is None
            confirmed.set()

        troubles: list[str | None] = []
        dispatcher = Dispatcher(outbox, {"ops": webhook.send}, lambda: 1.0, health, troubles.append)
        dispatcher.start()
        try:
            outbox.take([rang("a")], 1, 1.0)
            dispatcher.wake()
            await receiver.received(1)
            async with asyncio.timeout(10):
                await confirmed.wait()
            assert receiver.keys == ["a-1"]
            assert len(troubles) == 1
            assert "no such table" in str(troubles[0])
            assert outbox.has_unsaved, "what is not saved is kept for a better time"
        finally:
            await dispatcher.stop()
            await webhook.close()
