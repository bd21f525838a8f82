"""Percentiles of windows, from histograms of bins that are 1 % wide, by pane.

Bins are powers of 1.01, as in DDSketch (Masson, Rim and Lee, 2019), on either side of zero;
magnitudes below 1e-12 are one bin. A bin of a pane knows how many readings it has and the largest
of them, and a percentile is the largest of the bin that holds its rank: a reading that was there,
never below the exact one (the smallest reading with at least p % of all at or below it) and less
than 1 % of it above. Where no other reading is within 1 %, it is exact.

A series has at most 32,768 bins in a window. If it needs more, because thousands of readings in
each pane are spread over orders of magnitude, pairs of bins become one: the error is 2 %, then
4 %, and falls again when they are fewer.

Hot path (benchmarks/pipeline.py): readings are appended, each a bin of its own, and bins of panes
that have left, or that are equal, go when there is no room.
"""

from math import floor, log
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.windows.shelves import LENGTHS, LONGEST, Shelves
from tocsin.ingest.windows.slots import Slots
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]
Number = TypeVar("Number", float, Floats)

ERROR = 0.01
SMALLEST = 1e-12
_LOG_WIDTH = log(1 + ERROR)
_LOWEST_BIN = floor(log(SMALLEST) / _LOG_WIDTH)
_MOST = LONGEST * 3 // 4  # bins
_AT_ONCE = 512  # rows that are copied at the same time
_SHORT_RUN = 16  # readings of one series up to which it is faster to take them one by one
_NONE = -(2**62)  # no pane: older than any
_WRAP = 2**32 - 1
_MIDDLE = 2**17  # more than the number of any bin
_COLUMNS: dict[str, type[np.generic]] = {
    "pane": np.uint32,
    "count": np.uint32,
    "top": np.float64,
}
PERCENTS = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}


class Quantiles:
    """State by slot, which is a series: `newest` pane, `coarse` (how often bins were joined in
    pairs), and a row of bins: `pane` mod 2^32, `count`, and `top`, its largest reading.
    """

    kind: ClassVar[str] = "quantiles"
    functions = frozenset(PERCENTS)

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self._width = spec.panes
        self._slots = Slots(self._reach)
        self._newest = Growing[np.int64](np.int64, _NONE)
        self._coarse = Growing[np.int8](np.int8, 0)
        self._bins = Shelves(_COLUMNS)

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        slot = self._slots.admit(series)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        newest = self._newest.values
        before = newest.take(slot)
        fits = pane > before - self._width  # else the window has moved on
        if np.count_nonzero(fits) < len(fits):
            slot, pane, value, before = slot[fits], pane[fits], value[fits], before[fits]
        jumps = pane >= before + self._width
        if np.count_nonzero(jumps):
            self._begin_anew(slot[jumps])
        newest[slot] = np.maximum(before, pane)
        full = self._bins.full(slot)
        if len(full):
            self._make_room(full)
        wrapped = (pane & _WRAP).astype(np.uint32)
        one = np.ones(len(slot), np.uint32)
        self._bins.append(slot, {"pane": wrapped, "count": one, "top": value + 0.0})  # no -0.0

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        slot = self._slots.admit_one(series)
        pane = floor(time / self.spec.slide_s)
        newest = self._newest.values.item(slot)
        if pane <= newest - self._width:
            return
        if pane > newest:
            if pane >= newest + self._width:
                self._begin_anew(np.array([slot]))
            self._newest.values[slot] = pane
        entry = {"pane": pane & _WRAP, "count": 1, "top": value + 0.0}
        if not self._bins.append_one(slot, entry):
            self._make_room(np.array([slot]))
            self._bins.append_one(slot, entry)

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series, in order of arrival."""
        if len(time) < _SHORT_RUN:
            for each in zip(time.tolist(), value.tolist(), strict=True):
                self.update_one(series, *each)
            return
        slot = self._slots.admit_one(series)
        pane = np.floor(time / self.spec.slide_s).astype(np.int64)
        newest = np.maximum.accumulate(np.concatenate((self._newest.values[[slot]], pane)))
        last = newest.item(-1)
        if last >= newest.item(0) + self._width:
            self._begin_anew(np.array([slot]))
        self._newest.values[slot] = last
        inside = pane > last - self._width
        value, wrapped = value[inside], (pane[inside] & _WRAP).astype(np.uint32)
        begin = 0
        while begin < len(value):
            have = self._bins.entries(slot)
            end = min(len(value), begin + LONGEST // 4)
            joined = {
                "pane": np.concatenate((have["pane"], wrapped[begin:end])),
                "count": np.concatenate((have["count"], np.ones(end - begin, np.uint32))),
                "top": np.concatenate((have["top"], value[begin:end] + 0.0)),
            }
            self._replace(slot, joined)
            begin = end

    def query(self, function: str, series: Ids) -> Floats:
        """A percentile over the open window of each series, NaN where unknown. Also `max`, and
        `min`: the smallest of what a percentile may be.
        """
        slot = self._slots.find(series)
        answers = np.full(len(slot), np.nan)
        for arrays, here, row in self._bins.by_shelf(slot):
            used = self._bins.used.values[slot[here]]
            most = int(used.max(initial=0))
            if not most:
                continue
            live = np.arange(most) < used[:, None]
            live &= self._live(slot[here], arrays["pane"][row, :most])
            top = arrays["top"][row, :most]
            if function == "max":
                found = np.where(live, top, -np.inf).max(axis=1)
            elif function == "min":
                found = np.where(live, top, np.inf).min(axis=1)
            else:
                top = np.where(live, top, np.inf)
                order = np.argsort(top, axis=1)
                count = np.where(live, arrays["count"][row, :most], 0).astype(np.int64)
                so_far = np.cumsum(np.take_along_axis(count, order, axis=1), axis=1)
                rank = (so_far[:, -1] * PERCENTS[function] + 99) // 100
                place = np.argmax(so_far >= rank[:, None], axis=1)
                bin_of = np.take_along_axis(order, place[:, None], axis=1)
                found = np.take_along_axis(top, bin_of, axis=1)[:, 0]
                found = _largest_of_bin(top, found, self._coarse.values[slot[here]])
            answers[here] = np.where(live.any(axis=1), found, np.nan)
        return answers

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        slot = self._slots.find_one(series)
        if slot < 0:
            return np.nan
        bins = self._bins.entries(slot)
        newest = np.uint32(self._newest.values.item(slot) & _WRAP)
        live = newest - bins["pane"] < self._width
        top = bins["top"][live]
        if not len(top):
            return np.nan
        if function in ("min", "max"):
            return (top.min() if function == "min" else top.max()).item()
        order = top.argsort()
        top = top[order]
        so_far = np.cumsum(bins["count"][live][order], dtype=np.int64)
        rank = (so_far.item(-1) * PERCENTS[function] + 99) // 100
        place = np.count_nonzero(so_far < rank)
        found: float = top.item(place)
        coarse = self._coarse.values.item(slot)
        end = top.searchsorted(_near(found, coarse), "right")
        number = _bin_of(top[place:end], coarse)
        return top.item(place + np.count_nonzero(number == number[0]) - 1)

    # -- bins

    def _live(self, slot: Places, pane: NDArray[np.uint32]) -> Mask:
        """Which panes are in the window."""
        newest = (self._newest.values[slot] & _WRAP).astype(np.uint32)
        return newest[:, None] - pane < self._width

    def _begin_anew(self, slots: Places) -> None:
        """Nothing is in these windows any more. No pane is taken for one that is 2^32 later."""
        self._bins.used.values[slots] = 0
        self._coarse.values[slots] = 0
        nothing = {name: np.empty(0, dtype) for name, dtype in _COLUMNS.items()}
        high = slots[self._bins.shelf.values[slots] > 0]
        self._bins.replace_many(high, np.zeros(len(high), np.int64), nothing)

    def _make_room(self, slots: Places) -> None:
        """Let bins go that have left the window; where that is not enough, or more than enough,
        join equal ones and change the shelf.
        """
        if len(slots) > _AT_ONCE:
            for begin in range(0, len(slots), _AT_ONCE):
                self._make_room(slots[begin : begin + _AT_ONCE])
            return
        crowded: list[Places] = []
        for arrays, here, row in self._bins.by_shelf(slots):
            live = self._live(slots[here], arrays["pane"][row])
            left = live.sum(axis=1)
            length = live.shape[1]
            some = left <= length * 3 // 4
            if length > LENGTHS[0]:
                some &= left >= length // 8
            some &= self._coarse.values[slots[here]] == 0
            order = np.argsort(~live[some], axis=1, kind="stable")
            for column in arrays.values():
                column[row[some]] = np.take_along_axis(column[row[some]], order, axis=1)
            self._bins.used.values[slots[here[some]]] = left[some]
            crowded.append(slots[here[~some]])
        if crowded:
            self._join(np.concatenate(crowded))

    def _join(self, slots: Places) -> None:
        """Join what is equal; where a series has so much that even that is not enough, bins become
        wider, one series after the other."""
        coarse = self._coarse.values[slots]
        easy = slots[coarse == 0]
        bins, owner = self._joined_of(easy)
        counts = np.bincount(owner, minlength=len(easy))
        fits = counts <= _MOST
        kept = fits[owner]
        self._bins.replace_many(
            easy[fits], counts[fits], {name: column[kept] for name, column in bins.items()}
        )
        for slot in (*slots[coarse > 0].tolist(), *easy[~fits].tolist()):
            self._replace(slot, self._bins.entries(slot))

    def _joined_of(self, slots: Places) -> tuple[dict[str, NDArray[Any]], Places]:
        """The bins of slots, at most _AT_ONCE, that are in the window, and whose they are: a place
        in `slots`, ascending."""
        owners: list[Places] = []
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
        for arrays, here, row in self._bins.by_shelf(slots):
            used = self._bins.used.values[slots[here]]
            most = int(used.max(initial=0))
            live = np.arange(most) < used[:, None]
            live &= self._live(slots[here], arrays["pane"][row, :most])
            owners.append(here[np.nonzero(live)[0]])
            for name, part in parts.items():
                part.append(arrays[name][row, :most][live])
        if not owners:
            return {name: np.empty(0, dtype) for name, dtype in _COLUMNS.items()}, slots
        owner = np.concatenate(owners)
        bins = {name: np.concatenate(part) for name, part in parts.items()}
        return _joined(bins, self._coarse.values[slots[owner]], owner)

    def _replace(self, slot: int, bins: dict[str, NDArray[Any]]) -> None:
        """Keep these bins: those in the window, equal ones joined."""
        live = self._live(np.array([slot]), bins["pane"][None, :])[0]
        coarse = self._coarse.values.item(slot)
        if coarse and np.count_nonzero(live) < _MOST // 4:
            coarse -= 1
        joined, _ = _joined({name: column[live] for name, column in bins.items()}, coarse)
        while len(joined["top"]) > _MOST:
            coarse += 1
            joined, _ = _joined(joined, coarse)
        self._coarse.values[slot] = coarse
        self._bins.replace(slot, joined)

    # -- slots and snapshots

    def _reach(self, slots: int) -> None:
        self._newest.reach(slots)
        self._coarse.reach(slots)
        self._bins.reach(slots)

    @property
    def nbytes(self) -> int:
        """What the bins take."""
        return self._bins.nbytes

    def state(self) -> dict[str, Any]:
        """Bins that are equal are joined, so that it does not matter when that was done."""
        used, slots = self._slots.used()
        counts = [np.empty(0, np.int64)]
        parts = {name: [np.empty(0, dtype)] for name, dtype in _COLUMNS.items()}
        for begin in range(0, len(slots), _AT_ONCE):
            some = slots[begin : begin + _AT_ONCE]
            bins, owner = self._joined_of(some)
            counts.append(np.bincount(owner, minlength=len(some)))
            for name, part in parts.items():
                part.append(bins[name])
        return {
            "series": used,
            "newest": self._newest.values[slots],
            "coarse": self._coarse.values[slots],
            "bins": np.concatenate(counts),
        } | {name: np.concatenate(part) for name, part in parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec."""
        self._slots.load(state["series"])
        self._newest.load(state["newest"])
        self._coarse.load(state["coarse"])
        bins = {name: state[name] for name in _COLUMNS}
        self._bins.replace_many(np.arange(len(state["bins"])), state["bins"], bins)


def _bin_of(value: Floats, coarse: int | NDArray[np.int8]) -> Integers:
    """By value, ascending with it: the number of its bin."""
    size = np.maximum(np.abs(value), SMALLEST)
    number = np.floor(np.log(size) / _LOG_WIDTH).astype(np.int64) - _LOWEST_BIN
    return np.where(value < 0, -1, 1) * np.where(
        np.abs(value) < SMALLEST, 0, 1 + (number >> coarse)
    )


def _near(found: Number, coarse: NDArray[np.int8] | int) -> Number:
    """No less than the largest of the same bin."""
    width = (1 + ERROR) ** np.exp2(coarse) - 1
    with np.errstate(over="ignore"):
        near: Any = found + 2 * (np.abs(found) * width + SMALLEST)
    return near


def _largest_of_bin(top: Floats, found: Floats, coarse: NDArray[np.int8]) -> Floats:
    """By row, the largest in the bin of what was found: the same whether bins are joined yet or
    not, so that a snapshot changes no answer."""
    near = _near(found, coarse)
    close = (top >= found[:, None]) & (top <= near[:, None]) & np.isfinite(top)
    row, place = np.nonzero(close)
    largest = found.copy()
    shift = coarse[row]
    alike = _bin_of(top[row, place], shift) == _bin_of(found[row], shift)
    np.maximum.at(largest, row[alike], top[row[alike], place[alike]])
    return largest


def _joined(
    bins: dict[str, NDArray[Any]], coarse: int | NDArray[np.int8], owner: Places | int = 0
) -> tuple[dict[str, NDArray[Any]], Places]:
    """Bins of the same owner (below _AT_ONCE), pane and number as one, in this order, and their
    owners. `coarse` and `owner` are by bin, or of all."""
    number = _bin_of(bins["top"], coarse) + _MIDDLE
    key = (np.asarray(owner, np.int64) << 50) | (bins["pane"].astype(np.int64) << 18) | number
    order = np.argsort(key)
    key = key[order]
    start = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))[: len(key)])
    if not len(start):
        return bins, start
    joined = {
        "pane": bins["pane"][order][start],
        "count": np.add.reduceat(bins["count"][order], start),
        "top": np.maximum.reduceat(bins["top"][order], start),
    }
    return joined, key[start] >> 50
