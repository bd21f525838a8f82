"""Rows that turn nothing wait, and are taken in together.

Hot path (benchmarks/pipeline.py). Most rows are calm, and a glance says so:

    fresh       the device is heard of, and goes on to be
    in order    newer than everything of the device: neither late, nor repeated, nor too far ahead
    in bounds   every reading is where no rule turns (watch)

What a calm row changes (windows, newest values, the memory of repetitions) is asked for later or
not at all, and costs by the batch more than by the reading. So calm rows wait: until somebody
looks, a row of their device is not calm, or they are many. Taking them in sooner or later changes
nothing.
"""

from math import inf

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.batch import Batch, CalmRows
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.growing import Growing
from tocsin.ingest.judge import Judge
from tocsin.ingest.order import newest_before, repeats
from tocsin.ingest.presence import PresenceBook

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST = 16_384
"""Readings that wait. Beyond it, more at once are hardly cheaper."""

PORTION = 4_096
"""Readings that are taken in at once where nobody waits for all of them: 2 ms."""

_FEW = 8  # rows that are looked at faster one by one


class WaitingRows:
    """State: the calm rows that wait, and by device the newest event time, of waiting rows too."""

    def __init__(
        self, catalogue: Catalogue, presence: PresenceBook, judge: Judge, tolerance_s: float
    ) -> None:
        self._catalogue = catalogue
        self._presence = presence
        self._judge = judge
        self._tolerance_s = tolerance_s
        self._newest = Growing[np.float64](np.float64, -inf)  # by device
        self._waits = Growing[np.bool_](np.bool_, False)  # by device
        self._place = Growing[np.intp](np.intp, 0)  # by device, only meaningful within a batch
        self._parts: list[CalmRows] = []
        self._readings = 0

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def many(self) -> bool:
        return self._readings >= MOST

    @property
    def since(self) -> float:
        """When the oldest of them arrived; inf where none waits."""
        return self._parts[0].arrival.item(0) if self._parts else inf

    def keep(self, batch: Batch, now: float) -> Batch | None:
        """Keep the calm rows of a batch, and give the others: to be judged at once."""
        if not len(batch.device) or not self._judge.ready:
            return batch if len(batch.device) else None
        device, row = batch.device, batch.row
        self._reach()
        if len(device) <= _FEW and (time := self._few_in_order(batch, now)) is not None:
            within = self._judge.turns_nothing(
                batch.series, np.minimum(time, now)[row], batch.value
            )
            if np.count_nonzero(within) == len(within):
                self._put_off(batch, time, now, again=False)
                return None
        again = repeats(device, self._place.values)
        calm = self._presence.fresh(device)
        stated = batch.ts == batch.ts
        if np.count_nonzero(stated):
            time = np.where(stated, batch.ts, now)
            before = newest_before(device, time, self._newest.values, again)
            calm &= np.where(stated, time > before, time >= before)
            calm &= time <= now + self._tolerance_s
        else:
            time = np.full(len(device), now)
            calm &= self._newest.values.take(device) <= now
        judged_time = np.minimum(time, now)
        within = self._judge.turns_nothing(batch.series, judged_time.take(row), batch.value)
        if np.count_nonzero(within) < len(within):
            calm[row[~within]] = False
        rest = None
        if np.count_nonzero(calm) < len(calm):
            if again:  # of a device all rows are kept, or none
                restless = np.unique(device[~calm])
                calm &= ~np.isin(device, restless)
            rest = batch.only(~calm)
            batch, time = batch.only(calm), time[calm]
            device = batch.device
            if not len(device):
                return rest
        self._put_off(batch, time, now, again=again)
        return rest

    def _few_in_order(self, batch: Batch, now: float) -> Floats | None:
        """The times of few rows, each of another device, if all are fresh and in order."""
        times: list[float] = []
        seen: set[int] = set()
        newest, latest = self._newest.values, now + self._tolerance_s
        for device, ts in zip(batch.device.tolist(), batch.ts.tolist(), strict=True):
            before = newest.item(device)
            if device in seen or not self._presence.is_fresh(device):
                return None
            if ts == ts:
                if not before < ts <= latest:
                    return None
                times.append(ts)
            elif before <= now:
                times.append(now)
            else:
                return None
            seen.add(device)
        return np.array(times, np.float64)

    def _put_off(self, batch: Batch, time: Floats, now: float, *, again: bool) -> None:
        """Keep calm rows; `again`: some are of the same device."""
        device = batch.device
        self._presence.reported(np.unique(device) if again else device, now)
        self._newest.values[device] = time  # of the same device, the last one stays
        self._waits.values[device] = True
        arrival, stated = np.full(len(device), now), batch.ts == batch.ts
        self._parts.append(
            CalmRows(
                device,
                time,
                stated,
                arrival,
                batch.place,
                batch.row,
                batch.series,
                batch.value,
                again,
            )
        )
        self._readings += len(batch.series)

    def concern(self, device: Ids) -> bool:
        """Whether rows of one of these devices wait."""
        if not self._parts:
            return False
        self._reach()  # of a device that is new nothing waits
        return bool(np.count_nonzero(self._waits.values.take(device)))

    def passed(self, rows: Ids, time: Floats, readings: Ids, at: Floats) -> None:
        """Rows went another way: their devices and judged times, and the devices and event times
        of their readings.
        """
        self._reach()
        np.maximum.at(self._newest.values, rows, time)
        np.maximum.at(self._newest.values, readings, at)

    def take(self, readings: int | None = None) -> CalmRows:
        """All that wait, at least one; none does any more. Where `readings` is given the oldest
        only, until there are so many.
        """
        parts, rest = self._parts, self._parts[:0]
        if readings is not None and readings < self._readings:
            count = 0
            for place, part in enumerate(parts):
                count += len(part.series)
                if count >= readings:
                    parts, rest = parts[: place + 1], parts[place + 1 :]
                    break
        self._parts, self._readings = rest, sum(len(part.series) for part in rest)
        if len(parts) == 1:
            rows = parts[0]
        else:
            start = np.cumsum([0, *(len(part.device) for part in parts[:-1])])
            rows = CalmRows(
                np.concatenate([part.device for part in parts]),
                np.concatenate([part.time for part in parts]),
                np.concatenate([part.stated for part in parts]),
                np.concatenate([part.arrival for part in parts]),
                np.concatenate([part.place for part in parts]),
                np.concatenate([part.row + at for part, at in zip(parts, start, strict=True)]),
                np.concatenate([part.series for part in parts]),
                np.concatenate([part.value for part in parts]),
                True,
            )
        self._waits.values[rows.device] = False
        for part in self._parts:
            self._waits.values[part.device] = True
        return rows

    def forget(self) -> None:
        """Nothing waits, and the newest times are those of the catalogue."""
        catalogue = self._catalogue
        self.__init__(catalogue, self._presence, self._judge, self._tolerance_s)
        self._reach()
        devices, series = len(catalogue.devices), catalogue.series_count
        self._newest.values[:devices] = catalogue.watermark.values[:devices]
        for times in (catalogue.newest_time, catalogue.ahead_until):
            device = catalogue.device.values[:series]
            np.maximum.at(self._newest.values, device, times.values[:series])

    def _reach(self) -> None:
        for column in (self._newest, self._waits, self._place):
            column.reach(len(self._catalogue.devices))
