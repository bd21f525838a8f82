"""The last readings of each series, to tell repeated ones from new ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.order import occurrence
from tocsin.ingest.snapshot import Rows

Ids = NDArray[np.int32]
Places = NDArray[np.intp]
Floats = NDArray[np.float64]
Array = NDArray[Any]

DEPTHS = (16, 64, 256, 1024)
"""Readings that are remembered of a series: the fewest of these that reach back far enough."""

_BYTES = 16  # of one reading: time and value


class _Rings:
    """Rings of one depth. State: `time` and `value` [slot × depth], NaN where nothing was yet, and
    `next`, how many readings a slot has had: the place of the next one, modulo the depth.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.next = np.zeros(0, np.int64)
        self.time = np.empty((0, depth))
        self.value = np.empty((0, depth))
        self._free: list[int] = []
        self._slots = 0

    @property
    def used(self) -> int:
        """How many slots something is in."""
        return self._slots - len(self._free)

    @property
    def bytes(self) -> int:
        return self.used * self.depth * _BYTES

    def reserve(self, slots: int) -> None:
        """Have room for `slots` in all. Room that nothing was in yet takes no memory."""
        have = len(self.next)
        if slots <= have:
            return
        room, used = max(slots, have + have // 4, 64), self._slots

        def grown(column: Array) -> Array:
            larger = np.empty((room, *column.shape[1:]), column.dtype)
            larger[:used] = column[:used]
            return larger

        self.next, self.time, self.value = map(grown, (self.next, self.time, self.value))

    def take(self, count: int) -> Places:
        """Slots that nothing is in."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = range(self._slots, self._slots + count - len(reused))
        self.reserve(fresh.stop)
        self._slots = fresh.stop
        slots = np.array([*reused, *fresh], np.intp)
        self.next[slots] = 0
        self.time[slots] = np.nan
        self.value[slots] = np.nan
        return slots

    def give_back(self, slots: Places) -> None:
        self._free += slots.tolist()

    def unrolled(self, slots: Places) -> tuple[Floats, Floats]:
        """Times and values of slots, in order of arrival."""
        order = (self.next[slots][:, None] + np.arange(self.depth)) % self.depth
        rows = slots[:, None]
        return self.time[rows, order], self.value[rows, order]

    def put(self, slots: Places, time: Floats, value: Floats) -> None:
        """Fill empty slots, the oldest first; NaN are places not used."""
        width = time.shape[1]
        self.time[slots, :width] = time
        self.value[slots, :width] = value
        self.next[slots] = width

    def state(self, slots: Places) -> list[Any]:
        return [self.next[slots], Rows(self.time, slots), Rows(self.value, slots)]

    def load(self, slots: Places, state: list[Any]) -> None:
        self.next[slots], self.time[slots], self.value[slots] = state


class RecentReadings:
    """State: (event time, value) of the last readings of each series that states its own times.

    By series and not by arrival, because what is sent twice is sent twice by a device that was
    away, however long: after an hour without network it repeats its last messages. How many are
    remembered follows from how many fall within the allowed lateness, up to the largest of DEPTHS:
    repetitions are told exactly up to 17 readings a second of a series within a minute. Beyond
    that, or when `limit_bytes` are in use, the oldest are forgotten first.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._depth_of = Growing[np.int8](np.int8, -1)  # place in DEPTHS
        self._slot_of = Growing[np.int32](np.int32, -1)
        self._rings = [_Rings(depth) for depth in DEPTHS]

    @property
    def bytes(self) -> int:
        """Memory in use for readings."""
        return sum(rings.bytes for rings in self._rings)

    def known(self, series: Ids, time: Floats, value: Floats) -> NDArray[np.bool_]:
        """Whether each reading is among the last of its series."""
        series = np.where(series < len(self._slot_of.values), series, -1)
        found = np.zeros(len(series), np.bool_)
        for rings, here in self._by_depth(series):
            slot = self._slot_of.values[series[here]]
            same = (rings.time[slot] == time[here][:, None]) & (
                rings.value[slot] == value[here][:, None]
            )
            found[here] = same.any(axis=1)
        return found

    def add(
        self, series: Ids, time: Floats, value: Floats, needed_from: Floats, again: bool
    ) -> None:
        """Remember readings, given in order of arrival; `again` is whether a series may come twice.

        `needed_from` is the oldest event time that the series of each reading still needs.
        """
        if not len(series):
            return
        self._admit(series)
        nth = occurrence(series) if again else np.zeros(len(series), np.intp)
        while self._deepen(series, nth, needed_from):
            pass
        for rings, here in self._by_depth(series):
            slot = self._slot_of.values[series[here]]
            count = rings.next[slot] + nth[here]
            place = slot * rings.depth + count % rings.depth
            rings.time.reshape(-1)[place] = time[here]
            rings.value.reshape(-1)[place] = value[here]
            rings.next[slot] = count + 1

    def _by_depth(self, series: Ids) -> list[tuple[_Rings, Places | slice]]:
        """The readings by the depth at which their series is; those of no depth are left out."""
        depth = self._depth_of.values.take(series)
        first = depth.item(0)
        if first >= 0 and np.count_nonzero(depth == first) == len(depth):
            return [(self._rings[first], slice(None))]
        return [
            (self._rings[place], np.flatnonzero(depth == place))
            for place in np.flatnonzero(np.bincount(depth + 1)[1:]).tolist()
        ]

    def _admit(self, series: Ids) -> None:
        length = int(series.max(initial=-1)) + 1
        self._depth_of.reach(length)
        self._slot_of.reach(length)
        unknown = self._depth_of.values.take(series) < 0
        if np.count_nonzero(unknown):
            new = np.unique(series[unknown])
            self._depth_of.values[new] = 0
            self._slot_of.values[new] = self._rings[0].take(len(new))

    def _deepen(self, series: Ids, nth: Places, needed_from: Floats) -> bool:
        """Move series one ring deeper that would overwrite what they still need, if there are."""
        moved = False
        for rings, here in self._by_depth(series):
            if rings is self._rings[-1]:
                continue
            slot = self._slot_of.values[series[here]]
            victim = (rings.next[slot] + nth[here]) % rings.depth
            lost = rings.time.reshape(-1)[slot * rings.depth + victim] >= needed_from[here]
            lost |= nth[here] >= rings.depth
            if np.count_nonzero(lost):
                lost_of = np.unique(series[here][lost])
                moved |= self._move(lost_of, self._rings.index(rings) + 1)
        return moved

    def _move(self, series: Ids, place: int) -> bool:
        """As many of `series` as there is memory for, from the ring before this one."""
        shallow, deep = self._rings[place - 1], self._rings[place]
        room = max((self._limit_bytes - self.bytes) // (deep.depth * _BYTES), 0)
        series = series[:room]
        # Who is like these comes after them, and what grows again and again is copied as often.
        deep.reserve(deep.used + min(shallow.used, room))
        source = self._slot_of.values[series].astype(np.intp)
        target = deep.take(len(series))
        deep.put(target, *shallow.unrolled(source))
        shallow.give_back(source)
        self._depth_of.values[series] = place
        self._slot_of.values[series] = target
        return len(series) > 0

    def state(self) -> list[Any]:
        """For each depth: the series and their rings."""
        state: list[Any] = []
        for place, rings in enumerate(self._rings):
            series = np.flatnonzero(self._depth_of.values == place)
            slots = self._slot_of.values[series].astype(np.intp)
            state.append([series, *rings.state(slots)])
        return state

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from."""
        self.__init__(self._limit_bytes)
        for place, (series, *rings) in enumerate(state):
            length = int(series.max(initial=-1)) + 1
            self._depth_of.reach(length)
            self._slot_of.reach(length)
            slots = self._rings[place].take(len(series))
            self._rings[place].load(slots, rings)
            self._depth_of.values[series] = place
            self._slot_of.values[series] = slots
