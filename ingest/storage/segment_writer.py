"""Writes records into segments: commit, cut back, rotate, trim. Knows no thread and no queue."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tocsin.ingest.storage.files import FileLayer, write_all
from tocsin.ingest.storage.segment import (
    FRAME_BYTES,
    HEADER_BYTES,
    SUFFIX,
    JournalCorrupt,
    Segment,
    create_segment,
    frame,
    read_header,
    recover,
)


class SegmentWriter:
    """Owns the journal's folder: its segments, oldest first, and the newest one's descriptor."""

    def __init__(self, folder: Path, segment_bytes: int, files: FileLayer):
        """Opens the folder and cuts a torn tail. Raises JournalCorrupt, OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._files = files
        for unfinished in folder.glob(f"*{SUFFIX}.new"):
            files.unlink(unfinished)
        self.segments = _segments(folder)
        self.cut_bytes = 0
        if self.segments:
            newest = self.segments[-1]
            self.cut_bytes = newest.path.stat().st_size - newest.length
        else:
            self.segments.append(create_segment(files, folder, 1, None))
        self._fd = files.open(self.segments[-1].path)
        # True while bytes behind the newest segment's length may be on disk.
        self._torn = self.cut_bytes > 0
        # True from the start of a rotation to its end, over failures: its file may be there.
        self._rotating = False
        self._cut_back()
        self.bytes_on_disk = sum(segment.length for segment in self.segments)

    @property
    def last_position(self) -> int:
        """The newest committed position; 0 in a new journal."""
        return self.segments[-1].last

    @property
    def last_at(self) -> float | None:
        return self.segments[-1].last_at

    def commit(self, entries: Sequence[tuple[float, bytes]]) -> int:
        """Writes `entries` (at, body) with the next positions; returns the last of them.

        When it returns, all are on disk. When it raises OSError none counts: the next call
        cuts away what was written of them before it does anything else.
        """
        # After a failed fdatasync the kernel may call the same pages clean: bytes are written
        # anew, never synced again.
        self._cut_back()
        size = sum(FRAME_BYTES + len(body) for _, body in entries)
        segment = self.segments[-1]
        full = segment.length > HEADER_BYTES and segment.length + size > self._segment_bytes
        if full or self._rotating:
            segment = self._rotate()
        data = b"".join(
            frame(position, at, segment.length, body)
            for position, (at, body) in enumerate(entries, segment.last + 1)
        )
        self._torn = True
        write_all(self._files, self._fd, data, segment.length)
        self._files.fdatasync(self._fd)
        self._torn = False
        segment.length += size
        segment.last += len(entries)
        segment.last_at = entries[-1][0]
        self.bytes_on_disk += size
        return segment.last

    def trim(self, through: int) -> None:
        """Deletes whole segments up to position `through`, never the newest."""
        while len(self.segments) > 1 and self.segments[0].last <= through:
            self._files.unlink(self.segments[0].path)
            self.bytes_on_disk -= self.segments.pop(0).length

    def close(self) -> None:
        self._files.close(self._fd)

    def _cut_back(self) -> None:
        if self._torn:
            self._files.truncate(self._fd, self.segments[-1].length)
            # Else the cut bytes could come back behind records of the next segment.
            self._files.fdatasync(self._fd)
            self._torn = False

    def _rotate(self) -> Segment:
        self._rotating = True
        newest = self.segments[-1]
        segment = create_segment(self._files, self._folder, newest.last + 1, newest.last_at)
        fd = self._files.open(segment.path)
        self._files.close(self._fd)
        self._fd = fd
        self._rotating = False
        self.segments.append(segment)
        self.bytes_on_disk += segment.length
        return segment


def _segments(folder: Path) -> list[Segment]:
    """The segments of `folder`, oldest first; only the newest one's records are read."""
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    segments = [read_header(path) for path in paths[:-1]]
    if paths:
        segments.append(recover(paths[-1]))
    for segment, following in pairwise(segments):
        segment.length = segment.path.stat().st_size
        segment.last = following.first - 1
        if segment.last < segment.first:
            raise JournalCorrupt(f"{segment.path} is empty; expected records before the next file")
    return segments
