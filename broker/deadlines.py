"""Deadlines of many connections without a timer for each: a wheel of slots of time."""

from collections.abc import Hashable, Iterator
from math import ceil
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Owns one deadline per item. None comes out before it; at most `slot_s` later."""

    def __init__(self, slot_s: float) -> None:
        self._slot_s = slot_s
        self._slots: dict[int, set[T]] = {}
        self._slot_of: dict[T, int] = {}
        self._passed = 0

    def __len__(self) -> int:
        return len(self._slot_of)

    def set(self, item: T, deadline: float) -> None:
        """Gives `item` a deadline, in place of the one it had."""
        self.drop(item)
        slot = max(ceil(deadline / self._slot_s), self._passed + 1)
        self._slot_of[item] = slot
        self._slots.setdefault(slot, set()).add(item)

    def drop(self, item: T) -> None:
        """Takes the deadline of `item` away, if it has one."""
        slot = self._slot_of.pop(item, None)
        items = None if slot is None else self._slots.get(slot)
        if slot is not None and items is not None:
            items.discard(item)
            if not items:
                del self._slots[slot]

    def pop_due(self, now: float) -> Iterator[T]:
        """Items whose deadline has passed; each loses its deadline."""
        last = int(now / self._slot_s)
        if last <= self._passed:
            return
        if last - self._passed > len(self._slots):
            due = sorted(slot for slot in self._slots if slot <= last)
        else:
            due = [slot for slot in range(self._passed + 1, last + 1) if slot in self._slots]
        self._passed = last
        for slot in due:
            for item in self._slots.pop(slot, set()):
                # The caller may have dropped or moved it since.
                if self._slot_of.get(item) == slot:
                    del self._slot_of[item]
                    yield item
