"""Engine time: the wall clock at start, carried on by the monotonic clock."""

import math
import time
from collections.abc import Callable


def elapsed_ns() -> int:
    """Nanoseconds of the monotonic clock; where the system has it, of the one that counts time
    asleep (CLOCK_BOOTTIME), so that a suspended laptop wakes up on time.
    """
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class EngineClock:
    """Seconds since the epoch that never run backwards, whatever is done to the wall clock.

    `not_before` is the newest time already used (the journal's), so that a restart after the
    wall clock was set back does not go back either. Whole microseconds, as history stores them, so
    that what is read back from there is what it was.
    """

    def __init__(
        self,
        not_before: float = 0.0,
        *,
        wall: Callable[[], float] = time.time,
        elapsed_ns: Callable[[], int] = elapsed_ns,
    ) -> None:
        self._wall = wall
        self._elapsed_ns = elapsed_ns
        start_us = math.ceil(max(wall(), not_before) * 1e6)
        self._offset_us = start_us - elapsed_ns() // 1000

    def now(self) -> float:
        return (self._offset_us + self._elapsed_ns() // 1000) / 1e6

    def ahead_of_wall_s(self) -> float:
        """By how many seconds engine time is ahead of the wall clock, negative behind: since the
        start that was set, or went on while the monotonic clock slept. A start behind it mends it.
        """
        return self.now() - self._wall()
