"""Which alarms are shelved or suppressed."""

from collections.abc import Iterable

import msgspec

from tocsin.ingest.alerts.alert import Suppression
from tocsin.ingest.alerts.lifecycle import MUTINGS, Muting
from tocsin.ingest.alerts.timers import Alarm, Timers

DEFAULT_SHELVE_S = 3600.0
MAX_SHELVE_S = 7 * 86400.0
"""Seconds an alarm may be shelved. ISA-18.2 asks for a limit; a week outlasts any shift plan."""


class Mute(msgspec.Struct, frozen=True):
    """An alarm's suppression. `until` and `timer`, the number of the timer for it, if shelved."""

    rule: str
    subject: str
    suppression: Suppression = Suppression.NONE
    until: float | None = None
    timer: int = 0


class Mutes:
    """Owns the suppression of every alarm that has one, whether or not an alert is open."""

    def __init__(self, timers: Timers, mutes: Iterable[Mute] = ()) -> None:
        self._timers = timers
        self._mutes = {(mute.rule, mute.subject): mute for mute in mutes}

    def of(self, alarm: Alarm) -> Mute:
        return self._mutes.get(alarm) or Mute(*alarm)

    def all(self) -> list[Mute]:
        return list(self._mutes.values())

    def change(self, alarm: Alarm, muting: Muting, until: float | None, now: float) -> Mute:
        """Does `muting` to an alarm; `until` is for shelving, by default DEFAULT_SHELVE_S on.

        Raises ValueError for what the table does not have and for an `until` out of bounds.
        """
        before = self.of(alarm)
        suppression = MUTINGS.get((before.suppression, muting))
        if suppression is None:
            fit = " or ".join(was for was, what in MUTINGS if what is muting)
            raise ValueError(
                f"{muting} finds the alarm's suppression at {before.suppression}; expected {fit}"
            )
        mute = Mute(*alarm, suppression)
        if muting is Muting.SHELVE:
            until = now + DEFAULT_SHELVE_S if until is None else until
            if not now < until <= now + MAX_SHELVE_S:
                raise ValueError(
                    f"until is {until - now:.0f} s from now; expected a time ahead,"
                    f" at most {MAX_SHELVE_S:.0f} s"
                )
            mute = Mute(*alarm, suppression, until, self._timers.start(until, alarm))
        self._timers.stop(before.timer)
        self._mutes.pop(alarm, None)
        if suppression is not Suppression.NONE:
            self._mutes[alarm] = mute
        return mute

    def drop(self, rule_name: str) -> None:
        """Unmutes every alarm of a rule."""
        for alarm in [alarm for alarm in self._mutes if alarm[0] == rule_name]:
            self._timers.stop(self._mutes.pop(alarm).timer)
