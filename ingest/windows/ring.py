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
        self._slot_of = Growing[np.int32](np.int32, -1)
        self._slots = 0
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
        slot = self._admit(series).astype(np.intp)
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
        slots = self._slot_of.values
        slot = slots.item(series) if series < len(slots) else -1
        if slot < 0:
            slot = int(self._admit(np.array([series], np.int32))[0])
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

    def window(self, series: Ids) -> tuple[NDArray[np.intp], Mask]:
        """By series: the slots, and which of their cells are in the open window. A series of -1,
        or one that nothing was read of, has none.
        """
        known = self._slot_of.values
        slot = known[np.where(series < len(known), series, -1)].astype(np.intp)
        stamp = self._cells["stamp"].values[slot]
        oldest = self._newest.values[slot] - self.width + 1
        return slot, (stamp >= oldest[:, None]) & (stamp != NONE)

    def cells(self, name: str, slot: NDArray[np.intp]) -> Floats:
        """A column of these slots, by slot and pane."""
        return self._cells[name].values[slot]

    def _admit(self, series: Ids) -> Ids:
        self._slot_of.reach(int(series.max(initial=-1)) + 1)
        slot = self._slot_of.values.take(series)
        new = slot < 0
        if np.count_nonzero(new):
            slots = self._slots + int(new.sum())
            for column in (self._newest, *self._cells.values()):
                column.reach(slots)
            self._look()
            self._slot_of.values[series[new]] = np.arange(self._slots, slots)
            self._slots = slots
            slot = self._slot_of.values[series]
        return slot

    def state(self) -> dict[str, Any]:
        used = np.flatnonzero(self._slot_of.values >= 0)
        slot = self._slot_of.values[used]
        cells = {name: column.values[slot] for name, column in self._cells.items()}
        return {"series": used, "newest": self._newest.values[slot], "cells": cells}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec and columns."""
        used = state["series"]
        self._slots = len(used)
        self._slot_of.reach(int(used.max(initial=-1)) + 1)
        self._slot_of.values[used] = np.arange(len(used))
        self._newest.load(state["newest"])
        for name, column in self._cells.items():
            column.load(state["cells"][name])
        self._look()
