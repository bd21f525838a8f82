"""Readings that are judged and journalled, but not yet in history."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.outcome import Readings

EMPTY = Readings.joined([])

_WHOLE = 65_536
"""Readings of a chunk that is not joined with others any more: 3 MB."""


class UnsavedReadings:
    """State: the chunks since the last checkpoint, at most `limit` readings.

    Policy: drop_oldest, counted. It is met only when history cannot be written for a long
    time; the journal, which would be the way back, has then stopped acknowledging too.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped_total = 0
        self._chunks: list[Readings] = []
        self._saving = EMPTY
        self._rows = 0
        # Chunks are joined up to a size that can be dropped at once, so that there are few of them,
        # and none is copied often.
        self._whole = min(_WHOLE, limit // 64)

    def __len__(self) -> int:
        return self._rows

    @property
    def chunks(self) -> int:
        """How many arrays a look goes through."""
        return len(self._chunks)

    def add(self, readings: Readings) -> None:
        self._append(readings)

    def take(self) -> Readings:
        """Everything, as one chunk to be saved; it is seen here until it is `saved`."""
        assert self._saving is EMPTY, "one save at a time"
        self._saving = _join(self._chunks)
        self._chunks, self._rows = [], 0
        return self._saving

    def saved(self) -> None:
        """What `take` gave is in history now."""
        self._saving = EMPTY

    def put_back(self) -> None:
        """What `take` gave could not be saved: it waits again, as the oldest."""
        newer, self._chunks, self._rows = self._chunks, [], 0
        for part in (self._saving, *newer):
            self._append(part)
        self._saving = EMPTY

    def of_series(
        self, series: int, start: float, end: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(time, value) of one series with start <= time < end, in arrival order."""
        parts = (self._saving, *self._chunks)
        found = [_of_series(part, series, start, end) for part in parts]
        return np.concatenate([t for t, _ in found]), np.concatenate([v for _, v in found])

    def all(self) -> Readings:
        """Everything that is not in history, in arrival order."""
        return Readings.joined(
            [part for part in (self._saving, *self._chunks) if part is not EMPTY]
        )

    def _append(self, chunk: Readings) -> None:
        chunks = self._chunks
        chunks.append(chunk)
        self._rows += len(chunk.series)
        while len(chunks) > 1 and self._fit(*chunks[-2:]):
            chunks[-2:] = [Readings.joined(chunks[-2:])]
        while self._rows > self.limit and len(self._chunks) > 1:
            dropped = len(self._chunks.pop(0).series)
            self._rows -= dropped
            self.dropped_total += dropped

    def _fit(self, before: Readings, last: Readings) -> bool:
        """Whether two are of about one size, and no more than a whole chunk together."""
        older, newer = len(before.series), len(last.series)
        return older < 2 * newer and older + newer <= self._whole


def _of_series(
    chunk: Readings, series: int, start: float, end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wanted = (chunk.series == series) & (chunk.time >= start) & (chunk.time < end)
    return chunk.time[wanted], chunk.value[wanted]


def _join(chunks: list[Readings]) -> Readings:
    return Readings.joined(chunks) if chunks else EMPTY
