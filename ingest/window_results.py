"""What tumbling windows of a metric came to: asked of history and of what is on its way there."""

import math

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.frames import Column
from tocsin.ingest.outcome import Readings
from tocsin.ingest.storage.history.history import History
from tocsin.ingest.storage.history.requests import TumblingQuery
from tocsin.ingest.windows.results import Results
from tocsin.ingest.workers import Workers

MOST_WINDOWS = 1_000
MIN_SIZE_S, MAX_SIZE_S = 1.0, 86_400.0


class WindowResults:
    """Owns nothing; `read` takes history's files and `unsaved` in one turn of the loop."""

    def __init__(self, catalogue: Catalogue, history: History, workers: Workers) -> None:
        self._catalogue = catalogue
        self._history = history
        self._workers = workers

    async def read(
        self,
        device: str,
        metric: str,
        size_s: float,
        start: float,
        end: float,
        unsaved: Readings,
    ) -> Results:
        """The closed windows that begin in [start, end), but for those whose readings are not kept
        any more.

        Raises KeyError for an unknown series, ValueError for one of texts, a size or a range that
        cannot be, and for too many readings; WorkerError.
        """
        number = self._catalogue.device_id(device)
        series = None if number is None else self._catalogue.series_id(number, metric)
        if number is None or series is None:
            raise KeyError(f"{device}/{metric}")
        if self._catalogue.is_text(series):
            raise ValueError(f"metric {metric!r} is a text; expected a number or a boolean")
        if not MIN_SIZE_S <= size_s <= MAX_SIZE_S:
            raise ValueError(f"size {size_s:g} s; expected {MIN_SIZE_S:g} s to {MAX_SIZE_S:g} s")
        first = math.ceil(max(start, 0.0) / size_s - 1e-9)
        first = max(first, math.ceil(self._history.raw_until / size_s))
        count = max(math.ceil(end / size_s - 1e-9) - first, 0)
        if count > MOST_WINDOWS:
            raise ValueError(f"the range has {count} windows; expected at most {MOST_WINDOWS}")
        size_us = round(size_s * 1e6)
        start_us = first * size_us
        columns = _waiting(unsaved, self._catalogue, number, series, start_us)
        with self._history.raw_since(start_us / 1e6) as files:
            readings, found = await self._workers.call(
                "history.windows",
                TumblingQuery(
                    folder=files.folder,
                    raw=files.paths,
                    without_arrival=files.without_arrival,
                    device=device,
                    metric=metric,
                    start_us=start_us,
                    size_us=size_us,
                    count=count,
                ),
                int,
                columns=columns,
            )
        if not found:
            raise ValueError(f"the range has {readings} readings or more; expected a shorter one")
        numbers = [np.frombuffer(each, np.float64) for each in found[2:7]]
        start_of, count_of, revision, changed = (
            np.frombuffer(found[place], np.int64) for place in (0, 1, 7, 8)
        )
        low, high, total, oldest, newest = numbers
        return Results(start_of, count_of, low, high, total, oldest, newest, revision, changed)


def _waiting(
    unsaved: Readings, catalogue: Catalogue, device: int, series: int, start_us: int
) -> list[Column]:
    """Of readings that are in no file: those of the series, then the times of all of the device."""
    judged_us = _microseconds(np.minimum(unsaved.time, unsaved.arrival))
    arrival_us = _microseconds(unsaved.arrival)
    mine = catalogue.device.values[unsaved.series] == device
    mine &= ~unsaved.late & (judged_us >= start_us)
    own = mine & (unsaved.series == series)
    return [
        judged_us[own],
        np.ascontiguousarray(unsaved.value[own]),
        arrival_us[own],
        unsaved.row[own].astype(np.int64),
        judged_us[mine],
        arrival_us[mine],
    ]


def _microseconds(time: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(time * 1e6).astype(np.int64)
