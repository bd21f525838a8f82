"""A batch of messages as columns, at each stage on its way: read, judged, or put off."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages as columns. Rows: `device` int32, `ts` float64 seconds, NaN where none was stated.
    `place` intp: which row it is of those of its arrival.
    Readings: `row` intp (ascending), `series` int32, `value` float64.
    """

    device: Ids
    ts: Floats
    place: NDArray[np.intp]
    row: NDArray[np.intp]
    series: Ids
    value: Floats

    @classmethod
    def joined(cls, batches: "Sequence[Batch]") -> "Batch":
        """These one after the other, as they had arrived together."""
        counts = [len(each.device) for each in batches]
        before = np.cumsum([0, *counts])
        rows = [each.row + first for each, first in zip(batches, before, strict=False)]
        return cls(
            np.concatenate([each.device for each in batches]),
            np.concatenate([each.ts for each in batches]),
            np.arange(sum(counts)),
            np.concatenate(rows),
            np.concatenate([each.series for each in batches]),
            np.concatenate([each.value for each in batches]),
        )

    def only(self, rows: NDArray[np.bool_]) -> "Batch":
        """Some of the rows, and their readings."""
        kept = rows[self.row]
        place = np.cumsum(rows) - 1
        return Batch(
            self.device[rows],
            self.ts[rows],
            self.place[rows],
            place[self.row[kept]],
            self.series[kept],
            self.value[kept],
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch with times settled and repetitions gone.

    Times are event times, or the arrival where that is earlier.
    Rows: `device`, `row_time`, and `nth`: how many rows of the device were before it.
    Readings: `row` intp ascending, `series`, `value`, `time` float64, `late`, and `current`: at
    least as new as everything of its series before it.
    """

    device: Ids
    row_time: Floats
    nth: NDArray[np.intp]
    row: NDArray[np.intp]
    series: Ids
    value: Floats
    time: Floats
    late: NDArray[np.bool_]
    current: NDArray[np.bool_]

    def without(self, readings: NDArray[np.bool_]) -> "Judged":
        """The same rows without some readings."""
        kept = ~readings
        return replace(
            self,
            row=self.row[kept],
            series=self.series[kept],
            value=self.value[kept],
            time=self.time[kept],
            late=self.late[kept],
            current=self.current[kept],
        )

    def only(self, rows: NDArray[np.intp], readings: NDArray[np.intp]) -> "Judged":
        """These rows, and these readings, which are of them; `row` goes on to count all rows."""
        return Judged(
            self.device[rows],
            self.row_time[rows],
            self.nth[rows],
            self.row[readings],
            self.series[readings],
            self.value[readings],
            self.time[readings],
            self.late[readings],
            self.current[readings],
        )


@dataclass(frozen=True, slots=True)
class CalmRows:
    """Rows that turn nothing, as columns, in order of arrival: `device`, event `time`, whether it
    was `stated`, `arrival`, `place` as in Batch. Readings: `row`, `series`, `value`. `again`:
    whether a device may come twice.
    """

    device: Ids
    time: Floats
    stated: NDArray[np.bool_]
    arrival: Floats
    place: NDArray[np.intp]
    row: NDArray[np.intp]
    series: Ids
    value: Floats
    again: bool

    @property
    def time_stated(self) -> Floats:
        """By row, NaN where none was."""
        return np.where(self.stated, self.time, np.nan)

    @property
    def judged_time(self) -> Floats:
        """By row, as in Judged."""
        return np.minimum(self.time, self.arrival)
