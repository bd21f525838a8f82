"""When the server was away: a backtest counts no silence of devices there either."""

from typing import Any, NamedTuple

MAX_ABSENCES = 10_000
"""That are kept, the newest: of a server that starts every minute those of a week."""


class Away(NamedTuple):
    """Timers due at engine time `since` or later did not fire before the server was back at
    `until`."""

    since: float
    until: float


class Downtime:
    """State: when the server was away, in order."""

    def __init__(self) -> None:
        self._away: list[Away] = []

    def note(self, since: float, until: float) -> None:
        self._away.append(Away(since, until))
        del self._away[:-MAX_ABSENCES]

    def before(self, end: float) -> list[Away]:
        """Those that were over by engine time `end`, in order."""
        return [away for away in self._away if away.until < end]

    # -- snapshots

    def state(self) -> list[list[float]]:
        return [list(away) for away in self._away]

    def load(self, state: Any) -> None:
        self._away = [Away(float(since), float(until)) for since, until in state]
