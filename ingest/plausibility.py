"""Which readings count: event times from the future, late ones, repeated ones.

A reading was taken before it arrived, whatever the clock of its device says, so it is judged at its
event time or at its arrival, whichever is earlier: a clock that was ahead once does not make what
comes after it old. Stored, shown and compared with repetitions is the event time as it was stated.

Hot path: whole arrays; only rows with a time of their own that is not the newest are looked at
closer (benchmarks/pipeline.py).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.batch import Batch, CalmRows, Judged
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.faults import Faults
from tocsin.ingest.growing import Growing
from tocsin.ingest.order import newest_before, occurrence
from tocsin.ingest.recent import RecentReadings
from tocsin.ingest.settings import Settings

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Plausibility:
    """Owns the memory of recent readings. Counts what it finds in the catalogue, per device."""

    def __init__(self, settings: Settings, catalogue: Catalogue, faults: Faults) -> None:
        self._faults = faults
        self._tolerance_s = settings.future_tolerance_s
        self._catalogue = catalogue
        self._recent = RecentReadings(settings.caps.recent_bytes)
        self._last_ahead = -np.inf  # the newest of all `ahead_until`

    def judge(self, batch: Batch, now: float) -> tuple[Judged, Floats]:
        """The readings of `batch` that count, with the times to judge them at and whether they are
        late; and the event times of these readings.

        A fault is raised before anything has changed.
        """
        counted: list[tuple[Growing[np.int64], NDArray[np.int32]]] = []
        catalogue = self._catalogue
        device, row, series, value = batch.device, batch.row, batch.series, batch.value
        nth = occurrence(device)
        again = bool(np.count_nonzero(nth))
        stated = ~np.isnan(batch.ts)
        some_stated = bool(np.count_nonzero(stated))
        if some_stated:
            time = np.where(stated, batch.ts, now)
            ahead = time > now + self._tolerance_s
            if np.count_nonzero(ahead):
                time[ahead] = now
                stated &= ~ahead
                counted.append((catalogue.future, device[row[ahead[row]]]))
        else:
            time = np.full(len(device), now)
        leads = some_stated and np.count_nonzero(time > now) > 0
        judged = np.minimum(time, now) if leads else time
        before = newest_before(device, judged, catalogue.watermark.values, again)
        # Without a time of its own a reading is the newest there is.
        newest = np.maximum(judged, before)
        time = np.where(stated, time, newest) if some_stated else newest
        judged = np.where(stated, judged, newest) if leads else time
        at, judged_at = time[row], judged[row]
        late, current = np.zeros(len(row), np.bool_), np.ones(len(row), np.bool_)
        if some_stated:
            needed_from = before - catalogue.lateness_s.values.take(device)
            late = (judged < needed_from)[row]
            if again or not self._all_new(stated, series, at, late):
                new = self._new(series, at, value, late, stated[row], again)
                if not new.all():
                    counted.append((catalogue.duplicates, device[row[~new]]))
                    row, series, value = row[new], series[new], value[new]
                    at, judged_at, late = at[new], judged_at[new], late[new]
                counted.append((catalogue.late, device[row[late]]))
                timely = np.where(late, -np.inf, judged_at)
                newest = newest_before(series, timely, catalogue.newest_time.values, again)
                current = ~late & (judged_at >= newest)
            remember = stated[row]
            if np.count_nonzero(remember) == len(remember):
                remember = slice(None)
            try:
                self._recent.add(
                    series[remember],
                    at[remember],
                    value[remember],
                    needed_from[row[remember]],
                    again,
                )
            except Exception as error:  # some are in there: seen again they would be repetitions
                self._faults.note(f"the memory of {len(series)} readings", error)
            if leads:
                self._note_ahead(series, at, now)
        for column, of in counted:
            np.add.at(column.values, of, 1)
        np.add.at(catalogue.readings.values, device[row], 1)
        np.add.at(catalogue.count.values, series, 1)
        return Judged(device, judged, nth, row, series, value, judged_at, late, current), at

    def _note_ahead(self, series: NDArray[np.int32], at: Floats, arrival: "Floats | float") -> None:
        """Remember event times that were ahead of their arrival."""
        ahead = at > arrival
        if np.count_nonzero(ahead):
            np.maximum.at(self._catalogue.ahead_until.values, series[ahead], at[ahead])
            self._last_ahead = max(self._last_ahead, float(at[ahead].max()))

    def remember(self, calm: CalmRows) -> None:
        """Take in rows that are newer than everything of their devices: as `judge`."""
        catalogue, row, series = self._catalogue, calm.row, calm.series
        if np.count_nonzero(calm.stated):
            before = newest_before(
                calm.device, calm.judged_time, catalogue.watermark.values, calm.again
            )
            needed_from = before - catalogue.lateness_s.values.take(calm.device)
            remembered = calm.stated[row]
            if np.count_nonzero(remembered) == len(remembered):
                remembered = slice(None)
            row = row[remembered]
            self._recent.add(
                series[remembered],
                calm.time[row],
                calm.value[remembered],
                needed_from[row],
                calm.again,
            )
            self._note_ahead(series, calm.time[calm.row], calm.arrival[calm.row])
        np.add.at(catalogue.readings.values, calm.device[calm.row], 1)
        np.add.at(catalogue.count.values, series, 1)

    def _all_new(self, stated: Mask, series: NDArray[np.int32], at: Floats, late: Mask) -> bool:
        """Whether all readings, each of another series, are newer than what is known of them."""
        newer = at > self._known_until(at).take(series)
        return (
            np.count_nonzero(newer) == len(newer)
            and np.count_nonzero(stated) == len(stated)
            and not np.count_nonzero(late)
        )

    def _new(
        self,
        series: NDArray[np.int32],
        at: Floats,
        value: Floats,
        late: Mask,
        stated: Mask,
        again: bool,
    ) -> Mask:
        """Which readings are not repetitions.

        A reading newer than all of its series is new. Without a time of its own a repetition
        cannot be told from a new reading, and counts.
        """
        new = np.ones(len(series), np.bool_)
        newest = newest_before(series, at, self._known_until(at), again)
        doubtful = np.flatnonzero(stated & ((at <= newest) | late))
        if len(doubtful):
            new[doubtful] = ~self._recent.known(series[doubtful], at[doubtful], value[doubtful])
            if again:
                new[_repeated(np.flatnonzero(stated), series, at, value)] = False
        return new

    def _known_until(self, at: Floats) -> Floats:
        """The newest event time of each series, as stated, as far as that matters for `at`."""
        catalogue = self._catalogue
        newest = catalogue.newest_time.values
        if at.min(initial=np.inf) > self._last_ahead:
            return newest
        return np.maximum(newest, catalogue.ahead_until.values)

    def state(self) -> list[Any]:
        return self._recent.state()

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from; the catalogue comes before."""
        self._recent.load(state)
        self._last_ahead = float(self._catalogue.ahead_until.values.max())


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
