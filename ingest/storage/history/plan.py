"""What history does next to stay small: roll up, merge, expire. Pure: index and time in, step out.

store    raw file, rows of one flush                          (not rolled)
Roll     raw files of a past hour → one raw, one minute, one hour file
Merge    small files of a partition → one file
Expire   files past their age, or the oldest when there are too many bytes
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.ingest.storage.history.index import LEVELS, File, Index, Level

HOUR_S = 3600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How long history is kept, how large it may be, how large its steps are."""

    raw_days: float = 7.0
    """Raw rows are kept this long after their event time."""
    rollup_days: float = 90.0
    """Minutes and hours are kept this long."""
    bytes: int = 10_000_000_000
    """All files together. Beyond it the oldest raw rows go first while raw is the larger half
    (their rollups stay), else the oldest of all."""
    merge_rows: int = 2_000_000
    """Rows of one merge: about 3 s of one core, in which `store` waits, and 340 MB of a worker
    at most. Larger files are left alone."""
    fan_in: int = 8
    """So many small files of a partition are merged though it is still growing."""
    unrolled_files: int = 32
    """So many flushes are rolled up though their hour is not over: a chart opens each of them."""


@dataclass(frozen=True, slots=True)
class Roll:
    """Rewrite raw files as one, with its rollups."""

    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Rewrite files of one level and partition as one."""

    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Expire:
    files: tuple[File, ...]


Step = Roll | Merge | Expire


def next_step(index: Index, now: float, settings: HistorySettings) -> Step | None:
    """The most urgent step, None when history is in order. Every step leaves less to do."""
    return (
        _roll(index, now, settings)
        or _expire(index, now, settings)
        or _shrink(index, settings)
        or _roll_early(index, settings)
        or _merge(index, now, settings)
    )


def _roll(index: Index, now: float, settings: HistorySettings) -> Roll | None:
    this_hour = now - now % HOUR_S
    for files in _partitions(index, "raw").values():
        fresh = sorted((file for file in files if not file.rolled), key=lambda file: file.first)
        due = [file for file in fresh if file.stored.end < this_hour]
        if len(fresh) >= settings.unrolled_files:
            due = fresh
        if due:
            return Roll(tuple(_head(due, settings.merge_rows)))
    return None


def _roll_early(index: Index, settings: HistorySettings) -> Roll | None:
    """With too many bytes and only fresh rows to give: their rollups shall survive them."""
    fresh = [file for file in index.at("raw") if not file.rolled]
    if not fresh or sum(file.stored.bytes for file in index.files) <= settings.bytes:
        return None
    oldest = min(fresh, key=lambda file: file.stored.end)
    same = sorted(
        (file for file in fresh if file.partition == oldest.partition), key=lambda file: file.first
    )
    return Roll(tuple(_head(same, settings.merge_rows)))


def _expire(index: Index, now: float, settings: HistorySettings) -> Expire | None:
    kept_s = {
        "raw": settings.raw_days * DAY_S,
        "minute": settings.rollup_days * DAY_S,
        "hour": settings.rollup_days * DAY_S,
    }
    gone = tuple(
        file for file in index.files if file.rolled and file.stored.end < now - kept_s[file.level]
    )
    return Expire(gone) if gone else None


def _shrink(index: Index, settings: HistorySettings) -> Expire | None:
    gone: list[File] = []
    left = {level: sum(file.stored.bytes for file in index.at(level)) for level in LEVELS}
    oldest_first = sorted(index.files, key=lambda file: file.stored.end)
    raw = [file for file in oldest_first if file.level == "raw" and file.rolled]
    rollups = [file for file in oldest_first if file.level != "raw"]
    while sum(left.values()) > settings.bytes:
        oldest = raw if left["raw"] * 2 >= sum(left.values()) else rollups
        if not oldest:
            break
        file = oldest.pop(0)
        left[file.level] -= file.stored.bytes
        gone.append(file)
    return Expire(tuple(gone)) if gone else None


def _merge(index: Index, now: float, settings: HistorySettings) -> Merge | None:
    for level in LEVELS:
        for files in _partitions(index, level).values():
            rolled = sorted(
                (file for file in files if file.rolled), key=lambda file: file.stored.rows
            )
            small = _head(rolled, settings.merge_rows)
            # Else stragglers would have a large file rewritten for each of them.
            while small and small[-1].stored.rows * 2 > sum(file.stored.rows for file in small):
                small.pop()
            grows = max(file.stored.end for file in files) >= now - DAY_S
            if len(small) >= (settings.fan_in if grows else 2):
                return Merge(tuple(small))
    return None


def _partitions(index: Index, level: Level) -> dict[str, list[File]]:
    partitions: defaultdict[str, list[File]] = defaultdict(list)
    for file in index.at(level):
        partitions[file.partition].append(file)
    return partitions


def _head(files: Sequence[File], rows: int) -> list[File]:
    """The first files that together have at most `rows` rows, at least one."""
    taken: list[File] = []
    for file in files:
        rows -= file.stored.rows
        if taken and rows < 0:
            break
        taken.append(file)
    return taken
