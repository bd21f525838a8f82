"""The readings of a window themselves, for what depends on their order.

How much a counter grew, or how long a value lasted, cannot be put together from panes when readings
come late. So these windows keep time and value of each reading, and of what is older the newest,
which says what held when the window began. At most 24,576 of a series; of more the oldest go, and
the window is shorter than it was asked for.

Readings are appended in whatever order they come, and sorted when somebody asks: order of arrival
changes nothing but which of two readings of one time is the newer. One reading at a time and many
give the same to the last bit.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.windows.shelves import LENGTHS, LONGEST, Shelves
from tocsin.ingest.windows.slots import Slots
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.track import Track

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]
Counts: TypeAlias = Callable[[Ids], Mask]
"""Which series are counters."""

GROWTH = frozenset({"delta", "rate"})
"""What is another thing for a counter than for anything else."""

LASTING = frozenset({"twa", "time_in"})
"""What depends on how long a reading held."""

MOST = LONGEST * 3 // 4
_CELLS_AT_ONCE = 500_000  # readings that are looked at together: 4 MB a column
_COLUMNS = ("time", "value")


class Trace:
    """State by slot, which is a series: `newest` event time, and a row of `time` and `value`, of
    equal times in order of arrival.
    """

    kind: ClassVar[str] = "trace"
    functions = GROWTH | LASTING

    def __init__(self, spec: WindowSpec, counts: Counts) -> None:
        self.spec = spec
        self._counts = counts
        self._slots = Slots(self._reach)
        self._newest = Growing[np.float64](np.float64, -np.inf)
        self._rows = Shelves(dict.fromkeys(_COLUMNS, np.float64))

    # -- readings

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        slot = self._slots.admit(series)
        newest = self._newest.values
        newest[slot] = np.maximum(newest.take(slot), time)
        full = self._rows.full(slot)
        if len(full):
            self._make_room(full)
        self._rows.append(slot, {"time": time, "value": value})

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        slot = self._slots.admit_one(series)
        if time > self._newest.values.item(slot):
            self._newest.values[slot] = time
        entry = {"time": time, "value": value}
        if not self._rows.append_one(slot, entry):
            self._make_room(np.array([slot]))
            self._rows.append_one(slot, entry)

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series, in order of arrival."""
        slot = self._slots.admit_one(series)
        step = LONGEST - MOST
        for begin in range(0, len(time), step):
            some = slice(begin, begin + step)
            self._newest.values[slot] = max(self._newest.values.item(slot), time[some].max().item())
            have = self._rows.entries(slot)
            new = {"time": time[some], "value": value[some]}
            both = {name: np.concatenate((have[name], new[name])) for name in _COLUMNS}
            self._rows.replace(slot, self._kept(slot, both))

    # -- answers

    @np.errstate(all="ignore")  # what overflows is infinite or unknown
    def query(self, function: str, series: Ids) -> Floats:
        """A function over the open window of each series, NaN where unknown; also min and max."""
        slot = self._slots.find(series)
        answers = np.full(len(slot), np.nan)
        counts = self._counts(series)
        for here, track in self._tracks(slot):
            answers[here] = track.answer(function, counts[here])
        return answers

    @np.errstate(all="ignore")
    def time_in(self, state: float, series: Ids) -> Floats:
        """For how many seconds of the open window each series was `state`."""
        slot = self._slots.find(series)
        answers = np.full(len(slot), np.nan)
        for here, track in self._tracks(slot):
            answers[here] = track.time_in(state)
        return answers

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        return self.query(function, np.array([series], np.int32)).item()

    def _tracks(self, slot: Places) -> Iterator[tuple[Places, Track]]:
        """The readings of slots, by their places in `slot`; of those without any nothing."""
        some = np.flatnonzero(slot >= 0)
        for arrays, here, row in self._rows.by_shelf(slot[some]):
            used = self._rows.used.values[slot[some[here]]]
            most = int(used.max(initial=1))
            step = max(1, _CELLS_AT_ONCE // most)
            for begin in range(0, len(here), step):
                part = slice(begin, begin + step)
                newest = self._newest.values[slot[some[here[part]]]]
                filled = np.arange(most) < used[part, None]
                time, value = (arrays[name][row[part], :most] for name in _COLUMNS)
                yield some[here[part]], Track.of(self.spec, newest, filled, time, value)

    # -- rows

    def _needed(self, slot: Places, time: Floats) -> Mask:
        """Which entries of rows may still be asked about: those of the window, to a pane more than
        its size, and the newest of those before.
        """
        begin = self._newest.values[slot] - self.spec.size_s - self.spec.slide_s
        inside = time > begin[:, None]
        before = np.where(inside, -np.inf, time)
        last = before.shape[1] - 1 - before[:, ::-1].argmax(axis=1)
        inside[np.arange(len(slot)), last] = True
        return inside

    def _make_room(self, slots: Places) -> None:
        """Let readings go that nobody needs, of rows that are full; where these are too few, or
        nearly all, change the shelf.
        """
        others: list[int] = []
        for arrays, here, row in self._rows.by_shelf(slots):
            length = arrays["time"].shape[1]
            step = max(1, _CELLS_AT_ONCE // length)
            for begin in range(0, len(here), step):
                part = slice(begin, begin + step)
                slot, rows = slots[here[part]], row[part]
                needed = self._needed(slot, arrays["time"][rows])
                left = needed.sum(axis=1)
                some = left <= length * 3 // 4
                if length > LENGTHS[0]:
                    some &= left >= length // 8
                order = np.argsort(~needed[some], axis=1, kind="stable")
                for column in arrays.values():
                    column[rows[some]] = np.take_along_axis(column[rows[some]], order, axis=1)
                self._rows.used.values[slot[some]] = left[some]
                others += slot[~some].tolist()
        for each in others:
            self._rows.replace(each, self._kept(each, self._rows.entries(each)))

    def _kept(self, slot: int, rows: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The readings that are needed, in order of time, the newest of too many."""
        time = rows["time"]
        if not len(time):
            return rows
        needed = np.flatnonzero(self._needed(np.array([slot]), time[None, :])[0])
        order = needed[np.argsort(time[needed], kind="stable")][-MOST:]
        return {name: column[order] for name, column in rows.items()}

    # -- slots and snapshots

    def _reach(self, slots: int) -> None:
        self._newest.reach(slots)
        self._rows.reach(slots)

    @property
    def nbytes(self) -> int:
        """What the readings take."""
        return self._rows.nbytes

    def state(self) -> dict[str, Any]:
        used, slots = self._slots.used()
        rows = [self._kept(slot, self._rows.entries(slot)) for slot in slots.tolist()]
        return {
            "series": used,
            "newest": self._newest.values[slots],
            "readings": np.array([len(row["time"]) for row in rows], np.int64),
            **{
                name: np.concatenate([np.empty(0), *(row[name] for row in rows)])
                for name in _COLUMNS
            },
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same spec."""
        self._slots.load(state["series"])
        self._newest.load(state["newest"])
        end = np.cumsum(state["readings"])
        begin = end - state["readings"]
        for slot, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
            self._rows.replace(slot, {name: state[name][first:last] for name in _COLUMNS})
