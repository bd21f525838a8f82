"""Frames as JSON. Hot path; tests/dashboard/frame_cost.py measures it."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.dashboard.stream.frames import Frame
from tocsin.ingest.catalogue import Catalogue, Kind

_encode = msgspec.json.Encoder().encode


class ReadingsEvent(msgspec.Struct, frozen=True):
    """`at` (now) and `received_at` (arrival of the oldest reading) in ms since the epoch. A row
    is `[device, metric, time in ms, value, min, max, count, mean]`; without `mean` where `count`
    is 1. A text has no min, max and mean, and of booleans the mean is the part that is true."""

    at: int
    received_at: int
    readings: list[tuple[object, ...]]


class Rows:
    """Writes the rows of frames. Owns the name of every series as JSON, made once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        # By series: Raw of `"device","metric"`, two elements of a row in one.
        self._names: NDArray[np.object_] = np.empty(0, np.object_)

    def event(self, frame: Frame, now: float) -> ReadingsEvent:
        catalogue = self._catalogue
        self._learn_names()
        times = np.rint(frame.time * 1000).astype(np.int64).tolist()
        columns = (frame.value.tolist(), frame.low.tolist(), frame.high.tolist())
        counts = frame.count.tolist()
        names = self._names[frame.series].tolist()
        rows = list(zip(names, times, *columns, counts, strict=True))
        for place in np.flatnonzero(catalogue.kind.values[frame.series] != Kind.NUMBER).tolist():
            series = int(frame.series[place])
            name, time, value, low, high, count = rows[place]
            decode = catalogue.decoded
            if catalogue.kind.values[series] == Kind.BOOLEAN:
                low, high = decode(series, low), decode(series, high)
            else:
                low = high = None
            rows[place] = (name, time, decode(series, value), low, high, count)
        texts = catalogue.kind.values[frame.series] == Kind.TEXT
        several = np.flatnonzero((frame.count > 1) & ~texts)
        for place, mean in zip(several.tolist(), frame.mean[several].tolist(), strict=True):
            rows[place] = (*rows[place], mean)
        return ReadingsEvent(round(now * 1000), round(frame.received_at * 1000), rows)

    def _learn_names(self) -> None:
        known, now = len(self._names), self._catalogue.series_count
        if known < now:
            new = np.empty(now - known, np.object_)
            for place, series in enumerate(range(known, now)):
                new[place] = msgspec.Raw(_encode(self._catalogue.name_of(series))[1:-1])
            self._names = np.append(self._names, new)
