"""The shell around the pipeline, on a real disk."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import duckdb
import pytest

from tests.server import wait_for
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.profile import Profile
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.backlog import FEWEST, FIRST, MOST
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import Connected, DevicesExpected, Disconnected, Outage, RulePut
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import EngineSettings, Settings
from tocsin.ingest.storage.journal import Journal

PACE_S = 0.2
HOT = Rule(name="hot", when="temp_c > 80")


@asynccontextmanager
async def running(folder: Path, pace_s: float = PACE_S) -> AsyncGenerator[Engine]:
    database = Database.open(folder)
    engine = Engine(folder, Settings(), Decoder(), database, engine=EngineSettings(pace_s=pace_s))
    try:
        await engine.start("test")
        yield engine
    finally:
        await engine.stop()
        database.close()


def message(value: float) -> Message:
    return Message("c", "devices/d/telemetry", b'{"temp_c": %f}' % value)


async def test_an_idle_engine_adds_no_delay(tmp_path: Path):
    async with running(tmp_path) as engine:
        seen: list[Outcome] = []
        engine.on_outcome.append(seen.append)
        engine.submit([message(1)], engine.clock.now())
        assert len(seen) == 1, "judged in the turn in which it arrived"


async def test_a_long_replay_is_followed_by_a_checkpoint_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async with running(tmp_path):
        pass
    for old in (tmp_path / "snapshots").iterdir():
        old.unlink()
    monkeypatch.setattr("tocsin.ingest.engine.LONG_REPLAY_S", 0.0)
    async with running(tmp_path):
        made = (tmp_path / "snapshots").glob
        await asyncio.to_thread(wait_for, "a snapshot", lambda: any(made("*.snapshot")))


async def test_what_follows_closely_is_gathered_in_order(tmp_path: Path):
    async with running(tmp_path) as engine:
        seen: list[Outcome] = []
        engine.on_outcome.append(seen.append)
        commits = [engine.submit([message(n)], engine.clock.now()) for n in range(5)]
        assert len(seen) == 1
        positions = await asyncio.gather(*commits)
        assert len(seen) == 2
        engine.settle()
        assert seen[-1].readings is not None
        assert seen[-1].readings.value.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert positions == [positions[0], *[positions[0] + 1] * 4]


async def test_a_fact_comes_after_all_messages_before_it(tmp_path: Path):
    async with running(tmp_path) as engine:
        engine.submit([message(1)], engine.clock.now())
        engine.submit([message(95)], engine.clock.now())
        await engine.record(RulePut(HOT, "ada"))
        assert engine.pipeline.stats().readings_total == 2
        assert engine.pipeline.alerts.open() == [], "the rule judges from the next reading on"
        await engine.submit([message(96)], engine.clock.now())
        assert len(engine.pipeline.alerts.open()) == 1
    entries = list(Journal.open(tmp_path / "journal").replay(0))
    kinds = ["".join(type(r).__name__[0] for r in entry.records) for entry in entries]
    assert kinds == ["S", "M", "M", "R", "M"]


async def test_a_long_batch_is_judged_in_several_turns_and_stored_in_one_entry(tmp_path: Path):
    many = 2 * MOST
    async with running(tmp_path, pace_s=0) as engine:
        seen: list[int] = []
        engine.on_outcome.append(lambda _: seen.append(engine.pipeline.stats().messages_total))
        committed = engine.submit([message(n) for n in range(many)], engine.clock.now())
        assert engine.pipeline.stats().messages_total == FIRST
        assert engine.room() < 1, "who can wait should"
        last = engine.submit([message(many)], engine.clock.now())
        for _ in range(many):
            if seen[-1] > many:
                break
            await asyncio.sleep(0)
        # A quick machine takes more at a time once it knows what they cost.
        assert seen[-1] == many + 1
        assert 2 < len(seen) <= many / FEWEST
        assert engine.room() >= FIRST
        assert await committed == await last - 1
        engine.settle()
        assert engine.unsaved.all().value.tolist() == list(range(many + 1))


async def test_a_fact_and_a_checkpoint_come_after_all_that_waits_to_be_judged(tmp_path: Path):
    many = 4 * FIRST
    async with running(tmp_path, pace_s=0) as engine:
        engine.submit([message(95) for _ in range(many)], engine.clock.now())
        engine.record(RulePut(HOT, "ada"))
        assert engine.pipeline.stats().messages_total == many
        assert engine.pipeline.alerts.open() == [], "the rule judges from the next reading on"
        engine.submit([message(50) for _ in range(many)], engine.clock.now())
        await engine.checkpoint()
        assert engine.pipeline.stats().messages_total == 2 * many
    shutil.rmtree(tmp_path / "journal")
    async with running(tmp_path) as engine:
        assert engine.pipeline.stats().messages_total == 2 * many


async def test_who_comes_and_goes_is_noted_in_turn_with_messages(tmp_path: Path):
    async with running(tmp_path) as engine:
        engine.submit([message(1)], engine.clock.now())
        first = engine.note(Connected("c", None, "127.0.0.1:1"))
        engine.submit([message(2)], engine.clock.now())
        last = engine.note(Disconnected("c", "clean"))
        assert await first == await last
    entries = list(Journal.open(tmp_path / "journal").replay(0))
    kinds = ["".join(type(r).__name__[0] for r in entry.records) for entry in entries]
    assert kinds == ["S", "M", "CMD"]


async def test_a_process_that_stood_still_with_a_long_batch_makes_no_device_silent(tmp_path: Path):
    async with running(tmp_path, pace_s=0) as engine:
        await engine.put_rule(Rule(name="gone", when="absent(temp_c, '60s')"), "ada")
        at = engine.clock.now()
        engine.submit([message(1) for _ in range(4 * FIRST)], at)
        await engine.submit([message(2)], at + 3600)
        assert engine.pipeline.alerts.open() == []
    entries = list(Journal.open(tmp_path / "journal").replay(0))
    assert [type(r) for entry in entries for r in entry.records].count(Outage) == 1


async def test_arrival_counts_from_the_oldest_that_was_gathered(tmp_path: Path):
    async with running(tmp_path, pace_s=0.05) as engine:
        seen: list[Outcome] = []
        engine.on_outcome.append(seen.append)
        at = engine.clock.now()
        first = engine.submit([message(1)], at)
        second = engine.submit([message(2)], at + 0.001)
        await asyncio.gather(first, second)
        assert seen[1].at == at + 0.001


async def test_a_stop_loses_nothing_and_a_start_has_it_all(tmp_path: Path):
    async with running(tmp_path, pace_s=30) as engine:
        await engine.put_rule(HOT, "ada")
        engine.submit([message(95)], engine.clock.now())
        engine.submit([message(96)], engine.clock.now())
    async with running(tmp_path) as engine:
        assert engine.pipeline.stats().readings_total == 2
        [alert] = engine.pipeline.alerts.open()
        assert (alert.rule, alert.revision) == ("hot", 1)
        stored = await engine.series(
            "d", "temp_c", engine.clock.now() - 60, engine.clock.now() + 1, 10
        )
        assert stored.count.sum() == 2


async def test_texts_are_in_history_as_they_were_said(tmp_path: Path):
    async with running(tmp_path) as engine:
        payload = b'{"state": "RUN", "temp_c": 20.5}'
        await engine.submit([Message("c", "devices/d/telemetry", payload)], engine.clock.now())
        await engine.checkpoint()
        now = engine.clock.now()
        with pytest.raises(ValueError, match="metric 'state' is a text; expected a number"):
            await engine.series("d", "state", now - 60, now, 10)
    found = duckdb.execute(
        "SELECT metric, value, text FROM read_parquet(?) ORDER BY metric",
        [f"{tmp_path}/history/raw/*/*.parquet"],
    ).fetchall()
    assert found == [("state", None, "RUN"), ("temp_c", 20.5, None)]


async def test_a_process_that_stood_still_makes_no_device_silent(tmp_path: Path):
    async with running(tmp_path) as engine:
        await engine.put_rule(Rule(name="gone", when="absent(temp_c, '60s')"), "ada")
        at = engine.clock.now()
        await engine.submit([message(1)], at)
        # As if nothing had run for an hour: then what was sent meanwhile comes all at once.
        await engine.submit([message(2)], at + 3600)
        assert engine.pipeline.alerts.open() == []
    entries = list(Journal.open(tmp_path / "journal").replay(0))
    outages = [r for entry in entries for r in entry.records if isinstance(r, Outage)]
    assert [round(outage.until - at) for outage in outages] == [3600]


async def test_expected_devices_are_known_from_the_start(tmp_path: Path):
    settings = Settings(profiles=(Profile(devices="pump-*", expected=("pump-1",)),))
    for profiles, missed in ((settings, ["pump-1"]), (settings, ["pump-1"]), (Settings(), [])):
        database = Database.open(tmp_path)
        engine = Engine(tmp_path, profiles, Decoder(), database)
        await engine.start("test")
        assert engine.pipeline.absence.expected == missed
        assert [device.freshness for device in engine.pipeline.devices()] == ["never"]
        await engine.stop()
        database.close()
    entries = list(Journal.open(tmp_path / "journal").replay(0))
    facts = [r for entry in entries for r in entry.records if isinstance(r, DevicesExpected)]
    assert facts[-1:] == [DevicesExpected([])]


async def test_silence_that_rang_before_a_kill_has_rung_after_it(tmp_path: Path):
    """And not a second time, when the silence goes on as long again."""
    silent = Rule(name="silent", when="age(temp_c) > 0.05")
    async with running(tmp_path / "killed", pace_s=0) as engine:
        await engine.put_rule(silent, "ada")
        rang: asyncio.Future[Alert] = asyncio.get_running_loop().create_future()

        def note(outcome: Outcome) -> None:
            if outcome.alerts and not rang.done():
                rang.set_result(outcome.alerts[0])

        engine.on_committed.append(note)
        await engine.submit([message(1)], engine.clock.now())
        told = await asyncio.wait_for(rang, 30)
        shutil.copytree(tmp_path / "killed" / "journal", tmp_path / "again" / "journal")
    async with running(tmp_path / "again") as engine:
        assert engine.pipeline.alerts.open() == [told]
