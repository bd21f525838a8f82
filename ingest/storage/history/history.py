"""History: every reading for a week, its minutes and hours for a season, in bounded space."""

import asyncio
import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec.structs
import numpy as np

from tocsin.ingest.frames import Column
from tocsin.ingest.storage.files import DISK, FileLayer
from tocsin.ingest.storage.history import index as index_file
from tocsin.ingest.storage.history.index import File, HistoryCorrupt, Index, Level, Stored
from tocsin.ingest.storage.history.plan import (
    HOUR_S,
    Expire,
    HistorySettings,
    Merge,
    Roll,
    next_step,
)
from tocsin.ingest.storage.history.requests import MergeFiles, Query, Store
from tocsin.ingest.storage.history.rows import Rows
from tocsin.ingest.storage.history.series import Grid, Series
from tocsin.ingest.workers import Workers

__all__ = [
    "Grid",
    "History",
    "HistoryCorrupt",
    "HistorySettings",
    "HistoryStats",
    "RawFiles",
    "Rows",
    "Series",
]

# A worker that sorted a million rows keeps 190 MB, a new one has 95 and costs 0.4 s.
_RETIRE_ROWS = 500_000
_PARQUET = re.compile(r"\.parquet(\.unfinished)?$")


@dataclass(frozen=True, slots=True)
class HistoryStats:
    """What is stored."""

    bytes: int
    files: int
    raw_rows: int
    oldest: float | None
    """Event time of the oldest row or rollup, None while there is none."""
    covered: int
    steps: int
    """Roll-ups, merges and expiries since the start."""


@dataclass(frozen=True, slots=True)
class RawFiles:
    """Raw files with the rows that arrived within some time: paths relative to `folder`."""

    folder: str
    paths: list[str]
    older: list[str]
    """Those with rows that arrived before that."""
    without_arrival: list[str]
    """Those of all of them that do not say when their rows arrived."""

    @classmethod
    def of(cls, folder: Path, index: Index, since: float, until: float) -> "RawFiles":
        """The files of `index` with rows that arrived from `since` on and before `until`."""
        files: list[File] = []
        older: list[File] = []
        for file in index.at("raw"):
            first, last = file.stored.arrived or (file.stored.start, file.stored.end)
            if first < until and last >= since:
                files.append(file)
            if first < since:
                older.append(file)
        return cls(
            str(folder),
            [file.stored.path for file in files],
            [file.stored.path for file in older],
            _without_arrival({*files, *older}),
        )


class History:
    """Owns the folder of history: its index, and which files queries still read."""

    def __init__(
        self,
        folder: Path,
        workers: Workers,
        settings: HistorySettings | None = None,
        files: FileLayer = DISK,
    ):
        """Opens the folder, made if missing, and removes what a crash left behind.

        Raises HistoryCorrupt, OSError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.absolute()
        self._workers = workers
        self._settings = settings or HistorySettings()
        self._files = files
        self._index = index_file.load(folder)
        self.missing = self._drop_missing()
        """Files the index named that somebody removed."""
        self._serials = count(self._index.serial + 1)
        self._changing = asyncio.Lock()
        self._queries = count()
        self._reading: set[int] = set()
        # (query number from which on nobody reads the file, file)
        self._doomed: list[tuple[int, str]] = []
        self._steps = 0
        self._remove_strays()

    def covered(self) -> int:
        """The journal position through which all rows are stored."""
        return self._index.covered

    def stats(self) -> HistoryStats:
        files = self._index.files
        return HistoryStats(
            bytes=sum(file.stored.bytes for file in files),
            files=len(files),
            raw_rows=sum(file.stored.rows for file in self._index.at("raw")),
            oldest=min((file.stored.start for file in files), default=None),
            covered=self._index.covered,
            steps=self._steps,
        )

    async def store(self, rows: Rows, through: int) -> None:
        """Stores the rows of journal positions `covered()` + 1 to `through`, on disk when this
        returns. Rows that are covered already are not stored again.

        Raises WorkerError or OSError; nothing is covered then, and the same call may follow.
        """
        async with self._changing:
            first = self._index.covered + 1
            if through < first:
                return
            serial = next(self._serials)
            stored: list[Stored] = []
            if len(rows):
                suffix = _suffix(first, through, serial)
                stored = await self._written(
                    "history.store",
                    Store(
                        str(self._folder),
                        suffix,
                        rows.devices,
                        rows.metrics,
                        rows.is_text,
                        rows.texts,
                    ),
                    suffix,
                    columns=rows.columns(),
                )
            new = [
                File("raw", Path(one.path).parent.name, first, through, one, rolled=False)
                for one in stored
            ]
            await self._replace(
                msgspec.structs.replace(
                    self._index, covered=through, files=(*self._index.files, *new)
                ),
                serial,
            )

    async def series(
        self, device: str, metric: str, start: float, end: float, points: int
    ) -> Series:
        """Buckets of a series over [start, end): from raw rows, minutes or hours, whichever are
        the coarsest that give the same figures.

        Late and out-of-order rows are in their buckets, texts in none.

        Raises ValueError, WorkerError.
        """
        index = self._index
        grid = Grid.over(start, end, points)
        if grid.start_us <= index.raw_until * 1e6:
            grid = Grid.over(start, end, points, finest_s=60)
        if grid.start_us <= index.minute_until * 1e6:
            grid = Grid.over(start, end, points, finest_s=HOUR_S)
        level: Level = "raw"
        if grid.width_us % 60_000_000 == 0:
            level = "hour" if grid.width_us % 3_600_000_000 == 0 else "minute"
        inside = [
            file
            for file in index.files
            if file.stored.start * 1e6 < grid.end_us and file.stored.end * 1e6 >= grid.start_us
        ]
        raw = [
            file.stored.path
            for file in inside
            if file.level == "raw" and (level == "raw" or not file.rolled)
        ]
        rollup = [file.stored.path for file in inside if file.level == level != "raw"]
        series = Series.empty(grid, index.covered)
        if not raw and not rollup:
            return series
        with self._keeping_files():
            _, columns = await self._workers.call(
                "history.series",
                Query(
                    folder=str(self._folder),
                    raw=raw,
                    rollup=rollup,
                    device=device,
                    metric=metric,
                    start_us=grid.start_us,
                    width_us=grid.width_us,
                    count=grid.count,
                ),
                type(None),
            )
        bucket = np.frombuffer(columns[0], np.int64)
        series.min[bucket] = np.frombuffer(columns[1], np.float64)
        series.max[bucket] = np.frombuffer(columns[2], np.float64)
        series.sum[bucket] = np.frombuffer(columns[3], np.float64)
        series.count[bucket] = np.frombuffer(columns[4], np.int64)
        return series

    @contextmanager
    def raw_files(self, since: float, until: float) -> Generator[RawFiles]:
        """The files of readings that arrived in [since, until); they stay until the block ends."""
        with self._keeping_files():
            yield RawFiles.of(self._folder, self._index, since, until)

    @property
    def raw_until(self) -> float:
        """Event time up to which raw rows may be gone."""
        return self._index.raw_until

    @contextmanager
    def raw_since(self, start: float) -> Generator[RawFiles]:
        """Files with readings of event times from `start` on; they stay until the block ends."""
        files = [file for file in self._index.at("raw") if file.stored.end >= start]
        paths = [file.stored.path for file in files]
        with self._keeping_files():
            yield RawFiles(str(self._folder), paths, [], _without_arrival(files))

    @contextmanager
    def _keeping_files(self) -> Generator[None]:
        """Files that count now are not deleted until the block ends."""
        query = next(self._queries)
        self._reading.add(query)
        try:
            yield
        finally:
            self._reading.discard(query)
            self._delete_doomed()

    async def maintain(self, now: float) -> None:
        """Rolls up, merges and expires until history is in order at time `now`.

        Step by step: each holds back `store` for a few seconds at most, and may be cut off
        anywhere. Raises WorkerError or OSError; the next call begins where this ended.
        """
        while True:
            async with self._changing:
                step = next_step(self._index, now, self._settings)
                if step is None:
                    return
                if isinstance(step, Roll):
                    await self._roll(step)
                elif isinstance(step, Merge):
                    await self._merge(step)
                else:
                    await self._expire(step)
                self._steps += 1

    async def _roll(self, step: Roll) -> None:
        one = step.files[0]
        alone = len(step.files) == 1
        first, last = _positions(step.files)
        serial = next(self._serials)
        suffix = _suffix(first, last, serial)
        newest = datetime.fromtimestamp(max(file.stored.end for file in step.files), UTC)
        day, month = one.partition, newest.strftime("%Y-%m")
        request = MergeFiles(
            folder=str(self._folder),
            raw=True,
            inputs=[file.stored.path for file in step.files],
            output=None if alone else f"raw/{day}/{suffix}",
            minute=f"minute/{day}/{suffix}",
            hour=f"hour/{month}/{suffix}",
            without_arrival=_without_arrival(step.files),
        )
        stored = await self._written("history.merge", request, suffix, rows=_rows(step.files))
        raw = one.stored if alone else stored[0]
        new = [
            File("raw", day, first, last, raw),
            File("minute", day, first, last, stored[-2]),
            File("hour", month, first, last, stored[-1]),
        ]
        await self._exchange(step.files, new, serial)

    async def _merge(self, step: Merge) -> None:
        one = step.files[0]
        first, last = _positions(step.files)
        serial = next(self._serials)
        suffix = _suffix(first, last, serial)
        request = MergeFiles(
            folder=str(self._folder),
            raw=one.level == "raw",
            inputs=[file.stored.path for file in step.files],
            output=f"{one.level}/{one.partition}/{suffix}",
            without_arrival=_without_arrival(step.files),
        )
        stored = await self._written("history.merge", request, suffix, rows=_rows(step.files))
        new = File(one.level, one.partition, first, last, stored[0])
        await self._exchange(step.files, [new], serial)

    async def _expire(self, step: Expire) -> None:
        def newest(level: Level) -> float:
            return max((file.stored.end for file in step.files if file.level == level), default=0.0)

        index = self._index
        await self._exchange(
            step.files,
            [],
            next(self._serials),
            msgspec.structs.replace(
                index,
                raw_until=max(index.raw_until, newest("raw")),
                minute_until=max(index.minute_until, newest("minute")),
            ),
        )

    async def _written(
        self,
        task: str,
        request: Store | MergeFiles,
        suffix: str,
        *,
        columns: Sequence[Column] = (),
        rows: int = 0,
    ) -> list[Stored]:
        """What the worker wrote. When it fails, what there is of it goes: the disk may be full."""
        try:
            stored, _ = await self._workers.call(
                task,
                request,
                list[Stored],
                columns=columns,
                lane="write",
                retire=rows > _RETIRE_ROWS,
            )
        except BaseException:
            for path in self._folder.glob(f"*/*/{suffix}*"):
                with suppress(OSError):
                    self._files.unlink(path)
            raise
        return stored

    async def _exchange(
        self, old: Iterable[File], new: list[File], serial: int, index: Index | None = None
    ) -> None:
        """Makes `new` count instead of `old`, then deletes what nothing names any more."""
        index = index or self._index
        gone = set(old)
        kept = tuple(file for file in index.files if file not in gone)
        await self._replace(msgspec.structs.replace(index, files=(*kept, *new)), serial)
        named = {file.stored.path for file in self._index.files}
        asked = next(self._queries)
        self._doomed += [
            (asked, file.stored.path) for file in gone if file.stored.path not in named
        ]
        self._delete_doomed()

    async def _replace(self, index: Index, serial: int) -> None:
        index = msgspec.structs.replace(index, serial=serial)
        saving = asyncio.ensure_future(
            asyncio.to_thread(index_file.save, self._files, self._folder, index)
        )
        # A rename cannot be taken back: a caller who is cancelled meanwhile still learns what
        # became of it, and is cancelled at its next await.
        cancelled = 0
        while not saving.done():
            try:
                await asyncio.wait([saving])
            except asyncio.CancelledError:
                cancelled += 1
        if cancelled and (task := asyncio.current_task()):
            for _ in range(cancelled):
                task.uncancel()
                task.cancel()
        saving.result()
        self._index = index

    def _delete_doomed(self) -> None:
        """Deletes files that no query reads which began while they counted."""
        oldest = min(self._reading, default=None)
        waiting: list[tuple[int, str]] = []
        for asked, path in self._doomed:
            if oldest is not None and oldest < asked:
                waiting.append((asked, path))
                continue
            # What cannot be deleted now is a stray at the next start.
            with suppress(OSError):
                self._files.unlink(self._folder / path)
        self._doomed = waiting

    def _drop_missing(self) -> list[str]:
        gone = [
            file for file in self._index.files if not (self._folder / file.stored.path).exists()
        ]
        kept = tuple(file for file in self._index.files if file not in gone)
        self._index = msgspec.structs.replace(self._index, files=kept)
        return [file.stored.path for file in gone]

    def _remove_strays(self) -> None:
        """Removes files that a crash left: written and not yet named, or not named any more."""
        named = {file.stored.path for file in self._index.files}
        for level in index_file.LEVELS:
            for path in (self._folder / level).glob("*/*"):
                if _PARQUET.search(path.name) and str(path.relative_to(self._folder)) not in named:
                    self._files.unlink(path)
            for partition in (self._folder / level).glob("*"):
                with suppress(OSError):  # not empty
                    partition.rmdir()
        for path in (self._folder / "spill").glob("*"):
            self._files.unlink(path)


def _positions(files: Iterable[File]) -> tuple[int, int]:
    files = list(files)
    return min(file.first for file in files), max(file.last for file in files)


def _without_arrival(files: Iterable[File]) -> list[str]:
    return [
        file.stored.path for file in files if file.level == "raw" and file.stored.arrived is None
    ]


def _rows(files: Iterable[File]) -> int:
    return sum(file.stored.rows for file in files)


def _suffix(first: int, last: int, serial: int) -> str:
    return f"{first:012d}-{last:012d}-{serial:08d}.parquet"
