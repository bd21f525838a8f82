"""An alert that rings ahead of the disk says so, to everybody, and says when it is stored."""

import asyncio
import errno
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import EngineSettings, Settings
from tocsin.ingest.storage.journal import JournalSettings, JournalUnavailable
from tocsin.ingest.storage.segment_writer import SegmentWriter

WITHIN_S = 10.0


class Disk:
    """Stands before the journal's writer: `free` lets commits through; `full` refuses them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = threading.Event()
        self.free.set()
        self.full = False
        commit = SegmentWriter.commit

        def slow(writer: SegmentWriter, entries: Any) -> int:
            assert self.free.wait(WITHIN_S)
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return commit(writer, entries)

        monkeypatch.setattr(SegmentWriter, "commit", slow)


Said = list[tuple[int, bool]]  # revision, durable


class Heard:
    """What was said of alerts: at once (the page), and when it cannot be taken back (MQTT)."""

    def __init__(self, engine: Engine) -> None:
        self.page: Said = []
        self.mqtt: Said = []
        self.news = asyncio.Event()
        engine.on_outcome.append(lambda outcome: self._hear(outcome, self.page))
        engine.on_committed.append(lambda outcome: self._hear(outcome, self.mqtt))

    def _hear(self, outcome: Outcome, said: Said) -> None:
        said += [(alert.revision, alert.durable) for alert in outcome.alerts]
        self.news.set()

    async def until_mqtt_says(self, *said: tuple[int, bool]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while self.mqtt != list(said):
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def running(folder: Path, stop_within_s: float = 1.5) -> AsyncGenerator[Engine]:
    database = Database.open(folder)
    engine = Engine(
        folder,
        Settings(),
        Decoder(),
        database,
        engine=EngineSettings(patience_s=0.05),
        journal=JournalSettings(retry_s=0.01, give_up_s=0.02),
    )
    try:
        await engine.start("test")
        yield engine
    finally:
        await engine.stop(stop_within_s)
        database.close()


def submit(engine: Engine, value: float) -> "asyncio.Future[int]":
    payload = b'{"temp_c": %f}' % value
    return engine.submit([Message("c", "devices/d/telemetry", payload)], engine.clock.now())


async def test_a_commit_that_takes_too_long_and_is_done_after_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk = Disk(monkeypatch)
    async with running(tmp_path) as engine:
        await engine.put_rule(Rule(name="hot", when="temp_c > 80"), "ada")
        heard = Heard(engine)
        disk.free.clear()
        committed = submit(engine, 95)
        assert heard.page == [(1, True)]
        await heard.until_mqtt_says((1, False), (2, False))
        (alert,) = engine.pipeline.alerts.open()
        assert heard.page == [(1, True), (2, False)]
        assert (alert.durable, alert.revision) == (False, 2)
        disk.free.set()
        await committed
        await heard.until_mqtt_says((1, False), (2, False), (3, True))
        assert heard.page == [(1, True), (2, False), (3, True)]
        (alert,) = engine.pipeline.alerts.open()
    async with running(tmp_path) as engine:
        assert engine.pipeline.alerts.open() == [alert]


async def test_a_refused_commit_and_the_checkpoint_that_makes_good_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk = Disk(monkeypatch)
    async with running(tmp_path) as engine:
        await engine.put_rule(Rule(name="hot", when="temp_c > 80"), "ada")
        heard = Heard(engine)
        disk.full = True
        with pytest.raises(JournalUnavailable):
            await submit(engine, 95)
        await heard.until_mqtt_says((1, False), (2, False))
        disk.full = False
        await submit(engine, 96)
        assert heard.page == [(1, True), (2, False)]  # that it rang is not on disk by this
        await engine.checkpoint()
        await heard.until_mqtt_says((1, False), (2, False), (3, True))
        assert heard.page == [(1, True), (2, False), (3, True)]
        alerts = engine.pipeline.alerts.open()
        assert [(alert.durable, alert.revision) for alert in alerts] == [(True, 3)]
    async with running(tmp_path) as engine:
        assert engine.pipeline.alerts.open() == alerts


async def test_what_a_start_reads_from_disk_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk = Disk(monkeypatch)
    async with running(tmp_path, stop_within_s=0) as engine:
        await engine.put_rule(Rule(name="hot", when="temp_c > 80"), "ada")
        heard = Heard(engine)
        disk.free.clear()
        submit(engine, 95)
        await heard.until_mqtt_says((1, False), (2, False))
        disk.free.set()  # the stop commits what waits, and nothing behind it
    async with running(tmp_path) as engine:
        (alert,) = engine.pipeline.alerts.open()
        assert (alert.durable, alert.revision) == (True, 3)
