"""Readings that are judged and journalled, but not yet in history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.outcome import Readings


@dataclass(frozen=True, slots=True)
class Chunk:
    """Readings as columns of one length, in arrival order; `series` are catalogue positions."""

    series: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.series)


EMPTY = Chunk(np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0, np.bool_))


class UnsavedReadings:
    """State: the chunks since the last checkpoint, at most `limit` readings.

    Policy: drop_oldest, counted. It is met only when history cannot be written for a long
    time; the journal, which would be the way back, has then stopped acknowledging too.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped_total = 0
        self._chunks: list[Chunk] = []
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    def add(self, readings: Readings) -> None:
        self._append(Chunk(readings.series, readings.time, readings.value, readings.late))

    def take(self) -> Chunk:
        """Everything, as one chunk; nothing is left."""
        chunk = _join(self._chunks)
        self._chunks, self._rows = [], 0
        return chunk

    def put_back(self, chunk: Chunk) -> None:
        """Return what `take` gave: it could not be saved."""
        newer, self._chunks, self._rows = self._chunks, [], 0
        for part in (chunk, *newer):
            self._append(part)

    def of_series(
        self, series: int, start: float, end: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(time, value) of one series with start <= time < end, in arrival order."""
        chunk = _join(self._chunks)
        if chunk is not EMPTY:
            self._chunks = [chunk]  # the next look finds it joined
        wanted = (chunk.series == series) & (chunk.time >= start) & (chunk.time < end)
        return chunk.time[wanted], chunk.value[wanted]

    def _append(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._rows += len(chunk)
        while self._rows > self.limit and len(self._chunks) > 1:
            dropped = len(self._chunks.pop(0))
            self._rows -= dropped
            self.dropped_total += dropped


def _join(chunks: list[Chunk]) -> Chunk:
    if not chunks:
        return EMPTY
    if len(chunks) == 1:
        return chunks[0]
    return Chunk(
        np.concatenate([c.series for c in chunks]),
        np.concatenate([c.time for c in chunks]),
        np.concatenate([c.value for c in chunks]),
        np.concatenate([c.late for c in chunks]),
    )
