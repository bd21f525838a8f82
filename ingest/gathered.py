"""A batch in the making."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.outcome import Presence


class Gathered:
    """One shape for each row, all values in one list.

    `origin` is the message a row of the fast lane came from, -1 for the long way, whose rows have
    been checked. `times` are what rows of the long way stated.
    """

    __slots__ = ("now", "origin", "presence", "shapes", "slow", "times", "values")

    def __init__(self, now: float) -> None:
        self.now = now
        self.shapes: list[int] = []
        self.slow = False  # some row came the long way
        self.origin: list[int] = []
        self.values: list[float] = []
        self.times: list[tuple[int, float]] = []
        self.presence: list[Presence] = []

    def one_by_one(self, lengths: NDArray[np.int64]) -> Iterator["Gathered"]:
        """Each row as a batch of its own. `lengths`: how many values a row of a shape has."""
        times = dict(self.times)
        begin = 0
        for index, shape in enumerate(self.shapes):
            end = begin + lengths.item(shape)
            row = Gathered(self.now)
            row.shapes, row.origin = [shape], [self.origin[index]]
            row.slow, row.values = self.slow, self.values[begin:end]
            if index in times:
                row.times = [(0, times[index])]
            begin = end
            yield row

    def take_back(self, rows: int, values: int) -> None:
        """Forget what came behind that many rows and values."""
        del self.shapes[rows:], self.origin[rows:], self.values[values:]
        self.times = [each for each in self.times if each[0] < rows]
