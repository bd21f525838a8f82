"""When a device fell silent between stored readings: there a replay has to look at it.

The timers of `Absence` are lazy, and most turn out to be early. A replay that stopped at each of
them would judge hardly more than one reading at a time; here the times at which a device is looked
at in earnest are found for a whole batch, and they are few.

Hot path (benchmarks/backtest.py): whole arrays.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.absence import Absence
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.judge import Judge
from tocsin.ingest.order import newest_before

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


class Silence:
    """Finds when devices are looked at while a batch arrives. Owns nothing."""

    def __init__(self, catalogue: Catalogue, judge: Judge, absence: Absence) -> None:
        self._catalogue = catalogue
        self._judge = judge
        self._absence = absence

    def looks(
        self,
        device: Ids,
        arrival: Floats,
        row_time: Floats,
        heard: NDArray[np.bool_],
        row: NDArray[np.intp],
        series: Ids,
        newest_time: Floats,
    ) -> list[float]:
        """Engine times, ascending and none twice, up to the last arrival.

        By row: its device, arrival, event time, and whether it is news of the device. By reading:
        its row, its series, and its event time, -inf unless it is the newest of its series.
        """
        last = arrival.item(-1)
        found = [*self._before_rows(device, arrival, last), np.array(self._absence.missed())]
        found += self._after_rows(device, arrival, row_time, heard, row, series, newest_time)
        looks = np.unique(np.concatenate(found))
        due: list[float] = looks[looks <= last].tolist()
        return due

    def _before_rows(self, device: Ids, arrival: Floats, last: float) -> Iterator[Floats]:
        """Devices that were silent already, until they come again."""
        catalogue = self._catalogue
        every = np.arange(len(catalogue.devices), dtype=np.int32)
        until = np.full(len(every), last)
        until[device[::-1]] = arrival[::-1]  # of one device, the first row stays
        seen, watermark = catalogue.heard.values[every], catalogue.watermark.values[every]
        for covers, metric, ages_s in self._judge.every_silence():
            newest = catalogue.newest_time.values[catalogue.by_device(metric).values[every]]
            at = self._absence.look_times(every, newest, seen, watermark, ages_s)
            yield at[covers[every] & (at <= until)]

    def _after_rows(
        self,
        device: Ids,
        arrival: Floats,
        row_time: Floats,
        heard: NDArray[np.bool_],
        row: NDArray[np.intp],
        series: Ids,
        newest_time: Floats,
    ) -> Iterator[Floats]:
        """Devices from one row of theirs to the next."""
        catalogue = self._catalogue
        before = newest_before(device, row_time, catalogue.watermark.values, again=True)
        watermark = np.maximum(before, row_time)
        if heard.all():
            seen = arrival
        else:
            own = np.where(heard, arrival, -np.inf)
            known = np.nan_to_num(catalogue.heard.values, nan=-np.inf)
            seen = np.maximum(newest_before(device, own, known, again=True), own)
        order = np.argsort(device, kind="stable")
        until = np.full(len(device), arrival.item(-1))
        same = device[order[1:]] == device[order[:-1]]
        until[order[:-1][same]] = arrival[order[1:][same]]
        for covers, metric, ages_s in self._judge.every_silence():
            of_device = catalogue.by_device(metric).values
            mine = of_device[device[row]] == series
            own = np.full(len(device), -np.inf)
            own[row[mine]] = newest_time[mine]
            known = catalogue.newest_time.values[of_device]
            newest = np.maximum(newest_before(device, own, known, again=True), own)
            at = self._absence.look_times(device, newest, seen, watermark, ages_s[device])
            yield at[covers[device] & (at <= until)]
