"""What hour it is where the plant is: the calendar that `hour()` and `weekday()` read.

Engine time, not event time: whether it is night is asked of the place, not of the reading, and is
the same for all devices. So between two turns of the hour it is a constant, and bounds on readings
hold; when it turns every rule that reads it is judged anew, with or without a reading.
"""

from datetime import UTC, datetime, tzinfo
from math import floor, inf, isfinite
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Dial: TypeAlias = Literal["hour", "weekday"]

_STEP_S = 900
"""Offsets of time zones change at quarters of an hour (UTC), and are multiples of one."""


class SiteTime:
    """State: `hour` (0 to 23) and `weekday` (1 Monday to 7 Sunday) as of engine time `at`, and when
    one of them changes, `next_turn`. Unknown (NaN) until it is set for the first time.
    """

    def __init__(self, timezone: str) -> None:
        self.timezone = timezone
        self._zone = zone_of(timezone)
        self.at = -inf
        self.hour = self.weekday = float("nan")
        self.next_turn = inf

    def set(self, now: float) -> None:
        self.at = now
        if not isfinite(now):
            return
        self.hour, self.weekday = here = self._dials(now)
        at = floor(now / _STEP_S) * _STEP_S + _STEP_S
        while self._dials(at) == here:
            at += _STEP_S
        self.next_turn = float(at)

    def read(self, dial: Dial) -> float:
        return self.hour if dial == "hour" else self.weekday

    def _dials(self, at: float) -> tuple[float, float]:
        local = datetime.fromtimestamp(at, self._zone)
        return float(local.hour), float(local.isoweekday())


def zone_of(timezone: str) -> tzinfo:
    """The zone of an IANA name. Raises ValueError for a name that this machine does not know."""
    if timezone == "UTC":
        return UTC
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"time zone {timezone[:64]!r} is not known here; expected an IANA name,"
            " as in 'Europe/Berlin'"
        ) from None
