"""The panes of one window over all series of one metric.

Hot path (benchmarks/pipeline.py): both update and query cost the same however many panes there are.
That takes two parts, as in a queue made of two stacks:

    panes       p-n+1 .. f   |  f+1 ... p
    cells     from here to f |  one pane each
                 front       |     back, and its aggregate in `back`

The window is the cell of its oldest pane, which covers the rest of the front, and `back`. When the
window has left the front behind, the panes of the back become the front (`_turn_over`), which
costs n cells once in n panes; of different series at different times (`_phase`), though they may
all have begun together. Nothing is ever subtracted, so sums do not drift.

One reading at a time goes by `update_one` and `query_one`, which do without arrays: 20 times faster
for one reading, and with the same results to the last bit.
"""

from math import floor, inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.calm import Anchor
from tocsin.ingest.snapshot import Rows
from tocsin.ingest.windows.run import Runs, added_up, lengths
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]

_NONE = -(2**62)  # no pane: older than any
_SPREAD = 2_654_435_761  # 2**32 by the golden ratio: numbers in a row are far apart afterwards
_NEAR = 6  # panes from the middle of a window in which its anchor is looked for
_SHORT_RUN = 24  # readings of one series up to which it is faster to take them one by one

# Name, what joins two parts of a window, and the empty part.
_JOINS: tuple[tuple[str, np.ufunc, float], ...] = (
    ("count", np.add, 0.0),
    ("sum", np.add, 0.0),
    ("min", np.minimum, inf),
    ("max", np.maximum, -inf),
)
BASIC = frozenset({"count", "sum", "avg", "min", "max", "last"})
ENDS = frozenset({"first", "delta", "rate"})


class Panes:
    """State by slot, which is a series: `newest` pane (p), `front` (f, or _NONE), `base` (the pane
    before the back), the newest reading, and the aggregates of the back. State by cell (slot and
    pane, number p in column p mod n): `stamp`, the pane that a cell of the back is for, and the
    aggregates; with `ends` also time and value of the first reading. All float64 or int64.
    """

    def __init__(self, spec: WindowSpec, *, ends: bool) -> None:
        self.spec = spec
        self.ends = ends
        self.functions = BASIC | ENDS if ends else BASIC
        self._width = spec.panes
        self._slot_of = Growing[np.int32](np.int32, -1)
        self._slots = self._room = 0
        self._phase = Growing[np.int64](
            np.int64, 0
        )  # by slot: panes by which its first back is short
        by_slot: dict[str, Growing[Any]] = {
            "newest": Growing[np.int64](np.int64, _NONE),
            "front": Growing[np.int64](np.int64, _NONE),
            "base": Growing[np.int64](np.int64, _NONE),
            "last_time": Growing[np.float64](np.float64, -inf),
            "last": Growing[np.float64](np.float64, nan),
        }
        by_cell: dict[str, Growing[Any]] = {
            "stamp": Growing[np.int64](np.int64, _NONE, (self._width,))
        }
        parts = [(name, empty) for name, _, empty in _JOINS]
        if ends:
            parts += [("first_time", inf), ("first", nan)]
        for name, empty in parts:
            by_slot[name] = Growing[np.float64](np.float64, empty)
            by_cell[name] = Growing[np.float64](np.float64, empty, (self._width,))
        self._by_slot = by_slot
        self._by_cell = by_cell
        self._look()

    def _look(self) -> None:
        """Take hold of the arrays, which growing replaces; cells in one dimension."""
        columns = (*self._by_slot.values(), *self._by_cell.values(), self._phase)
        self._room = min(len(column.values) for column in columns)
        self._slot = {name: column.values for name, column in self._by_slot.items()}
        self._cell = {name: column.values.reshape(-1) for name, column in self._by_cell.items()}

    # -- many readings

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time.

        Of two readings of one time, the one that came later is the newer.
        """
        slot = self._admit(series).astype(np.intp)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        newest, base = self._slot["newest"], self._slot["base"]
        before = newest.take(slot)
        fits = pane > before - self._width  # else the window has moved on
        if np.count_nonzero(fits) < len(fits):
            slot, pane, time, value = slot[fits], pane[fits], time[fits], value[fits]
            before = before[fits]
        turns = pane - base.take(slot) > self._width
        if np.count_nonzero(turns):
            self._turn_over(slot[turns], pane[turns])
        newest[slot] = np.maximum(before, pane)
        newer = time >= self._slot["last_time"].take(slot)
        if np.count_nonzero(newer) == len(newer):
            self._slot["last_time"][slot] = time
            self._slot["last"][slot] = value
        else:
            self._slot["last_time"][slot[newer]] = time[newer]
            self._slot["last"][slot[newer]] = value[newer]
        early = pane <= base.take(slot)
        if np.count_nonzero(early):
            each = zip(
                slot[early].tolist(),
                pane[early].tolist(),
                time[early].tolist(),
                value[early].tolist(),
                strict=True,
            )
            for one in each:
                self._into_front(*one)
            back = ~early
            slot, pane, time, value = slot[back], pane[back], time[back], value[back]
        self._into_back(slot, pane, time, value)

    def _into_back(self, slot: Places, pane: Integers, time: Floats, value: Floats) -> None:
        place = slot * self._width + pane % self._width
        stamp = self._cell["stamp"]
        new = stamp.take(place) != pane
        some_new = np.count_nonzero(new) > 0
        stamp[place] = pane
        for name, join, _ in _JOINS:
            part = 1.0 if name == "count" else value
            cell, back = self._cell[name], self._slot[name]
            joined = join(cell.take(place), part)
            cell[place] = np.where(new, part, joined) if some_new else joined
            back[slot] = join(back.take(slot), part)
        if self.ends:
            older = new | (time <= self._cell["first_time"].take(place))
            if np.count_nonzero(older):
                self._cell["first_time"][place[older]] = time[older]
                self._cell["first"][place[older]] = value[older]
            older = time <= self._slot["first_time"].take(slot)
            if np.count_nonzero(older):
                self._slot["first_time"][slot[older]] = time[older]
                self._slot["first"][slot[older]] = value[older]

    def query(self, function: str, series: Ids) -> Floats:
        """`function` over the open window at the newest reading of each series.

        NaN where it is unknown: no reading of the series was seen here, or only one where two
        are needed. A series of -1 has none.
        """
        slot = self._slot_of.values[np.where(series < len(self._slot_of.values), series, -1)]
        if function == "last":
            return self._slot["last"][slot]
        oldest = self._slot["newest"][slot] - self._width + 1
        fronted = oldest <= self._slot["front"][slot]
        place = slot.astype(np.int64) * self._width + oldest % self._width
        count = self._joined("count", slot, place, fronted)
        if function == "count":
            return np.where(count > 0, count, nan)
        if function == "avg":
            total = self._joined("sum", slot, place, fronted)
            return np.where(count > 0, total, nan) / np.maximum(count, 1.0)
        if function in ("sum", "min", "max"):
            return np.where(count > 0, self._joined(function, slot, place, fronted), nan)
        time, value = self._slot["first_time"][slot], self._slot["first"][slot]
        earlier = fronted & (self._cell["first_time"][place] < time)
        time = np.where(earlier, self._cell["first_time"][place], time)
        value = np.where(earlier, self._cell["first"][place], value)
        if function == "first":
            return value
        change = np.where(count > 1, self._slot["last"][slot] - value, nan)
        if function == "delta":
            return change
        span = self._slot["last_time"][slot] - time
        return np.where(span > 0, change, nan) / np.where(span > 0, span, 1.0)

    def _joined(self, name: str, slot: Ids, place: Integers, fronted: NDArray[np.bool_]) -> Floats:
        join, empty = next((join, empty) for each, join, empty in _JOINS if each == name)
        return join(np.where(fronted, self._cell[name][place], empty), self._slot[name][slot])

    # -- one reading

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        slot = self._admit_one(series)
        of = self._slot
        pane = floor(time / self.spec.slide_s)
        newest = of["newest"].item(slot)
        if pane <= newest - self._width:
            return
        if newest == _NONE:
            of["base"][slot] = pane - 1 - self._phase.values.item(slot)  # as `_turn_over` has it
        elif pane - of["base"].item(slot) > self._width:
            self._turn_over(np.array([slot]), np.array([pane]))
        if pane > newest:
            of["newest"][slot] = pane
        if time >= of["last_time"].item(slot):
            of["last_time"][slot] = time
            of["last"][slot] = value
        if pane <= of["base"].item(slot):
            self._into_front(slot, pane, time, value)
            return
        cell = self._cell
        place = slot * self._width + pane % self._width
        new = cell["stamp"].item(place) != pane
        if new:
            cell["stamp"][place] = pane
            cell["count"][place] = 1.0
            cell["sum"][place] = cell["min"][place] = cell["max"][place] = value
        else:
            cell["count"][place] = cell["count"].item(place) + 1.0
            cell["sum"][place] = cell["sum"].item(place) + value
            if value < cell["min"].item(place):
                cell["min"][place] = value
            if value > cell["max"].item(place):
                cell["max"][place] = value
        of["count"][slot] = of["count"].item(slot) + 1.0
        of["sum"][slot] = of["sum"].item(slot) + value
        if value < of["min"].item(slot):
            of["min"][slot] = value
        if value > of["max"].item(slot):
            of["max"][slot] = value
        if self.ends:
            if new or time <= cell["first_time"].item(place):
                cell["first_time"][place] = time
                cell["first"][place] = value
            if time <= of["first_time"].item(slot):
                of["first_time"][slot] = time
                of["first"][slot] = value

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series, in order of arrival.

        Where each is newer than all before it, which is the rule, whole arrays at once.
        """
        slot = self._admit_one(series)
        if (
            len(time) < _SHORT_RUN
            or time.item(0) <= self._slot["last_time"].item(slot)
            or (time[1:] <= time[:-1]).any()
        ):
            for each in zip(time.tolist(), value.tolist(), strict=True):
                self.update_one(series, *each)
            return
        base = self._slot["base"]
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        whose, owner, begin = np.array([slot], np.intp), np.full(len(time), series, np.int32), 0
        while begin < len(time):
            if pane.item(begin) - base.item(slot) > self._width:
                self._turn_over(whose, pane[begin : begin + 1])
            last_pane = base.item(slot) + self._width
            end = int(np.searchsorted(pane, np.int64(last_pane), side="right"))
            some = slice(begin, end)
            self._into_back_runs(whose, pane[some], Runs.of(owner[some], time[some], value[some]))
            begin = end

    def update_runs(self, runs: Runs) -> Mask:
        """As `update_run`, for several series.

        Which runs were left, with nothing taken in: those with a reading that is no newer than all
        before it, or behind which the front begins anew.
        """
        slot = self._admit(runs.series).astype(np.intp)
        pane = np.floor(runs.time / self.spec.slide_s).astype(np.int64)
        fits = runs.time.take(runs.start) > self._slot["last_time"].take(slot)
        fits &= runs.rises
        first, base = pane.take(runs.start), self._slot["base"].take(slot)
        turns = first - base > self._width
        if np.count_nonzero(turns):
            base = np.where(turns, self._base_behind(slot, first), base)
        fits &= pane.take(runs.last) - base <= self._width
        turns &= fits
        if np.count_nonzero(turns):
            self._turn_over(slot[turns], first[turns])
        if np.count_nonzero(fits) < len(fits):
            pane, slot, runs = pane[np.repeat(fits, runs.count)], slot[fits], runs.only(fits)
        if len(slot):
            self._into_back_runs(slot, pane, runs)
        return ~fits

    def _into_back_runs(self, slot: Places, pane: Integers, runs: Runs) -> None:
        """Readings newer than all before, in panes of the back."""
        of, cell, value = self._slot, self._cell, runs.value
        new = np.concatenate(([True], pane[1:] != pane[:-1]))
        new[runs.start] = True
        part = np.flatnonzero(new)  # where the readings of a pane begin
        count = lengths(part, len(pane))
        number, first = pane.take(part), value.take(part)
        place = np.repeat(slot, runs.count).take(part) * self._width + number % self._width
        goes_on = cell["stamp"].take(place) == number
        cell["stamp"][place] = number
        cell["count"][place] = count + np.where(goes_on, cell["count"].take(place), 0.0)
        begun = np.where(goes_on, cell["sum"].take(place) + first, first)
        cell["sum"][place] = added_up(begun, value, part, count)
        low, high = np.minimum.reduceat(value, part), np.maximum.reduceat(value, part)
        cell["min"][place] = np.where(goes_on, np.minimum(cell["min"].take(place), low), low)
        cell["max"][place] = np.where(goes_on, np.maximum(cell["max"].take(place), high), high)
        begun = of["sum"].take(slot) + value.take(runs.start)
        of["sum"][slot] = added_up(begun, value, runs.start, runs.count)
        of["count"][slot] += runs.count
        of["min"][slot] = np.minimum(of["min"].take(slot), runs.min)
        of["max"][slot] = np.maximum(of["max"].take(slot), runs.max)
        of["newest"][slot] = pane.take(runs.last)
        of["last_time"][slot] = runs.time.take(runs.last)
        of["last"][slot] = value.take(runs.last)
        if self.ends:
            fresh = ~goes_on
            cell["first_time"][place[fresh]] = runs.time[part[fresh]]
            cell["first"][place[fresh]] = first[fresh]
            start = runs.start[runs.time.take(runs.start) <= of["first_time"].take(slot)]
            if len(start):
                earlier = slot[np.searchsorted(runs.start, start)]
                of["first_time"][earlier] = runs.time[start]
                of["first"][earlier] = value[start]

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        slots = self._slot_of.values
        slot = slots.item(series) if 0 <= series < len(slots) else -1
        if slot < 0:
            return nan
        of, cell = self._slot, self._cell
        if function == "last":
            return of["last"].item(slot)
        oldest = of["newest"].item(slot) - self._width + 1
        place = slot * self._width + oldest % self._width
        fronted = oldest <= of["front"].item(slot)
        if function in ("min", "max"):
            back = of[function].item(slot)
            if not fronted:
                return back
            front = cell[function].item(place)
            return min(front, back) if function == "min" else max(front, back)
        count = of["count"].item(slot) + (cell["count"].item(place) if fronted else 0.0)
        if function == "count":
            return count
        if function in ("sum", "avg"):
            total = (cell["sum"].item(place) if fronted else 0.0) + of["sum"].item(slot)
            return total if function == "sum" else total / count
        time, value = of["first_time"].item(slot), of["first"].item(slot)
        if fronted and cell["first_time"].item(place) < time:
            time, value = cell["first_time"].item(place), cell["first"].item(place)
        if function == "first":
            return value
        change = of["last"].item(slot) - value if count > 1 else nan
        if function == "delta":
            return change
        span = of["last_time"].item(slot) - time
        return change / span if span > 0 else nan

    def anchor_one(self, series: int) -> Anchor | None:
        """The first reading of about the newer half of the window, if it is not the newest too.

        Only with `ends`.
        """
        slots = self._slot_of.values
        slot = slots.item(series) if 0 <= series < len(slots) else -1
        if slot < 0:
            return None
        of = self._slot
        middle = of["newest"].item(slot) - self._width // 2
        time = of["first_time"].item(slot)
        if middle <= of["front"].item(slot):
            place = slot * self._width + middle % self._width
            time = min(time, self._cell["first_time"].item(place))
        else:
            # The oldest of the back may be about to leave the window.
            for pane in range(middle, min(middle + _NEAR, of["newest"].item(slot))):
                place = slot * self._width + pane % self._width
                if self._cell["stamp"].item(place) == pane:
                    time = self._cell["first_time"].item(place)
                    break
        age_s = of["last_time"].item(slot) - time
        if not age_s > 0:
            return None
        # A pane less than it is: what is divided here is rounded there.
        last_pane = floor(time / self.spec.slide_s) + self._width - 2
        return Anchor(age_s, last_pane * self.spec.slide_s)

    # -- the front

    def _turn_over(self, slot: Integers, pane: Integers) -> None:
        """Make the panes before `pane`, all of them single ones, the front; the back is empty."""
        stays = pane - self._slot["newest"][slot] < self._width
        self._slot["front"][slot] = np.where(stays, pane - 1, _NONE)
        self._slot["base"][slot] = self._base_behind(slot, pane)
        for name, column in self._by_slot.items():
            if name in self._cell:
                self._slot[name][slot] = column.fill
        slot, pane = slot[stays], pane[stays]
        if not len(slot) or self._width == 1:
            return
        panes = pane[:, None] - np.arange(1, self._width)  # newest first
        place = slot[:, None] * self._width + panes % self._width
        filled = self._cell["stamp"][place] == panes
        for name, join, empty in _JOINS:
            cell = self._cell[name]
            cell[place] = join.accumulate(np.where(filled, cell[place], empty), axis=1)
        if self.ends:
            column = np.where(filled, np.arange(self._width - 1), -1)
            oldest = np.maximum.accumulate(column, axis=1)
            some = oldest >= 0
            source = np.take_along_axis(place, np.maximum(oldest, 0), axis=1)
            first = {n: np.where(some, self._cell[n][source], e) for n, e in _EMPTY_FIRST}
            for name, values in first.items():
                self._cell[name][place] = values

    def _base_behind(self, slot: Integers, pane: Integers) -> Integers:
        """The pane before the back, when the panes before `pane` become the front; the back of one
        that begins is short, by other numbers of panes for other series."""
        stays = pane - self._slot["newest"][slot] < self._width
        return pane - 1 - np.where(stays, 0, self._phase.values.take(slot))

    def _into_front(self, slot: int, pane: int, time: float, value: float) -> None:
        """A reading that comes after its pane went into the front: all cells that cover it."""
        oldest: int = self._slot["newest"].item(slot) - self._width + 1
        places = self._places(slot, oldest, pane)
        if self._slot["front"].item(slot) == _NONE:
            self._open_front(slot)
        for name, join, _ in _JOINS:
            cell = self._cell[name]
            cell[places] = join(cell[places], 1.0 if name == "count" else value)
        if self.ends:
            older = places[self._cell["first_time"][places] >= time]
            self._cell["first_time"][older] = time
            self._cell["first"][older] = value

    def _open_front(self, slot: int) -> None:
        """A front with nothing in it, where the back began after a gap."""
        base = self._slot["base"].item(slot)
        oldest: int = self._slot["newest"].item(slot) - self._width + 1
        places = self._places(slot, oldest, base)
        for name, column in self._by_cell.items():
            if name != "stamp":
                self._cell[name][places] = column.fill
        self._slot["front"][slot] = base

    def _places(self, slot: int, oldest: int, newest: int) -> Integers:
        return slot * self._width + np.arange(oldest, newest + 1, dtype=np.int64) % self._width

    # -- slots and snapshots

    def _admit(self, series: Ids) -> Ids:
        self._slot_of.reach(int(series.max(initial=-1)) + 1)
        slot = self._slot_of.values.take(series)
        new = slot < 0
        if np.count_nonzero(new):
            slots = self._slots + int(new.sum())
            self._reach(slots)
            self._slot_of.values[series[new]] = np.arange(self._slots, slots)
            self._phase.values[self._slots : slots] = self._phase_of(series[new])
            self._slots = slots
            slot = self._slot_of.values[series]
        return slot

    def _admit_one(self, series: int) -> int:
        self._slot_of.reach(series + 1)
        slot = self._slot_of.values.item(series)
        if slot < 0:
            slot, self._slots = self._slots, self._slots + 1
            self._reach(self._slots)
            self._slot_of.values[series] = slot
            self._phase.values[slot] = self._phase_of(np.int64(series))
        return slot

    def _phase_of(self, series: Any) -> Any:
        """By how many panes the first back of each series is short: of one, or of an array."""
        return ((series.astype(np.int64) * _SPREAD & 0xFFFFFFFF) >> 16) % self._width

    def _reach(self, slots: int) -> None:
        if slots < self._room:
            return
        for column in (*self._by_slot.values(), *self._by_cell.values(), self._phase):
            column.reach(slots)
        self._look()

    def state(self) -> dict[str, Any]:
        used = np.flatnonzero(self._slot_of.values >= 0)
        slot = self._slot_of.values[used].astype(np.intp)
        return {
            "series": used,
            "by_slot": {name: Rows(column.values, slot) for name, column in self._by_slot.items()},
            "by_cell": {name: Rows(column.values, slot) for name, column in self._by_cell.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec and ends."""
        used = state["series"]
        self._slots = len(used)
        self._slot_of.reach(int(used.max(initial=-1)) + 1)
        self._slot_of.values[used] = np.arange(len(used))
        for name, column in self._by_slot.items():
            column.load(state["by_slot"][name])
        for name, column in self._by_cell.items():
            column.load(state["by_cell"][name])
        self._phase.reach(self._slots)
        self._phase.values[: self._slots] = self._phase_of(used)
        self._look()


_EMPTY_FIRST = (("first_time", inf), ("first", nan))
