"""Flapping: an alarm that comes and goes all the time, which ISA-18.2 calls chattering."""

from dataclasses import dataclass

from tocsin.ingest.alerts.timers import Alarm

REMEMBERED = 65_536
"""Alarms whose last rings are remembered. The one that rang least recently goes first."""


@dataclass(frozen=True, slots=True)
class FlapLimits:
    """An alarm that rings `rings` times within `within_s` flaps: from then on it is over only
    when it has been clear for `hold_s`, so that people hear one steady alarm. Times in seconds.
    """

    rings: int = 5
    within_s: float = 600.0
    hold_s: float = 300.0


class Rings:
    """Owns when each alarm last rang, at most as often as the limit asks for."""

    def __init__(self, limits: FlapLimits, rings: list[tuple[str, str, list[float]]]) -> None:
        self._limits = limits
        self._of: dict[Alarm, list[float]] = {(rule, subject): at for rule, subject, at in rings}

    def add(self, alarm: Alarm, now: float) -> bool:
        """The alarm rings: whether it flaps."""
        since = now - self._limits.within_s
        at = [each for each in self._of.pop(alarm, ()) if each > since][1 - self._limits.rings :]
        self._of[alarm] = [*at, now]
        if len(self._of) > REMEMBERED:
            del self._of[next(iter(self._of))]
        return len(at) + 1 >= self._limits.rings

    def drop(self, rule: str) -> None:
        """Forget the alarms of a rule: it asks something else now."""
        for alarm in [alarm for alarm in self._of if alarm[0] == rule]:
            del self._of[alarm]

    def all(self) -> list[tuple[str, str, list[float]]]:
        return [(*alarm, at) for alarm, at in self._of.items()]
