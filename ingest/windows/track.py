"""What a row of readings in order of time says: how it grew, how long it was what it was.

A reading holds until the next one. Whole rows at once; sums are added up from left to right, since
numpy's own group by how many rows there are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.windows.spec import WindowSpec

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Track:
    """By row: `time` and `value` in order of time, of equal times the last arrival last; `used` of
    them count, at least one; `since` is where the window of that size begins; `inside` are those of
    its panes.
    """

    time: Floats
    value: Floats
    used: NDArray[np.intp]
    since: Floats
    inside: Mask

    @classmethod
    def of(
        cls, spec: WindowSpec, newest: Floats, filled: Mask, time: Floats, value: Floats
    ) -> "Track":
        """Rows in order of arrival, those `filled` of them, whose newest reading is at `newest`."""
        time = np.where(filled, time, np.inf)
        order = np.argsort(time, axis=1, kind="stable")
        time = np.take_along_axis(time, order, axis=1)
        first = np.floor(newest / spec.slide_s) - spec.panes + 1
        inside = (np.floor(time / spec.slide_s) >= first[:, None]) & (time < np.inf)
        return cls(
            time,
            np.take_along_axis(value, order, axis=1),
            filled.sum(axis=1),
            newest - spec.size_s,
            inside,
        )

    def answer(self, function: str, counts: Mask) -> Floats:
        """`delta`, `rate` and `twa`, `min` and `max`. NaN where unknown. `counts`: which rows are
        counters.
        """
        if function in ("min", "max"):
            return self._extreme(function)
        if function == "twa":
            return self._mean()
        number = self.inside.sum(axis=1)
        value = self._settled()
        first, last = self.used - number, self.used - 1
        rows = np.arange(len(last))
        plain = value[rows, last] - value[rows, first]
        before, after = value[:, :-1], value[:, 1:]
        # What a counter shows after it fell has been counted since it began anew at 0.
        growth = np.where(after >= before, after - before, after)
        within = self.inside[:, :-1] & self.inside[:, 1:]
        change = np.where(counts, _added_up(np.where(within, growth, 0.0)), plain)
        change = np.where(number > 1, change, np.nan)
        if function == "delta":
            return change
        span = self.time[rows, last] - self.time[rows, first]
        return np.where(span > 0, change, np.nan) / np.where(span > 0, span, 1.0)

    def time_in(self, state: float) -> Floats:
        """For how many seconds of the window it was `state`."""
        return _added_up(np.where(self.value[:, :-1] == state, self._lasted(), 0.0))

    def _mean(self) -> Floats:
        lasted = self._lasted()
        total = _added_up(np.where(lasted > 0, self.value[:, :-1] * lasted, 0.0))
        rows, last = np.arange(len(self.used)), self.used - 1
        span = self.time[rows, last] - np.maximum(self.time[:, 0], self.since)
        return np.where(span > 0, total, self.value[rows, last]) / np.where(span > 0, span, 1.0)

    def _lasted(self) -> Floats:
        """For how many seconds of the window each reading held, but for the newest."""
        at = np.maximum(self.time, self.since[:, None])
        lasted = at[:, 1:] - at[:, :-1]
        return np.where(self.time[:, 1:] < np.inf, lasted, 0.0)

    def _settled(self) -> Floats:
        """The values, where several are of one time all that of the last."""
        length: int = self.time.shape[1]
        last = np.ones(self.time.shape, np.bool_)
        last[:, :-1] = self.time[:, 1:] != self.time[:, :-1]
        place: NDArray[np.intp] = np.where(last, np.arange(length), length)
        place = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
        return np.take_along_axis(self.value, place, axis=1)

    def _extreme(self, function: str) -> Floats:
        """Of all that is in the window or held when it began."""
        until = np.full(self.time.shape, np.inf)
        until[:, :-1] = self.time[:, 1:]
        seen: Mask = (self.time < np.inf) & ((until > self.since[:, None]) | self.inside)
        if function == "min":
            return np.where(seen, self.value, np.inf).min(axis=1)
        return np.where(seen, self.value, -np.inf).max(axis=1)


def _added_up(steps: Floats) -> Floats:
    """By row, from left to right."""
    before = np.zeros((len(steps), 1))
    return np.add.accumulate(np.concatenate((before, steps), axis=1), axis=1)[:, -1]
