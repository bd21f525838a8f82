"""Engine time: the wall clock at start, carried on by the monotonic clock."""

import math
import time


class EngineClock:
    """Seconds since the epoch that never run backwards, whatever is done to the wall clock.

    `not_before` is the newest time already used (the journal's), so that a restart after the
    wall clock was set back does not go back either. Where the system has it, the monotonic
    clock is the one that counts time asleep (CLOCK_BOOTTIME), so a suspended laptop wakes up
    on time. Whole microseconds, as history stores them, so that what is read back from there is
    what it was.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        start_us = math.ceil(max(time.time(), not_before) * 1e6)
        self._offset_us = start_us - time.clock_gettime_ns(self._source) // 1000

    def now(self) -> float:
        return (self._offset_us + time.clock_gettime_ns(self._source) // 1000) / 1e6
