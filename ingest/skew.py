"""How far the clock of each device is off, from the times it states.

    ahead of its arrival = how far the clock is ahead - how long the message was on its way

No way takes less than no time, so of a minute's messages the one furthest ahead (least behind) was
on its way for the shortest, and says most of the clock. The skew is the median of that over the
last five minutes in which messages came (by arrival; of an even number the one nearer to 0):

    minute            |    1    |    2    |    3    |    4    |    5    |
    ahead by, in s    | -.2 -.3 | -90 -.2 | -95 -91 | -.4 -.1 | 700 -.2 |
    the greatest      |   -.2   |   -.2   |   -91   |   -.1   |   700   |     skew: -.2 s

A mean or a median over all messages would take a backlog sent after an outage, or a slow network,
for a clock that is behind; the greatest alone would take one wrong time ahead for one that is
ahead. This takes neither: it is wrong only after three such minutes of five. A clock that is set
right is seen to be right after three minutes, a device that sends once an hour after three hours.

Hot path: arrays (benchmarks/pipeline.py). 48 bytes a device.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

MINUTES = 5
_MINUTE_S = 60.0
_FEW = 16  # messages that are noted faster one by one


class ClockSkew:
    """State by device: the `minute` of its newest message that stated a time, and how far that of
    each of its last minutes was ahead at most: `ahead`, newest first, NaN where there was none.
    """

    def __init__(self) -> None:
        self._minute = Growing[np.float64](np.float64, -np.inf)
        self._ahead = Growing[np.float64](np.float64, np.nan, (MINUTES,))

    def reach(self, devices: int) -> None:
        """Be ready for that many devices."""
        self._minute.reach(devices)
        self._ahead.reach(devices)

    def note(self, device: Ids, stated: Floats, arrival: Floats | float) -> None:
        """Messages in order of arrival: the times they state, in seconds, NaN where they state
        none. Of a device they come in that order from call to call too.
        """
        if len(stated) <= _FEW:
            times = arrival.tolist() if isinstance(arrival, np.ndarray) else [arrival] * len(stated)
            for each in zip(device.tolist(), stated.tolist(), times, strict=True):
                self._note_one(*each)
            return
        some = stated == stated
        count = np.count_nonzero(some)
        if not count:
            return
        arrival = np.broadcast_to(arrival, stated.shape)
        if count < len(some):
            device, stated, arrival = device[some], stated[some], arrival[some]
        ahead, minute = stated - arrival, np.floor(arrival / _MINUTE_S)
        if minute[0] == minute[-1]:
            self._note(device, ahead, minute.item(0))
            return
        for each in np.unique(minute).tolist():
            here = minute == each
            self._note(device[here], ahead[here], each)

    def _note_one(self, device: int, stated: float, arrival: float) -> None:
        if stated != stated:
            return
        minute, ahead = arrival // _MINUTE_S, stated - arrival
        if self._minute.values.item(device) != minute:
            self._begin(np.array([device]), minute)
        if ahead > self._ahead.values.item(device, 0):
            self._ahead.values[device, 0] = ahead

    def _begin(self, devices: NDArray[Any], minute: float) -> None:
        """A new minute of devices, each another."""
        self._minute.values[devices] = minute
        self._ahead.values[devices, 1:] = self._ahead.values[devices, :-1]
        self._ahead.values[devices, 0] = -np.inf

    def _note(self, device: Ids, ahead: Floats, minute: float) -> None:
        """Of one minute."""
        begun = self._minute.values.take(device) != minute
        if np.count_nonzero(begun):
            self._begin(np.unique(device[begun]), minute)
        np.maximum.at(self._ahead.values[:, 0], device, ahead)

    def of(self, devices: NDArray[np.intp]) -> Floats:
        """By how many seconds the clocks of devices are ahead, negative behind, NaN unknown."""
        ahead = np.sort(self._ahead.values[devices], axis=1)  # NaN last
        known = (ahead == ahead).sum(axis=1)
        rows = np.arange(len(devices))
        low, high = ahead[rows, np.maximum(known - 1, 0) // 2], ahead[rows, known // 2]
        return np.where(np.abs(low) <= np.abs(high), low, high)

    def wrong(self, devices: int, tolerance_s: float) -> int:
        """How many of the first `devices` have a skew beyond that, without finding each one."""
        known, above, below = (np.zeros(devices, np.int8) for _ in range(3))
        for column in self._ahead.values[:devices].T:
            known += column == column
            above += column > tolerance_s
            below += column < -tolerance_s
        # Of an even number both in the middle are beyond it, on one side or on either.
        wrong = (2 * above > known) | (2 * below > known)
        wrong |= (known > 0) & (2 * above == known) & (2 * below == known)
        return int(np.count_nonzero(wrong))

    # -- snapshots

    def state(self, devices: int) -> list[Any]:
        return [self._minute.values[:devices], self._ahead.values[:devices]]

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from."""
        minute, ahead = state
        self._minute.load(minute)
        self._ahead.load(ahead)
