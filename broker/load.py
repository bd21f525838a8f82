"""Averages over the last minutes, as `$SYS/broker/load/…` tells them. Pure."""

from collections.abc import Mapping, Sequence
from math import exp

MINUTES = (1, 5, 15)


class Load:
    """Owns a moving average a minute of each counter over 1, 5 and 15 minutes.

    Each is weighted exponentially with its age, as the load of a Unix system is, and starts at
    the rate of the first interval seen.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._last: tuple[float, Sequence[int]] | None = None
        self._averages: dict[str, float] = {}

    def feed(self, now: float, counters: Sequence[int]) -> Mapping[str, float]:
        """The averages by `{name}/{minutes}min`; `counters` in the order of the names."""
        if self._last is not None and now > self._last[0]:
            for name, value, before in zip(self._names, counters, self._last[1], strict=True):
                self._update(name, now - self._last[0], value - before)
        if self._last is None or now > self._last[0]:
            self._last = now, counters
        return {
            f"{name}/{minutes}min": self._averages.get(f"{name}/{minutes}min", 0.0)
            for name in self._names
            for minutes in MINUTES
        }

    def _update(self, name: str, over_s: float, count: int) -> None:
        rate = count * 60.0 / over_s
        for minutes in MINUTES:
            key = f"{name}/{minutes}min"
            age = exp(-over_s / (60.0 * minutes))
            self._averages[key] = rate + age * (self._averages.get(key, rate) - rate)
