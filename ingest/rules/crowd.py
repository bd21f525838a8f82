"""The values of the devices of a group, and what they come to.

Every value counts once, however often its device sends. They are kept sorted, and their sum is kept
exactly, as a whole number of the smallest step there is between floats: so neither depends on the
order in which values came and went, and a restart changes no digit.

A device whose value is unknown is a member that may have any value. So the largest is at least the
largest that is known, a mean may be anything, and a percentile lies between what it is if all of
them are below the others and what it is if all are above.
"""

from bisect import bisect_left, insort
from math import inf, isfinite, isnan

from tocsin.ingest.rules.spans import Span

_STEPS = 1074
"""2 ** -1074 is the smallest float; every finite one is a multiple of it."""


class Crowd:
    """Owns the values of the members of a group. State: the known ones, sorted; the exact sum of
    the finite ones; how many are `unknown`.
    """

    __slots__ = ("_sum", "_values", "unknown")

    def __init__(self) -> None:
        self._values: list[float] = []
        self._sum = 0
        self.unknown = 0

    @property
    def known(self) -> int:
        return len(self._values)

    def join(self, value: float) -> None:
        """A member has this value; NaN where it is unknown."""
        if isnan(value):
            self.unknown += 1
            return
        insort(self._values, value)
        if isfinite(value):
            self._sum += _steps(value)

    def leave(self, value: float) -> None:
        """The value of a member counts no more; it is one that joined."""
        if isnan(value):
            self.unknown -= 1
            return
        del self._values[bisect_left(self._values, value)]
        if isfinite(value):
            self._sum -= _steps(value)

    def span(self, function: str) -> Span | None:
        """Between which numbers that lies which `function` asks of the members: the two are one
        where all of them are known. None where nothing is known, as without members.
        """
        values, unknown = self._values, self.unknown
        members = len(values) + unknown
        if not members:
            return None
        match function:
            case "sum_devices" | "avg_devices":
                if unknown:
                    return None
                total = self._total(members if function == "avg_devices" else 1)
                return None if total is None else Span(total, total)
            case "min_devices":
                return self._ranked(1, members)
            case "max_devices":
                return self._ranked(members, members)
            case _:
                percent = int(function.removeprefix("p").removesuffix("_devices"))
                return self._ranked(-(-percent * members // 100), members)

    def _ranked(self, rank: int, members: int) -> Span:
        """The smallest that `rank` of the members are at or below."""
        values = self._values
        low = values[rank - self.unknown - 1] if rank > self.unknown else -inf
        high = values[rank - 1] if rank <= len(values) else inf
        return Span(low, high)

    def _total(self, share: int) -> float | None:
        """The sum, or that share of it, rounded once."""
        values = self._values
        if values[0] == -inf or values[-1] == inf:
            return None if values[0] == -inf and values[-1] == inf else values[0] + values[-1]
        try:
            return self._sum / (share << _STEPS)
        except OverflowError:
            return inf if self._sum > 0 else -inf


def _steps(value: float) -> int:
    number, parts = value.as_integer_ratio()  # parts are a power of 2
    return number << (_STEPS + 1 - parts.bit_length())
