"""Readings that were taken in and nobody was told of yet."""

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

    def take(self) -> Readings | None:
        """All of them, in order of arrival."""
        parts, self._parts, self._count = self._parts, [], 0
        return Readings.joined(parts).in_order() if parts else None
