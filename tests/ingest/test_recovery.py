"""A start whose snapshots are of another version, or damaged: what people made is not lost."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import State
from tocsin.ingest.companion import Companion
from tocsin.ingest.engine import Engine
from tocsin.ingest.geo.zone import zone_of
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.recovery import restore
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings
from tocsin.ingest.snapshot import join
from tocsin.ingest.storage.journal import Journal, JournalSettings
from tocsin.ingest.storage.snapshots import Snapshots

HOT = Rule(name="hot", when="temp_c > 80")
AWAY = Rule(name="away", when="outside('yard')")
YARD = zone_of(
    {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [13.4, 52.5]},
        "properties": {"name": "yard", "radius_m": 500},
    }
)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Engine]:
    database = Database.open(folder)
    small = JournalSettings(segment_bytes=2_000)
    engine = Engine(folder, Settings(), Decoder(), database, journal=small)
    try:
        await engine.start("test")
        yield engine
    finally:
        await engine.stop()
        database.close()


async def heat(engine: Engine, value: float) -> None:
    payload = b'{"temp_c": %f}' % value
    await engine.submit([Message("c", "devices/d/telemetry", payload)], engine.clock.now())


async def fill_and_trim(engine: Engine) -> None:
    for _ in range(3):
        for number in range(40):
            await heat(engine, 90 + number / 100)
        await engine.checkpoint()


def spoil(folder: Path, content: bytes) -> None:
    """Have the newest snapshots say `content`, whole as files."""
    kept = Snapshots(folder / "snapshots")
    for snapshot in list(kept.whole()):
        kept.save(snapshot.position, snapshot.at, [content])


@pytest.mark.parametrize("spoiled", ["of another version", "damaged"])
async def test_rules_zones_and_alerts_survive_the_loss_of_all_snapshots(
    tmp_path: Path, spoiled: str
) -> None:
    async with running(tmp_path) as engine:
        await engine.put_zone(YARD, "ada")
        await engine.put_rule(HOT, "ada")
        await engine.put_rule(AWAY, "bob")
        await heat(engine, 95)
        await engine.put_tags("d", {"site": "north"}, "ada")
        [before] = engine.pipeline.alerts.open()
        await fill_and_trim(engine)
    if spoiled == "damaged":
        for path in (tmp_path / "snapshots").iterdir():
            path.write_bytes(path.read_bytes()[:-1])
    else:
        spoil(tmp_path, b"TOCSINX\n what a later version writes")
    assert Journal.open(tmp_path / "journal").begins_behind > 3, "the rules are not in it any more"
    async with running(tmp_path) as engine:
        entries = engine.pipeline.rules.entries()
        assert [(entry.rule, entry.updated_by) for entry in entries] == [
            (AWAY, "bob"),
            (HOT, "ada"),
        ]
        assert engine.pipeline.zones.names() == ["yard"]
        known = engine.pipeline.device("d")
        assert known is not None
        assert known.tags == {"site": "north"}
        past = await engine.past_alerts(states=[], subject=None, rule="hot", limit=10)
        ended = next(alert for alert in past if alert.id == before.id)
        assert (ended.state, ended.active, ended.revision) == (State.CLEARED, False, 2)
        assert ended.cause is not None
        assert "lost its state" in ended.cause.note
        await heat(engine, 96)
        [after] = engine.pipeline.alerts.open()
        assert (after.rule, after.active) == ("hot", True)
        assert after.id != before.id
    async with running(tmp_path) as engine:
        assert [alert.id for alert in engine.pipeline.alerts.open()] == [after.id], "as ever"


async def test_a_snapshot_of_another_version_is_kept_for_the_version_that_reads_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as engine:
        await heat(engine, 20)
    spoil(tmp_path, b"TOCSINX\n what a later version writes")
    before = sorted(path.read_bytes() for path in (tmp_path / "snapshots").iterdir())
    async with running(tmp_path) as engine:
        assert engine.pipeline.stats().readings_total == 1, "out of the journal, which is whole"
        now = sorted(path.read_bytes() for path in (tmp_path / "snapshots").iterdir())
        assert now == before


async def test_each_of_the_two_survives_that_the_other_cannot_be_read(tmp_path: Path) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> None:
        if data == b"of tomorrow":
            raise ValueError("format 9; expected 1")
        taken.append(data)

    async def give() -> bytes:
        return b""

    companion = Companion(lambda _records, _at, _position: None, give, take)
    kept = Snapshots(tmp_path)
    pipeline = Pipeline(Settings(), Decoder())

    kept.save(5, 1.0, join([pipeline.snapshot()], b"of tomorrow"))
    found = restore(kept, pipeline, companion)
    assert (found and found.position, taken) == (5, [b""])

    taken.clear()
    kept.save(9, 2.0, join([b"of tomorrow"], b"mine"))
    kept.save(12, 3.0, join([b"of tomorrow"], b"mine too"))
    assert restore(kept, pipeline, companion) is None
    assert taken == [b"mine too", b"mine"], "it goes on from the oldest, which the journal follows"
