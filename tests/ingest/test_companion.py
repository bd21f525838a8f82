"""A companion is rebuilt from the same journal, and its snapshot lies beside the pipeline's."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.companion import Companion
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import Record
from tocsin.ingest.settings import Settings
from tocsin.ingest.snapshot import join, split

READING = Message("c", "devices/d/telemetry", b'{"temp_c": 1}')


class Ledger:
    """Keeps the bodies of facts with the position of the newest."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.replayed: list[int] = []
        self.position = 0

    def replay(self, records: Sequence[Record], at: float, position: int) -> None:
        self.replayed.append(position)
        if position > self.position:
            self.bodies += [each.body for each in records if isinstance(each, BrokerFact)]
            self.position = position

    async def snapshot(self) -> bytes:
        await asyncio.sleep(0)
        return b"%d;" % self.position + b",".join(self.bodies)

    def restore(self, data: bytes) -> None:
        position, _, bodies = data.partition(b";")
        self.position = int(position or 0)
        self.bodies = bodies.split(b",") if bodies else []

    def companion(self) -> Companion:
        return Companion(self.replay, self.snapshot, self.restore)


async def run(folder: Path, *bodies: bytes, checkpoint: bool = False) -> Ledger:
    """One life of an engine that keeps these facts, and its companion at the start."""
    database = Database.open(folder)
    engine = Engine(folder, Settings(), Decoder(), database)
    ledger = Ledger()
    engine.accompany(ledger.companion())
    await engine.start("test")
    found = Ledger()
    found.bodies, found.replayed = list(ledger.bodies), list(ledger.replayed)
    for body in bodies:
        records = [READING, BrokerFact("said", body), READING]
        position = await engine.submit(records, engine.clock.now())
        ledger.replay(records, engine.clock.now(), position)
    assert engine.pipeline.stats().messages_total % 2 == 0
    if checkpoint:
        await engine.checkpoint()
        await engine.stop()
    else:
        # As a crash does it: nothing is written at the end.
        await engine._journal.close()  # pyright: ignore[reportPrivateUsage]
        await engine.stop(0)
    database.close()
    return found


async def test_a_companion_gets_every_fact_back_from_journal_and_snapshot(tmp_path: Path):
    assert (await run(tmp_path, b"a", b"b")).bodies == []
    assert (await run(tmp_path, b"c", checkpoint=True)).bodies == [b"a", b"b"]
    last = await run(tmp_path)
    assert last.bodies == [b"a", b"b", b"c"]
    assert len(last.replayed) < 4, "the snapshot has them"


def test_a_snapshot_from_before_companions_has_an_empty_one():
    assert split(b"".join(join([b"o", b"wn"], b"theirs"))) == (b"own", b"theirs")
    assert split(b"\x81\xa6format\x02") == (b"\x81\xa6format\x02", b"")
