"""What happened beside readings while they arrived: zones, and when the server was away."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from tocsin.ingest.backtest.readings import StoredReadings
from tocsin.ingest.backtest.replay import Replay
from tocsin.ingest.downtime import Away
from tocsin.ingest.geo.zone_set import ZoneVersion


class Happenings:
    """State: those that a replay has not taken in yet, in order."""

    def __init__(
        self,
        zones: Sequence[ZoneVersion],
        away: Sequence[Away],
        expected: Sequence[tuple[str, float]],
    ) -> None:
        """`expected` are devices that have to be there, and since when."""
        them: list[tuple[float, Callable[[Replay], None]]] = [
            *((zone.at, partial(Replay.take_zone, version=zone)) for zone in zones),
            *((each.until, partial(Replay.resume, away=each)) for each in away),
        ]
        for at in {at for _, at in expected}:
            names = [device for device, since in expected if since <= at]
            them.append((at, partial(Replay.expect, devices=names, at=at)))
        self._them = sorted(them, key=lambda each: each[0])

    def until(self, replay: Replay, at: float) -> None:
        """All that happened until engine time `at`, later than all readings before."""
        while self._them and self._them[0][0] <= at:
            self._them.pop(0)[1](replay)

    def between(self, replay: Replay, readings: StoredReadings) -> Iterator[StoredReadings]:
        """Readings, which are in order, in the parts between which something happened."""
        while self._them and len(readings):
            at = self._them[0][0]
            cut = int(np.searchsorted(readings.arrival, round(at * 1e6)))
            if cut == len(readings):
                break
            yield readings.only(slice(cut))
            self.until(replay, at)
            readings = readings.only(slice(cut, None))
        yield readings
