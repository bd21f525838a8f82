"""The journal: everything that happened, in one order, on disk before it is acknowledged."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from tocsin.ingest.facts import Record
from tocsin.ingest.storage.files import DISK, FileLayer
from tocsin.ingest.storage.group_commit import GroupCommit, JournalSettings, JournalUnavailable
from tocsin.ingest.storage.segment import (
    HEADER_BYTES,
    BadFrame,
    Frame,
    JournalCorrupt,
    Segment,
    read_frames,
)
from tocsin.ingest.storage.segment_writer import SegmentWriter

__all__ = [
    "Entry",
    "Journal",
    "JournalCorrupt",
    "JournalSettings",
    "JournalStats",
    "JournalUnavailable",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One append. Positions count up by one from 1."""

    position: int
    at: float
    records: list[Record]


@dataclass(frozen=True, slots=True)
class JournalStats:
    """What the journal is doing. p50 and p99 are of the last 1,000 commits."""

    state: Literal["ok", "behind", "failing"]
    error: str | None
    """Why writing fails; None unless `failing`."""
    pending_bytes: int
    """Appended and neither committed nor refused."""
    last_position: int
    commits: int
    appends: int
    refused: int
    """Appends that ended with JournalUnavailable."""
    last_commit_ms: float
    p50_ms: float
    p99_ms: float
    bytes: int
    """On disk, all segments."""
    segments: int
    cut_bytes: int
    """Torn write that was cut at open."""


class Journal:
    """Owns the journal folder: appends records durably, replays them, trims what is covered."""

    def __init__(self, writer: SegmentWriter, settings: JournalSettings):
        self._writer = writer
        self._settings = settings
        self._queue = GroupCommit(writer, settings)
        self._encode = msgspec.msgpack.Encoder().encode

    @classmethod
    def open(
        cls, folder: Path, settings: JournalSettings | None = None, files: FileLayer = DISK
    ) -> "Journal":
        """The journal of `folder`, made if missing; a torn tail is cut (`stats().cut_bytes`).

        Raises JournalCorrupt, naming file and offset, and OSError.
        """
        settings = settings or JournalSettings()
        return cls(SegmentWriter(folder, settings.segment_bytes, files), settings)

    @property
    def last_position(self) -> int:
        """The newest position on disk; 0 in a new journal."""
        return self._writer.last_position

    @property
    def begins_behind(self) -> int:
        """The position before the oldest that is still here; 0 while nothing was trimmed."""
        return self._writer.segments[0].first - 1

    @property
    def last_at(self) -> float | None:
        """The time of the newest record on disk, None in a new journal."""
        return self._writer.last_at

    def append(
        self, records: Sequence[Record], at: float, *, lingers: bool = False
    ) -> asyncio.Future[int]:
        """Queues `records` as one entry; the future gets its position once it is on disk: soon, or
        for one that `lingers` when somebody waits for a later one, at the latest in `linger_s`.

        Call it on the event loop. The future raises JournalUnavailable when the entry is not
        stored and never will be. Entries are stored in the order of the calls.
        """
        return self._queue.put(at, self._encode(records), lingers=lingers)

    def hurry(self) -> None:
        """Have on disk soon what lingers."""
        self._queue.hurry()

    def replay(self, after: int) -> Iterator[Entry]:
        """The entries behind position `after`, in order, through the newest at the call.

        Raises JournalCorrupt where one is missing or bad.
        """
        decode = msgspec.msgpack.Decoder(list[Record]).decode
        # While the thread writes, a segment's `length` may be ahead of `last`, never behind.
        segments = [(segment, segment.last) for segment in list(self._writer.segments)]
        oldest = segments[0][0]
        if oldest.first > after + 1:
            raise JournalCorrupt(
                f"{oldest.path} is the oldest segment; expected one with position {after + 1}"
            )
        for segment, last in segments:
            if last <= after:
                continue
            for found in _sound_frames(segment, last):
                if found.position <= after:
                    continue
                try:
                    records = decode(found.body)
                except msgspec.MsgspecError as error:
                    raise JournalCorrupt(
                        f"{segment.path} offset {found.offset}: {error}; expected records as this"
                        " version writes them"
                    ) from error
                yield Entry(found.position, found.at, records)

    def trim(self, through: int) -> None:
        """Deletes, soon, the segments that hold nothing behind position `through`."""
        self._queue.trim(through)

    def stats(self) -> JournalStats:
        queue, writer = self._queue, self._writer
        times = sorted(queue.times_s)
        began = queue.commit_began
        state: Literal["ok", "behind", "failing"] = "ok"
        if queue.error is not None:
            state = "failing"
        elif began is not None and time.monotonic() - began > self._settings.behind_s:
            state = "behind"
        return JournalStats(
            state=state,
            error=queue.error,
            pending_bytes=queue.pending_bytes,
            last_position=writer.last_position,
            commits=queue.commits,
            appends=queue.appends,
            refused=queue.refused,
            last_commit_ms=queue.times_s[-1] * 1e3 if times else 0.0,
            p50_ms=times[len(times) // 2] * 1e3 if times else 0.0,
            p99_ms=times[len(times) * 99 // 100] * 1e3 if times else 0.0,
            bytes=writer.bytes_on_disk,
            segments=len(writer.segments),
            cut_bytes=writer.cut_bytes,
        )

    async def close(self, within_s: float | None = None) -> None:
        """Commits what waits, refuses it if the disk does, and ends the thread, if that can be
        done within `within_s`."""
        await self._queue.close(within_s)


def _sound_frames(segment: Segment, last: int) -> Iterator[Frame]:
    """The records of a segment through `last`, all committed. Raises JournalCorrupt."""
    position, offset = segment.first - 1, HEADER_BYTES
    try:
        for found in read_frames(segment.path, segment.first, segment.length):
            yield found
            position, offset = found.position, found.end
            if position == last:
                return
    except BadFrame as bad:
        raise JournalCorrupt(f"{segment.path} offset {bad.offset}: {bad}") from bad
    raise JournalCorrupt(
        f"{segment.path} offset {offset}: it ends with position {position}; expected {last}"
    )
