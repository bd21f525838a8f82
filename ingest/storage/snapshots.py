"""Snapshots of the pipeline: what a restart begins with instead of the whole journal."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.ingest.storage.files import DISK, FileLayer, write_whole

_MAGIC = b"TOCSINS\n"
_HEADER = struct.Struct("<8sQdQI")  # magic, position, at, length, CRC-32 of the content
_SUFFIX = ".snapshot"
KEPT = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after the journal's records through `position`, taken at engine time `at`."""

    position: int
    at: float
    content: bytes


class Snapshots:
    """Owns the snapshot files: the newest, and one before it in case that cannot be read.

    Files beside state.db rather than rows in it: they are up to 100 MB, and SQLite would write
    each byte twice and keep a log of that size.
    """

    def __init__(self, folder: Path, files: FileLayer = DISK):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = files
        self.skipped: list[str] = []
        """What `whole` passed over, and why."""

    def save(self, position: int, at: float, content: Sequence[bytes | memoryview]) -> int:
        """Keeps a snapshot, given in parts, and drops the oldest of three; on disk when it returns.

        Returns the position through which the journal may be trimmed: that of the oldest
        snapshot kept, so that a restart from it still finds what follows. 0 with only one.
        """
        checksum = 0
        for part in content:
            checksum = zlib.crc32(part, checksum)
        header = _HEADER.pack(_MAGIC, position, at, sum(map(len, content)), checksum)
        path = self._folder / f"{position:020d}{_SUFFIX}"
        write_whole(self._files, path, header, *content)
        paths = self._paths()
        for old in paths[KEPT:]:
            self._files.unlink(old)
        kept = paths[:KEPT]
        return int(kept[-1].stem) if len(kept) == KEPT else 0

    def whole(self) -> Iterator[Snapshot]:
        """The snapshots that are as they were written, the newest first."""
        self.skipped.clear()
        for path in self._paths():
            data = path.read_bytes()
            if len(data) < _HEADER.size or data[: len(_MAGIC)] != _MAGIC:
                self.skipped.append(f"{path}: no header; expected {_MAGIC!r}")
                continue
            _, position, at, length, checksum = _HEADER.unpack_from(data)
            content = data[_HEADER.size :]
            if len(content) != length or zlib.crc32(content) != checksum:
                self.skipped.append(
                    f"{path}: {len(content)} bytes with a wrong checksum; expected {length} bytes"
                )
                continue
            yield Snapshot(position, at, content)

    def _paths(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob(f"*{_SUFFIX}"), reverse=True)
