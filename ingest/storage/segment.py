"""A segment: one file of the journal, and the bytes it is made of.

    header   magic 8s · format u32 · first position u64 · newest time before f64 · CRC u32
    record   length u32 · CRC u32 · position u64 · at f64 · committed u32 · body[length]

Little-endian. The CRC (CRC-32 as in zlib) covers what follows it. Positions count up by one.
`committed` is how many bytes of the segment were on disk when the record was written: it tells
a torn write (bytes behind the last commit are bad) from rot (bytes before it are bad).
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tocsin.ingest.storage.files import FileLayer, write_whole

MAGIC = b"TOCSINJ\n"
FORMAT = 1
SUFFIX = ".journal"

_HEADER = struct.Struct("<8sIQd")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<II")
_RECORD = struct.Struct("<QdI")

HEADER_BYTES = _HEADER.size + _CRC.size
FRAME_BYTES = _FRAME.size + _RECORD.size
BODY_LIMIT_BYTES = 1 << 30


class JournalCorrupt(ValueError):
    """Bytes of the journal that were on disk are bad, missing, or of a newer format."""


@dataclass(slots=True)
class Segment:
    """A segment file and how far it is committed. `last` is `first` - 1 while it is empty."""

    path: Path
    first: int
    length: int
    last: int
    last_at: float | None


class Frame(NamedTuple):
    """A record as stored. `offset` and `end` delimit it in its file."""

    position: int
    at: float
    body: bytes
    offset: int
    end: int


class BadFrame(Exception):
    """The bytes at `offset` are no record, or not the one of `position`."""

    def __init__(self, offset: int, position: int):
        super().__init__(f"no whole record of position {position} at offset {offset}")
        self.offset = offset
        self.position = position


def segment_path(folder: Path, first: int) -> Path:
    """The file whose first record has position `first`; names sort as positions do."""
    return folder / f"{first:020d}{SUFFIX}"


def frame(position: int, at: float, committed: int, body: bytes) -> bytes:
    """The bytes of one record."""
    record = _RECORD.pack(position, at, committed)
    return _FRAME.pack(len(body), zlib.crc32(body, zlib.crc32(record))) + record + body


def create_segment(files: FileLayer, folder: Path, first: int, last_at: float | None) -> Segment:
    """A new segment, on disk together with its name. `last_at` is the newest time before it."""
    header = _HEADER.pack(MAGIC, FORMAT, first, math.nan if last_at is None else last_at)
    path = segment_path(folder, first)
    write_whole(files, path, header + _CRC.pack(zlib.crc32(header)))
    return Segment(path, first, HEADER_BYTES, first - 1, last_at)


def read_header(path: Path) -> Segment:
    """The segment of `path`, as if empty. Raises JournalCorrupt."""
    with path.open("rb") as file:
        data = file.read(HEADER_BYTES)
    # A segment gets its name when its header is on disk: a bad one is never a torn write.
    if data[: len(MAGIC)] != MAGIC or len(data) < HEADER_BYTES:
        raise JournalCorrupt(f"{path} offset 0: {data[: len(MAGIC)]!r}; expected {MAGIC!r}")
    _, version, first, last_at = _HEADER.unpack_from(data)
    if version != FORMAT:
        raise JournalCorrupt(f"{path} offset 8: format {version}; expected {FORMAT}")
    if _CRC.unpack_from(data, _HEADER.size)[0] != zlib.crc32(data[: _HEADER.size]):
        raise JournalCorrupt(f"{path} offset 0: the header's checksum is wrong")
    if path != segment_path(path.parent, first):
        raise JournalCorrupt(f"{path} offset 12: first position {first}; expected its name's")
    return Segment(path, first, HEADER_BYTES, first - 1, None if math.isnan(last_at) else last_at)


def read_frames(path: Path, first: int, length: int | None = None) -> Iterator[Frame]:
    """The records of a segment in order, up to byte `length` (default: the whole file).

    Raises BadFrame where bytes are left that are not the next record.
    """
    length = path.stat().st_size if length is None else length
    offset, position = HEADER_BYTES, first
    with path.open("rb", buffering=1 << 20) as file:
        file.seek(offset)
        while offset < length:
            if length - offset < FRAME_BYTES:
                raise BadFrame(offset, position)
            size, checksum = _FRAME.unpack(file.read(_FRAME.size))
            end = offset + FRAME_BYTES + size
            if end > length:
                raise BadFrame(offset, position)
            record = file.read(_RECORD.size)
            body = file.read(size)
            if zlib.crc32(body, zlib.crc32(record)) != checksum:
                raise BadFrame(offset, position)
            found, at, _ = _RECORD.unpack(record)
            if found != position:
                raise BadFrame(offset, position)
            yield Frame(position, at, body, offset, end)
            offset, position = end, position + 1


def recover(path: Path) -> Segment:
    """The newest segment up to its last whole record; what lies behind is a torn write.

    Raises JournalCorrupt when a record behind the bad bytes proves that those had been
    committed: cutting there would lose what was acknowledged.
    """
    segment = read_header(path)
    try:
        for found in read_frames(path, segment.first):
            segment.length, segment.last, segment.last_at = found.end, found.position, found.at
    except BadFrame as bad:
        if (proof := _committed_behind(path, bad)) is not None:
            raise JournalCorrupt(
                f"{path} offset {bad.offset}: {bad}, yet the record at offset {proof} was written"
                " after it had been committed; expected a sound disk: restore the file from a"
                " copy, or cut it there and lose what follows"
            ) from bad
    return segment


def _committed_behind(path: Path, bad: BadFrame) -> int | None:
    """The offset of a whole record that says the bytes at `bad.offset` had been on disk."""
    with path.open("rb") as file:
        file.seek(bad.offset)
        tail = file.read()
    newest = bad.position + len(tail) // FRAME_BYTES
    for shift in range(min(8, len(tail))):
        words = np.frombuffer(tail, "<u8", (len(tail) - shift) // 8, shift)
        for word in np.flatnonzero((words > bad.position) & (words <= newest)):
            start = int(word) * 8 + shift - _FRAME.size
            if start < 0 or len(tail) - start < FRAME_BYTES:
                continue
            size, checksum = _FRAME.unpack_from(tail, start)
            end = start + FRAME_BYTES + size
            _, _, committed = _RECORD.unpack_from(tail, start + _FRAME.size)
            if (
                committed > bad.offset
                and end <= len(tail)
                and zlib.crc32(memoryview(tail)[start + _FRAME.size : end]) == checksum
            ):
                return bad.offset + start
    return None
