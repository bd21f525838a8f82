"""The index of history: which files count, and how far they cover the journal.

Every change of history is: write new files, replace the index, delete the files it no longer
names. The replacement is one rename, so after a crash at any point each row counts once.
"""

from pathlib import Path
from typing import Literal

import msgspec

from tocsin.ingest.storage.files import FileLayer, write_whole

FORMAT = 2
"""Since 2 raw files say when their rows arrived; a folder of format 1 is read as it is."""

OLDEST_FORMAT = 1
NAME = "index.json"

Level = Literal["raw", "minute", "hour"]
LEVELS: tuple[Level, ...] = ("raw", "minute", "hour")


class Stored(msgspec.Struct, frozen=True):
    """A Parquet file as it was written."""

    path: str
    """Relative to the folder of history: level/partition/first-last-serial.parquet."""
    start: float
    """Event time of its oldest row; for rollups the start of its oldest bucket."""
    end: float
    """The same of its newest row."""
    rows: int
    bytes: int
    arrived: tuple[float, float] | None = None
    """Raw only: arrival times of its first and last row. None for a file of format 1, whose rows
    count as arrived at their event time."""


class File(msgspec.Struct, frozen=True):
    """A file that counts. `first` to `last` are the journal positions of its rows."""

    level: Level
    partition: str
    """UTC day (raw, minute) or month (hour) of its newest row. Older rows may be in it."""
    first: int
    last: int
    stored: Stored
    rolled: bool = True
    """Raw only: its rows are in the rollups too."""


class Index(msgspec.Struct, frozen=True):
    """The files that count. `covered`: rows of journal positions up to it are stored."""

    format: int = FORMAT
    covered: int = 0
    serial: int = 0
    """Of the newest file: names are never used twice."""
    raw_until: float = 0.0
    """Raw rows up to this event time may be gone; their rollups are there."""
    minute_until: float = 0.0
    """The same for minutes; their hours are there."""
    files: tuple[File, ...] = ()

    def at(self, level: Level) -> list[File]:
        return [file for file in self.files if file.level == level]


class HistoryCorrupt(ValueError):
    """The index cannot be read, or is of a newer format."""


def load(folder: Path) -> Index:
    """The index of `folder`, an empty one where there is none. Raises HistoryCorrupt."""
    path = folder / NAME
    try:
        index = msgspec.json.decode(path.read_bytes(), type=Index)
    except FileNotFoundError:
        return Index()
    except msgspec.MsgspecError as error:
        raise HistoryCorrupt(f"{path}: {error}; expected an index of format {FORMAT}") from error
    if not OLDEST_FORMAT <= index.format <= FORMAT:
        raise HistoryCorrupt(f"{path}: format {index.format}; expected {OLDEST_FORMAT} to {FORMAT}")
    return msgspec.structs.replace(index, format=FORMAT)


def save(files: FileLayer, folder: Path, index: Index) -> None:
    """Replaces the index: when this returns it is on disk, when it raises OSError either is."""
    write_whole(files, folder / NAME, msgspec.json.format(msgspec.json.encode(index)))
