"""Cells by series and pane, which are joined when a window is asked about.

For aggregates that are read seldom: a cell is written by its own readings only, in any order, and
a query joins the cells of all panes of the window. `panes.Panes` keeps them joined instead.
"""

from collections.abc import Mapping
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.snapshot import Rows
from tocsin.ingest.windows.slots import Slots
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

NONE = -(2**62)  # no pane: older than any


class Ring:
    """State by slot, which is a series: `newest` pane. By cell (slot and pane, number p in column
    p mod n): `stamp`, the pane it is for, and float64 columns by name.
    """

    def __init__(self, spec: WindowSpec, columns: Mapping[str, float]) -> None:
        self.spec = spec
        self.width = spec.panes
        self._slots = Slots(self._reach)
        self._newest = Growing[np.int64](np.int64, NONE)
        self._cells: dict[str, Growing[Any]] = {
            "stamp": Growing[np.int64](np.int64, NONE, (self.width,))
        } | {
            name: Growing[Any](np.float64, empty, (self.width,)) for name, empty in columns.items()
        }
        self._look()

    def _look(self) -> None:
        """Take hold of the arrays, which growing replaces; cells in one dimension."""
        self.cell = {name: column.values.reshape(-1) for name, column in self._cells.items()}

    def write(self, series: Ids, time: Floats) -> tuple[NDArray[np.intp], Integers, Mask]:
        """Room for readings, each of another series: which of them are in the window, their cells,
        and whether these were empty. The caller writes the cells it is given.
        """
        slot = self._slots.admit(series)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        newest = self._newest.values
        before = newest.take(slot)
        kept = np.flatnonzero(pane > before - self.width)
        slot, pane = slot[kept], pane[kept]
        newest[slot] = np.maximum(before[kept], pane)
        place = slot * self.width + pane % self.width
        new = self.cell["stamp"].take(place) != pane
        self.cell["stamp"][place] = pane
        return kept, place, new

    def write_one(self, series: int, time: float) -> tuple[int, bool] | None:
        """As `write`: the cell and whether it was empty, None if the window has moved on."""
        slot = self._slots.admit_one(series)
        pane = floor(time / self.spec.slide_s)
        newest = self._newest.values.item(slot)
        if pane <= newest - self.width:
            return None
        if pane > newest:
            self._newest.values[slot] = pane
        place = slot * self.width + pane % self.width
        new = self.cell["stamp"].item(place) != pane
        self.cell["stamp"][place] = pane
        return place, new

    def advance(self, series: Ids, time: Floats) -> None:
        """Move the windows of series, each another, to the panes of these times."""
        slot = self._slots.admit(series)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        self._newest.values[slot] = np.maximum(self._newest.values.take(slot), pane)

    def window(self, series: Ids) -> tuple[NDArray[np.intp], Mask]:
        """By series: the slots, and which of their cells are in the open window. A series of -1,
        or one that nothing was read of, has none.
        """
        slot = self._slots.find(series)
        stamp = self._cells["stamp"].values[slot]
        oldest = self._newest.values[slot] - self.width + 1
        return slot, (stamp >= oldest[:, None]) & (stamp != NONE)

    def cells(self, name: str, slot: NDArray[np.intp]) -> Floats:
        """A column of these slots, by slot and pane."""
        return self._cells[name].values[slot]

    def _reach(self, slots: int) -> None:
        for column in (self._newest, *self._cells.values()):
            column.reach(slots)
        self._look()

    def state(self) -> dict[str, Any]:
        used, slot = self._slots.used()
        cells = {name: Rows(column.values, slot) for name, column in self._cells.items()}
        return {"series": used, "newest": self._newest.values[slot], "cells": cells}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec and columns."""
        self._slots.load(state["series"])
        self._newest.load(state["newest"])
        for name, column in self._cells.items():
            column.load(state["cells"][name])
        self._look()
