"""The journal of the simulation: real segments in a real folder, synced when the schedule says so,
torn when it says that."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.message import Message
from tocsin.ingest.facts import Record
from tocsin.ingest.storage.files import DiskFiles
from tocsin.ingest.storage.segment import frame, read_frames
from tocsin.ingest.storage.segment_writer import SegmentWriter

SEGMENT_BYTES = 20_000
SECTOR_BYTES = 512
DAMAGE = ("cut", "flipped", "zeroed", "a sector missing", "noise")
"""What a crash does to bytes that were not synced."""


class QuickFiles(DiskFiles):
    """The disk, without waiting for it: what is lost at a crash is what was not written yet."""

    def fdatasync(self, fd: int) -> None: ...

    def sync_folder(self, folder: Path) -> None: ...


class Disk:
    """Owns the journal's folder over all lives of the server, and what waits to be written."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Record]).decode
        self.damage: Counter[str] = Counter()
        """What crashes did to what was not synced."""
        self._open()

    def _open(self) -> None:
        self._writer = SegmentWriter(self._folder, SEGMENT_BYTES, QuickFiles())
        self._waiting: list[tuple[float, bytes, asyncio.Future[int]]] = []
        self.life = object()

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def sink(self, records: Sequence[Message | BrokerFact], at: float) -> asyncio.Future[int]:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((at, self._encode(records), future))
        return future

    def commit(self, entries: int) -> None:
        """Writes the oldest entries, and says so."""
        batch, self._waiting = self._waiting[:entries], self._waiting[entries:]
        if batch:
            newest = self._writer.commit([(at, body) for at, body, _ in batch])
            for position, (_, _, future) in enumerate(batch, newest - len(batch) + 1):
                future.set_result(position)

    def refuse(self, entries: int) -> None:
        """A full disk: the oldest entries are not written and never will be."""
        batch, self._waiting = self._waiting[:entries], self._waiting[entries:]
        for _, _, future in batch:
            future.set_exception(OSError(28, "No space left on device"))

    def crash(self) -> None:
        """What waits is lost; some of it may be in the file all the same, whole, cut or garbled."""
        segment = self._writer.segments[-1]
        torn = self._waiting[: self._chance.randrange(len(self._waiting) + 1)]
        data = bytearray(
            b"".join(
                frame(segment.last + 1 + n, at, segment.length, body)
                for n, (at, body, _) in enumerate(torn)
            )
        )
        if data and self._chance.random() < 0.8:
            at = self._chance.randrange(len(data))
            kind = self._chance.choice(DAMAGE)
            self.damage[kind] += 1
            match kind:
                case "cut":
                    del data[at:]
                case "flipped":
                    data[at] ^= 1 << self._chance.randrange(8)
                case "zeroed":
                    data[at:] = bytes(len(data) - at)
                case "a sector missing":
                    # Sectors reach the medium in any order: one in the middle did not.
                    hole = min(SECTOR_BYTES, len(data) - at)
                    data[at : at + hole] = bytes(hole)
                case _:
                    # What an older file had in this place.
                    data[at:] = self._chance.randbytes(len(data) - at)
        self._writer.close()
        with segment.path.open("ab") as file:
            file.write(data)
        self._open()

    def entries(self) -> Iterator[tuple[int, float, list[Record]]]:
        """Position, time and records of everything that is on the disk."""
        for segment in self._writer.segments:
            for found in read_frames(segment.path, segment.first, segment.length):
                yield found.position, found.at, self._decode(found.body)

    def close(self) -> None:
        self._writer.close()
