"""Stored readings as columns, in the order in which the server judged them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Micros = NDArray[np.int64]

ROW_BITS = 20
"""Of a number to sort by: rows that arrived at one instant."""


@dataclass(frozen=True, slots=True)
class StoredReadings:
    """Readings as columns of one length, in any order until `in_order`.

    `series` int32, `time` (event) and `arrival` int64 microseconds, `value` float64, `late` bool,
    `row` int32 as in `Readings`, -1 where it is not known.
    """

    series: Ids
    time: Micros
    value: Floats
    late: NDArray[np.bool_]
    arrival: Micros
    row: Ids

    def __len__(self) -> int:
        return len(self.series)

    def only(self, some: "NDArray[np.bool_] | NDArray[np.intp] | slice") -> "StoredReadings":
        return StoredReadings(
            self.series[some],
            self.time[some],
            self.value[some],
            self.late[some],
            self.arrival[some],
            self.row[some],
        )

    def joined(self, other: "StoredReadings") -> "StoredReadings":
        return StoredReadings(
            np.concatenate([self.series, other.series]),
            np.concatenate([self.time, other.time]),
            np.concatenate([self.value, other.value]),
            np.concatenate([self.late, other.late]),
            np.concatenate([self.arrival, other.arrival]),
            np.concatenate([self.row, other.row]),
        )

    def in_order(self) -> "StoredReadings":
        """By arrival, then row; what is equal in both stays in its order."""
        if not len(self):
            return self
        after = self.arrival - self.arrival.min()
        row = self.row.astype(np.int64) + 1
        if after.max() < 1 << (62 - ROW_BITS) and row.max() < 1 << ROW_BITS:
            order = np.argsort(after << ROW_BITS | row, kind="stable")
        else:
            order = np.lexsort((row, after))
        return self.only(order)


NO_READINGS = StoredReadings(
    np.empty(0, np.int32),
    np.empty(0, np.int64),
    np.empty(0),
    np.empty(0, np.bool_),
    np.empty(0, np.int64),
    np.empty(0, np.int32),
)
