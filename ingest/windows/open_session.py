"""The session of the newest reading of a series: readings that are less than a gap apart.

    gap 30 s     o  o o    o           o o  o
                └─────────┘           └────────  the one that rules read
                            ≥ gap              newest reading

A reading that is late may begin a session earlier, extend it, or join two. So the sessions before
the newest one are kept, as what they add up to, as long as a reading within the allowed lateness
may still reach them; of one series at most MOST.

One reading at a time and many give the same to the last bit.
"""

from collections.abc import Callable
from math import inf
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.durations import SESSION
from tocsin.ingest.rules.functions import OF_SESSIONS
from tocsin.ingest.windows.slots import Slots
from tocsin.ingest.windows.trace import Counts

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Lateness: TypeAlias = Callable[[int], float]
"""How many seconds older than the newest reading of its device one of a series may be."""

MOST = 64
"""Sessions before the newest that are kept of a series."""

_COLUMNS = ("start", "last", "number", "sum", "low", "high", "first", "newest")


class Session(NamedTuple):
    """Readings without a gap: times of the oldest and the newest, what they add up to, and the
    values of these two."""

    start: float
    last: float
    number: float
    sum: float
    low: float
    high: float
    first: float
    newest: float

    def joined(self, after: "Session") -> "Session":
        """With another one; of two readings of one time those of `after` came later."""
        return Session(
            min(self.start, after.start),
            max(self.last, after.last),
            self.number + after.number,
            self.sum + after.sum,
            min(self.low, after.low),
            max(self.high, after.high),
            self.first if self.start <= after.start else after.first,
            after.newest if after.last >= self.last else self.newest,
        )


class OpenSession:
    """State by slot, which is a series: the newest session, a column for each of its fields; and
    of few slots the sessions before it, in order of time.
    """

    kind: ClassVar[str] = "session"
    functions = frozenset(SESSION + name for name in OF_SESSIONS)

    def __init__(self, gap_s: float, counts: Counts, lateness: Lateness) -> None:
        self._gap_s = gap_s
        self._gap_us = round(gap_s * 1e6)
        self._counts = counts
        self._lateness = lateness
        self._slots = Slots(self._reach)
        self._columns = {
            name: Growing[np.float64](np.float64, -inf if name == "last" else 0.0)
            for name in _COLUMNS
        }
        self._before: dict[int, list[Session]] = {}

    # -- readings

    def update(self, series: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, each of another series, in any order of time."""
        slot = self._slots.admit(series)
        of = {name: column.values for name, column in self._columns.items()}
        last = of["last"].take(slot)
        # Whole microseconds, as event times are: 30.1 - 0.1 is 30.
        within = (time >= of["start"].take(slot)) & (np.rint((time - last) * 1e6) < self._gap_us)
        here, now, new = slot[within], time[within], value[within]
        of["number"][here] += 1.0
        of["sum"][here] += new
        of["low"][here] = np.minimum(of["low"].take(here), new)
        of["high"][here] = np.maximum(of["high"].take(here), new)
        ahead = now >= last[within]
        of["last"][here[ahead]] = now[ahead]
        of["newest"][here[ahead]] = new[ahead]
        for index in np.flatnonzero(~within).tolist():
            self._place(series.item(index), slot.item(index), time.item(index), value.item(index))

    def update_one(self, series: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        slot = self._slots.admit_one(series)
        of = self._columns
        last = of["last"].values.item(slot)
        if time < of["start"].values.item(slot) or not self._near(last, time):
            self._place(series, slot, time, value)
            return
        of["number"].values[slot] += 1.0
        of["sum"].values[slot] += value
        of["low"].values[slot] = min(of["low"].values.item(slot), value)
        of["high"].values[slot] = max(of["high"].values.item(slot), value)
        if time >= last:
            of["last"].values[slot] = time
            of["newest"].values[slot] = value

    def update_run(self, series: int, time: Floats, value: Floats) -> None:
        """As `update_one`, for readings of one series: each sum depends on the one before."""
        for each in zip(time.tolist(), value.tolist(), strict=True):
            self.update_one(series, *each)

    def _near(self, one: float, later: float) -> bool:
        return one > -inf and round((later - one) * 1e6) < self._gap_us

    def _place(self, series: int, slot: int, time: float, value: float) -> None:
        """A reading that is not within the newest session: the first of one, or a late one."""
        every = self._before.pop(slot, [])
        if self._columns["last"].values.item(slot) > -inf:
            every.append(self._read(slot))
        reading = Session(time, time, 1.0, value, value, value, value, value)
        apart: list[Session] = []
        for each in every:
            if self._near(each.last, time) and self._near(time, each.start):
                reading = (
                    reading.joined(each) if reading.last < each.start else each.joined(reading)
                )
            else:
                apart.append(each)
        apart.append(reading)
        apart.sort()
        newest = apart.pop()
        for name, field in zip(_COLUMNS, newest, strict=True):
            self._columns[name].values[slot] = field
        reached = newest.last - self._lateness(series) - self._gap_s
        kept = [each for each in apart[-MOST:] if each.last >= reached]
        if kept:
            self._before[slot] = kept

    def _read(self, slot: int) -> Session:
        return Session(*(self._columns[name].values.item(slot) for name in _COLUMNS))

    # -- answers

    @np.errstate(all="ignore")  # what overflows is infinite or unknown
    def query(self, function: str, series: Ids) -> Floats:
        """A function over the newest session of each series, NaN where unknown: `delta` and `rate`
        with one reading, and of counters, whose growth does not follow from sums.
        """
        slot = self._slots.find(series)
        some = np.flatnonzero(slot >= 0)
        answers = np.full(len(slot), np.nan)
        of = {name: column.values.take(slot[some]) for name, column in self._columns.items()}
        match function.removeprefix(SESSION):
            case "sum" | "first" as name:
                answers[some] = of[name]
            case "count":
                answers[some] = of["number"]
            case "last":
                answers[some] = of["newest"]
            case "min":
                answers[some] = of["low"]
            case "max":
                answers[some] = of["high"]
            case "avg":
                answers[some] = of["sum"] / of["number"]
            case "duration":
                answers[some] = of["last"] - of["start"]
            case name:
                known = (of["number"] > 1) & ~self._counts(series[some])
                change = of["newest"] - of["first"]
                lasted = of["last"] - of["start"]
                if name == "rate":
                    known &= lasted > 0
                    change = change / lasted
                answers[some] = np.where(known, change, np.nan)
        return answers

    def query_one(self, function: str, series: int) -> float:
        """As `query`, for one series."""
        return self.query(function, np.array([series], np.int32)).item()

    # -- slots and snapshots

    def _reach(self, slots: int) -> None:
        for column in self._columns.values():
            column.reach(slots)

    def state(self) -> dict[str, Any]:
        used, slots = self._slots.used()
        before = [self._before.get(slot, []) for slot in slots.tolist()]
        rows = [each for sessions in before for each in sessions]
        return {
            "series": used,
            "open": {name: column.values[slots] for name, column in self._columns.items()},
            "sessions": np.array(list(map(len, before)), np.int64),
            "before": np.array(rows, np.float64).reshape(-1, len(_COLUMNS)).ravel(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from: the same gap."""
        self._slots.load(state["series"])
        for name, column in self._columns.items():
            column.load(state["open"][name])
        rows = iter(state["before"].reshape(-1, len(_COLUMNS)).tolist())
        for slot, number in enumerate(state["sessions"].tolist()):
            if number:
                self._before[slot] = [Session(*next(rows)) for _ in range(number)]
