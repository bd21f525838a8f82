"""Readings that were taken in and nobody was told of yet."""

from math import inf

from tocsin.ingest.outcome import Readings

MANY = 8192
"""Readings; so many are told without being asked for."""


class UntoldReadings:
    """State: the readings since the last `take`, in any order."""

    def __init__(self) -> None:
        self._parts: list[Readings] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def many(self) -> bool:
        return self._count >= MANY

    def add(self, readings: Readings) -> None:
        if len(readings.series):
            self._parts.append(readings)
            self._count += len(readings.series)

    def take(self, before: float = inf) -> Readings | None:
        """Those that arrived before that time, in order of arrival; None where there are none."""
        parts, self._parts, self._count = self._parts, [], 0
        if not parts:
            return None
        readings = Readings.joined(parts).in_order()
        end = int(readings.arrival.searchsorted(before))
        self.add(readings.only(slice(end, None)))
        return readings.only(slice(end)) if end else None
