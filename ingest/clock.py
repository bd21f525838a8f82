"""Engine time: the wall clock at start, carried on by the monotonic clock."""

import time


class EngineClock:
    """Seconds since the epoch that never run backwards, whatever is done to the wall clock.

    `not_before` is the newest time already used (the journal's), so that a restart after the
    wall clock was set back does not go back either. Where the system has it, the monotonic
    clock is the one that counts time asleep (CLOCK_BOOTTIME), so a suspended laptop wakes up
    on time.
    """

    def __init__(self, not_before: float = 0.0) -> None:
        self._source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        self._offset = max(time.time(), not_before) - time.clock_gettime(self._source)

    def now(self) -> float:
        return self._offset + time.clock_gettime(self._source)
