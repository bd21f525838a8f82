"""Which readings count: event times from the future, late ones, repeated ones.

Hot path: whole arrays; only rows with a time of their own that is not the newest are looked at
closer (benchmarks/engine.py).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.columns import Batch, Judged
from tocsin.ingest.order import newest_before, occurrence
from tocsin.ingest.recent import RecentReadings
from tocsin.ingest.settings import Settings

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Plausibility:
    """Owns the memory of recent readings. Counts what it finds in the catalogue, per device."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._tolerance_s = settings.future_tolerance_s
        self._catalogue = catalogue
        self._recent = RecentReadings(settings.caps.recent_bytes)

    def judge(self, batch: Batch, now: float) -> Judged:
        """The readings of `batch` that count, with their event times and whether they are late."""
        catalogue = self._catalogue
        device, row, series, value = batch.device, batch.row, batch.series, batch.value
        stated = ~np.isnan(batch.ts)
        time = np.where(stated, batch.ts, now)
        ahead = time > now + self._tolerance_s
        if ahead.any():
            time[ahead] = now
            stated &= ~ahead
            np.add.at(catalogue.future.values, device[row[ahead[row]]], 1)
        nth = occurrence(device)
        again = bool(nth.any())
        before = newest_before(device, time, catalogue.watermark.values, again)
        # Without a time of its own a reading is the newest there is, also where the device's
        # other times run ahead of ours: else it would be late, and never ring.
        time = np.where(stated, time, np.maximum(time, before))
        at = time[row]
        if stated.any():
            late = (time < before - catalogue.lateness_s.values[device])[row]
            new = self._new(series, at, value, late, stated[row], again)
            if not new.all():
                np.add.at(catalogue.duplicates.values, device[row[~new]], 1)
                row, series, value = row[new], series[new], value[new]
                at, late = at[new], late[new]
            np.add.at(catalogue.late.values, device[row[late]], 1)
            timely = np.where(late, -np.inf, at)
            newest = newest_before(series, timely, catalogue.newest_time.values, again)
            current = ~late & (at >= newest)
        else:
            late, current = np.zeros(len(row), np.bool_), np.ones(len(row), np.bool_)
        np.add.at(catalogue.readings.values, device[row], 1)
        np.add.at(catalogue.count.values, series, 1)
        return Judged(device, time, nth, row, series, value, at, late, current)

    def _new(
        self,
        series: NDArray[np.int32],
        at: Floats,
        value: Floats,
        late: Mask,
        stated: Mask,
        again: bool,
    ) -> Mask:
        """Which readings are not repetitions; those with a time of their own are remembered.

        A reading newer than all of its series is new. Without a time of its own a repetition
        cannot be told from a new reading, and counts.
        """
        new = np.ones(len(series), np.bool_)
        newest = newest_before(series, at, self._catalogue.newest_time.values, again)
        doubtful = np.flatnonzero(stated & ((at <= newest) | late))
        if len(doubtful):
            new[doubtful] = ~self._recent.known(series[doubtful], at[doubtful], value[doubtful])
            if again:
                new[_repeated(np.flatnonzero(stated), series, at, value)] = False
        remember = stated & new
        if remember.all():
            remember = slice(None)
        device = self._catalogue.device.values[series[remember]]
        needed_from = (
            self._catalogue.watermark.values[device] - self._catalogue.lateness_s.values[device]
        )
        self._recent.add(series[remember], at[remember], value[remember], needed_from, again)
        return new

    def state(self) -> list[Any]:
        return self._recent.state()

    def load(self, state: list[Any]) -> None:
        self._recent.load(state)


def _repeated(
    among: NDArray[np.intp], series: NDArray[np.int32], at: Floats, value: Floats
) -> NDArray[np.intp]:
    """The readings `among` the given ones that are equal to one before them."""
    order = among[np.lexsort((value[among], at[among], series[among]))]
    earlier, later = order[:-1], order[1:]
    same = (
        (series[earlier] == series[later])
        & (at[earlier] == at[later])
        & (value[earlier] == value[later])
    )
    return later[same]
