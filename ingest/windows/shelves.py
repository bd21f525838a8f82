"""Rows of very different length, one by slot, without an object for each.

Rows of about the same length lie together on a shelf, which is an array for each column. A row that
is full moves to a shelf of longer ones, so a series with many readings costs what it needs and the
others nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing

Places = NDArray[np.intp]
Columns = Mapping[str, NDArray[Any]]

LENGTHS = (
    16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096, 8192, 16384, 32768,
)  # fmt: skip
LONGEST = LENGTHS[-1]


class Shelves:
    """State by slot: `shelf`, `row` on it, and `used`, how many of its entries are."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self._columns = dict(columns)  # name → dtype
        self.shelf = Growing[np.int8](np.int8, 0)
        self.row = Growing[np.int32](np.int32, 0)
        self.used = Growing[np.int32](np.int32, 0)
        self._arrays: list[dict[str, NDArray[Any]] | None] = [None] * len(LENGTHS)
        self._rows = [0] * len(LENGTHS)
        self._free: list[list[int]] = [[] for _ in LENGTHS]
        self._slots = 0

    def reach(self, slots: int) -> None:
        """Have rows, the shortest, for slots up to this number of them."""
        new = slots - self._slots
        if new <= 0:
            return
        for column in (self.shelf, self.row, self.used):
            column.reach(slots)
        first = self._rows[0]
        self._reach_rows(0, first + new)
        self.row.values[self._slots : slots] = np.arange(first, first + new)
        self._slots = slots

    def _shelf(self, number: int) -> dict[str, NDArray[Any]]:
        """Its arrays, of a row at least, so that what a slot of -1 reads is there."""
        arrays = self._arrays[number]
        if arrays is None:
            arrays = self._arrays[number] = {
                name: np.zeros((1, LENGTHS[number]), dtype) for name, dtype in self._columns.items()
            }
        return arrays

    def _reach_rows(self, number: int, rows: int) -> None:
        self._rows[number] = rows
        arrays = self._shelf(number)
        for name, column in arrays.items():
            if rows > len(column):
                room = max(rows, len(column) + len(column) // 4)
                arrays[name] = np.zeros((room, LENGTHS[number]), column.dtype)
                arrays[name][: len(column)] = column

    def length(self, slot: Places) -> NDArray[np.int64]:
        """How many entries the rows of slots have room for."""
        return _LENGTHS[self.shelf.values[slot]]

    def full(self, slot: Places) -> Places:
        """Those of the slots whose row has no room for another entry."""
        return slot[self.used.values[slot] >= self.length(slot)]

    def by_shelf(self, slot: Places) -> Iterator[tuple[dict[str, NDArray[Any]], Places, Places]]:
        """For each shelf that slots are on: its arrays, which of `slot` are, and their rows."""
        shelf = self.shelf.values[slot]
        for number in np.unique(shelf).tolist():
            here = np.flatnonzero(shelf == number)
            yield self._shelf(number), here, self.row.values[slot[here]].astype(np.intp)

    def append(self, slot: Places, entry: Columns) -> None:
        """One more entry for each slot, each another, with room for it."""
        for arrays, here, row in self.by_shelf(slot):
            used = self.used.values[slot[here]]
            for name, values in entry.items():
                arrays[name][row, used] = values[here]
        self.used.values[slot] += 1

    def append_one(self, slot: int, entry: Mapping[str, float]) -> bool:
        """As `append`, for one slot: whether there was room."""
        used, shelf = self.used.values.item(slot), self.shelf.values.item(slot)
        if used >= LENGTHS[shelf]:
            return False
        row = self.row.values.item(slot)
        for name, column in self._shelf(shelf).items():
            column[row, used] = entry[name]
        self.used.values[slot] = used + 1
        return True

    def entries(self, slot: int) -> dict[str, NDArray[Any]]:
        """Those of one slot. Views: what is written there is changed."""
        row, used = self.row.values.item(slot), self.used.values.item(slot)
        arrays = self._shelf(self.shelf.values.item(slot))
        return {name: column[row, :used] for name, column in arrays.items()}

    def replace(self, slot: int, entries: Columns) -> None:
        """Put these, at most LONGEST, in place of those of a slot, on the shelf that leaves a
        quarter of the row free, if there is one.
        """
        count = len(next(iter(entries.values())))
        self.replace_many(np.array([slot]), np.array([count]), entries)

    def replace_many(self, slots: Places, counts: NDArray[np.int64], entries: Columns) -> None:
        """As `replace`, for many slots: `entries` has first the `counts[0]` of the first one."""
        number = np.minimum(np.searchsorted(_ROOMY, counts), len(LENGTHS) - 1)
        moves = np.flatnonzero(number != self.shelf.values[slots])
        for slot, to in zip(slots[moves].tolist(), number[moves].tolist(), strict=True):
            self._leave(self.shelf.values.item(slot), self.row.values.item(slot))
            self.shelf.values[slot] = to
            self.row.values[slot] = self._take_row(to)
        self.used.values[slots] = counts
        of = np.repeat(np.arange(len(slots)), counts)
        place = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, shelf = self.row.values[slots[of]], number[of]
        for each in np.unique(number).tolist():
            here = slice(None) if len(slots) == 1 else shelf == each
            for name, column in self._shelf(each).items():
                column[row[here], place[here]] = entries[name][here]

    def _leave(self, number: int, row: int) -> None:
        """Free a row; a shelf without any other is given up."""
        free = self._free[number]
        free.append(row)
        if len(free) == self._rows[number]:
            free.clear()
            self._rows[number] = 0
            self._arrays[number] = None

    def _take_row(self, number: int) -> int:
        if self._free[number]:
            return self._free[number].pop()
        row = self._rows[number]
        self._reach_rows(number, row + 1)
        return row

    @property
    def nbytes(self) -> int:
        """What the shelves take."""
        shelves = [arrays for arrays in self._arrays if arrays]
        return sum(each.nbytes for arrays in shelves for each in arrays.values())


_LENGTHS = np.array(LENGTHS, np.int64)
_ROOMY = _LENGTHS * 3 // 4
