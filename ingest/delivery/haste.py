"""How often a group may be told before its time."""

AT_ONCE = 5
"""Requests in a row."""

EVERY_S = 1.0
"""Seconds after which there may be one more."""


class Haste:
    """Owns when each group was told before its time: `AT_ONCE` requests may follow each other
    without a pause, and one more for each `EVERY_S` that pass (a generic cell rate algorithm).
    """

    def __init__(self) -> None:
        self._spent_until: dict[str, float] = {}  # by group: when all may be told in a row again

    def earliest(self, group: str) -> float:
        """From when on there may be one more."""
        return self._spent_until.get(group, float("-inf")) - (AT_ONCE - 1) * EVERY_S

    def note(self, group: str, now: float) -> None:
        """A group is told before its time."""
        self._spent_until[group] = max(self._spent_until.get(group, now), now) + EVERY_S
        if len(self._spent_until) > 1000:  # groups that nobody asks about any more
            self._spent_until = {each: at for each, at in self._spent_until.items() if at > now}
