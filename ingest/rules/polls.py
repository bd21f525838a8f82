"""What a rule across a group asks of every device, and what a group's answers come to.

There are two kinds of poll, of the same form: one asks for a condition and counts, one asks for
a number. Each keeps the answer of every device; a *tally* is what the answers of one group's
devices come to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np

from tocsin.ingest.growing import Growing
from tocsin.ingest.rules.crowd import Crowd
from tocsin.ingest.rules.expression import Call
from tocsin.ingest.rules.spans import Span
from tocsin.ingest.rules.validation import Part

_BIT = {Part.TRUE: 1, Part.FALSE: 2, Part.CAME: 4}
# By the bits of a device: whether it is true, false or unknown; None: no member.
_TRUE, _FALSE, _UNKNOWN = range(3)
_STANDING = (None, _TRUE, _FALSE, _TRUE, _UNKNOWN, _TRUE, _FALSE, _TRUE)

T = TypeVar("T")


class Poll(Protocol, Generic[T]):
    """`parts` are what is judged on a device for it."""

    call: Call
    parts: ClassVar[Sequence[Part]]

    def reach(self, devices: int) -> None: ...
    def answer(self, device: int, part: Part, holds: bool, value: float) -> None:
        """A part came to hold for a device, or ceased to; `value` is that of Part.VALUE."""
        ...

    def tally(self) -> T: ...
    def add(self, tally: T, device: int) -> None: ...
    def remove(self, tally: T, device: int) -> None: ...
    def members(self, tally: T) -> int: ...
    def span(self, tally: T) -> Span | None: ...
    def counted(self, tally: T) -> int:
        """How many devices it speaks of."""
        ...

    def seen(self, tally: T) -> float:
        """What a transition's evidence says; NaN where it is not known."""
        ...

    def speaking(self, devices: Iterable[int]) -> list[int]:
        """Of these devices those it speaks of, the most telling first."""
        ...


@dataclass(slots=True)
class Count:
    """Of a group, for how many devices a condition is true, false and unknown."""

    by_standing: list[int]


class CountPoll:
    """`count_devices`. State by device: which parts hold."""

    parts: ClassVar[Sequence[Part]] = tuple(_BIT)

    def __init__(self, call: Call) -> None:
        self.call = call
        self._bits = Growing[np.int8](np.int8, 0)

    def reach(self, devices: int) -> None:
        self._bits.reach(devices)

    def answer(self, device: int, part: Part, holds: bool, value: float) -> None:
        bits, bit = self._bits.values, _BIT[part]
        bits[device] = bits[device] | bit if holds else bits[device] & ~bit

    def tally(self) -> Count:
        return Count([0, 0, 0])

    def add(self, tally: Count, device: int) -> None:
        self._change(tally, device, 1)

    def remove(self, tally: Count, device: int) -> None:
        self._change(tally, device, -1)

    def _change(self, tally: Count, device: int, by: int) -> None:
        standing = _STANDING[self._bits.values.item(device)]
        if standing is not None:
            tally.by_standing[standing] += by

    def members(self, tally: Count) -> int:
        return sum(tally.by_standing)

    def span(self, tally: Count) -> Span:
        true, _, unknown = tally.by_standing
        return Span(true, true + unknown)

    def counted(self, tally: Count) -> int:
        return tally.by_standing[_TRUE]

    def seen(self, tally: Count) -> float:
        return float(tally.by_standing[_TRUE])

    def speaking(self, devices: Iterable[int]) -> list[int]:
        bits = self._bits.values
        return [device for device in devices if bits.item(device) & _BIT[Part.TRUE]]


class ValuePoll:
    """A number of each device: its mean, its sum, and so on. State by device: whether it is a
    member, and its value, NaN where that is unknown."""

    parts: ClassVar[Sequence[Part]] = (Part.VALUE,)

    def __init__(self, call: Call) -> None:
        self.call = call
        self._came = Growing[np.bool_](np.bool_, False)
        self._value = Growing[np.float64](np.float64, nan)

    def reach(self, devices: int) -> None:
        self._came.reach(devices)
        self._value.reach(devices)

    def answer(self, device: int, part: Part, holds: bool, value: float) -> None:
        self._came.values[device] = holds
        self._value.values[device] = value + 0.0  # there is one zero

    def tally(self) -> Crowd:
        return Crowd()

    def add(self, tally: Crowd, device: int) -> None:
        if self._came.values.item(device):
            tally.join(self._value.values.item(device))

    def remove(self, tally: Crowd, device: int) -> None:
        if self._came.values.item(device):
            tally.leave(self._value.values.item(device))

    def members(self, tally: Crowd) -> int:
        return tally.known + tally.unknown

    def span(self, tally: Crowd) -> Span | None:
        return tally.span(self.call.function)

    def counted(self, tally: Crowd) -> int:
        return tally.known

    def seen(self, tally: Crowd) -> float:
        span = self.span(tally)
        return span.low if span and span.low == span.high else nan

    def speaking(self, devices: Iterable[int]) -> list[int]:
        """Those with the largest values first, for `min_devices` those with the smallest."""
        values = self._value.values
        known = [each for each in devices if not isnan(values.item(each))]
        if self.call.function == "min_devices":
            return sorted(known, key=values.item)
        return sorted(known, key=values.item, reverse=True)


def poll_of(call: Call) -> Poll[Count] | Poll[Crowd]:
    return CountPoll(call) if call.function == "count_devices" else ValuePoll(call)
