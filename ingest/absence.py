"""Devices that fall silent: rules over ages turn when time has passed, without any reading.

Between its readings a device's own clock is taken to go on as ours does. So the age of a metric
grows while nothing comes, and each comparison of an age with what is constant has a time at which
it may turn. Then the device is looked at, and a rule that has become true rings. Silence never
clears anything: a reading does.

    last reading              wm - newest                 age(metric) > 60 looked at here
    ───┤ newest ├──────────────┤ watermark ├─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┤ 60 s after newest
                               arrival = heard           time passes, nothing new arrives

What repeats a reading, what is late and what cannot be read is nothing new: a device that is stuck
on an old reading is silent, however often it says it.

While the server was away nobody was silent: ages count from its return at the earliest. A device
that is expected and never came is as old as the expectation.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.batch import Judged
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.growing import Growing
from tocsin.ingest.judge import Judge
from tocsin.ingest.turn import Turn

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_AFTER_S = 0.001
"""A rule is looked at this long after its age is reached: `>` and `>=` are both true then, and
what is lost of event times in 64 bits is a thousand times less."""


class Absence:
    """Owns when each device is looked at next.

    Lazy as presence: an entry in the heap is at or before the time that counts, which is found when
    the entry comes to the top. So a reading costs a comparison, and looking more often changes
    nothing. What the heap holds follows from the rest and is in no snapshot.
    """

    def __init__(self, catalogue: Catalogue, judge: Judge) -> None:
        self._catalogue = catalogue
        self._judge = judge
        self._expected: dict[int, float] = {}  # device → since when, but not when we were away
        self._first_expected: dict[int, float] = {}
        self._ruled_at = -inf  # when rules changed last
        self._looked = Growing[np.float64](np.float64, -inf)  # by device: looked at up to then
        self._scheduled = Growing[np.float64](np.float64, inf)  # by device: its entry in the heap
        self._delay = Growing[np.float64](np.float64, inf)  # by device: arrival - event time, then
        # By series: its entry does not count this age, which was passed, or there was none.
        self._uncounted = Growing[np.bool_](np.bool_, True)
        self._timers: list[tuple[float, int]] = []
        self._known = 0

    @property
    def expected(self) -> list[str]:
        """The devices that must be there."""
        return [self._catalogue.devices[device] for device in self._expected]

    def expect(self, devices: Sequence[str], now: float) -> None:
        """These devices, all admitted, must be there from now on, if not before."""
        since: dict[int, float] = {}
        for name in devices:
            device = self._catalogue.device_id(name)
            if device is not None:
                since[device] = self._expected.get(device, now)
        self._expected = since
        self._first_expected = {
            device: self._first_expected.get(device, at) for device, at in since.items()
        }
        self._schedule_all(now)

    def expected_since(self) -> dict[int, float]:
        """The devices that must be there, and since when the settings say so."""
        return dict(self._first_expected)

    def use(self, now: float) -> None:
        """Rules changed, or the hour they read: they may be true of devices that are silent."""
        self._ruled_at = now
        self._schedule_all(now)

    def retagged(self, device: int, now: float) -> None:
        """Other rules are for a device: they may be true of its silence."""
        if not self._judge.has_silences:
            return
        self._reach()
        self._looked.values[device] = -inf
        self._scheduled.values[device] = inf
        if (at := self._next(device)) < inf:
            self._wait(device, max(at, now), self._delay_of(device))

    def resumed(self, now: float) -> None:
        """The server was away until now."""
        self._reach()
        count = self._known
        watermark = self._catalogue.watermark.values[:count]
        behind = now - self._catalogue.heard.values[:count]  # NaN where it never came
        age_from = self._catalogue.age_from.values[:count]
        np.copyto(age_from, watermark + behind, where=np.isfinite(watermark + behind))
        self._expected = dict.fromkeys(self._expected, now)
        self._schedule_all(now)

    def reported(self, judged: Judged, now: float, ended: Iterable[int] = ()) -> None:
        """Readings arrived and were judged; for devices in `ended` a rule ceased to hold.

        Then its silence counts again, and so does one that was passed or never began, of a metric
        that has a newer reading now: either may be shorter than all that the device waits for.
        """
        if not self._judge.has_silences:
            return
        self._reach()
        devices = judged.device[judged.nth == 0]
        for device in ended:
            self._scheduled.values[device] = inf  # what is in the heap is void
        newer = judged.series[judged.current]
        if np.count_nonzero(anew := self._uncounted.values[newer]):
            self._scheduled.values[self._catalogue.device.values[newer[anew]]] = inf
            self._uncounted.values[newer] = False
        delay = self._catalogue.heard.values[devices] - self._catalogue.watermark.values[devices]
        scheduled, before = self._scheduled.values[devices], self._delay.values[devices]
        waits = np.isfinite(scheduled)
        sooner = waits & (delay < before)
        for device, at, gain, late in zip(
            devices[sooner].tolist(),
            scheduled[sooner].tolist(),
            (before - delay)[sooner].tolist(),
            delay[sooner].tolist(),
            strict=True,
        ):
            self._wait(device, max(at - gain, now), late)
        self._schedule(devices[~waits], now)

    def next_due(self) -> float | None:
        """When `fire_next` may have something to tell; it may turn out to be nothing."""
        return self._timers[0][0] if self._timers else None

    def fire_next(self) -> tuple[float, list[Turn]]:
        """Looks at the device whose timer is due first: its due time, and the rules that turned."""
        due, device = heappop(self._timers)
        if self._scheduled.values.item(device) != due:  # a sooner one took its place
            return due, []
        self._scheduled.values[device] = inf
        at = self._next(device)
        turns: list[Turn] = []
        if at <= due:
            self._looked.values[device] = due
            silent_s, waited_s = self.silence_of(device, due)
            came = isfinite(self._catalogue.heard.values.item(device))
            time = self._catalogue.watermark.values.item(device) + silent_s if came else due
            turns = self._judge.look(device, silent_s, waited_s, time)
            at = self._next(device)
        if at < inf:
            self._wait(device, at, self._delay_of(device))
        return due, turns

    def silence_of(self, device: int, now: float) -> tuple[float, float | None]:
        """For how long nothing came of a device, and, if nothing ever did, for how long it was
        expected."""
        seen = self._catalogue.heard.values.item(device)
        if isfinite(seen):
            return now - seen, None
        return 0.0, now - self._expected[device] if device in self._expected else None

    def look_times(
        self, devices: Ids, newest: Floats, seen: Floats, watermark: Floats, ages_s: Floats
    ) -> Floats:
        """When devices are looked at, if they stay silent, because a metric of theirs is `ages_s`
        old then; inf where they are not. `newest`, `seen` and `watermark` are what is known of
        them: the metric's newest event time, their last arrival, their newest event time.
        """
        age_from = self._catalogue.age_from.values[devices]
        at = np.maximum(newest, age_from) + (seen - watermark) + ages_s
        at = np.maximum(at + _AFTER_S, self._ruled_at)
        looks = (
            np.isfinite(newest)
            & np.isfinite(at)
            & (at > np.maximum(self._looked.values[devices], seen))
        )
        return np.where(looks, at, inf)

    def missed(self) -> list[float]:
        """When devices are looked at that were expected and never came."""
        seen = self._catalogue.heard.values
        dues = [self._next(device) for device in self._expected if not isfinite(seen.item(device))]
        return [due for due in dues if due < inf]

    def _delay_of(self, device: int) -> float:
        seen = self._catalogue.heard.values.item(device)
        return seen - self._catalogue.watermark.values.item(device) if isfinite(seen) else inf

    def _next(self, device: int) -> float:
        """When the device must be looked at next, if it stays silent. Notes what is not counted."""
        catalogue = self._catalogue
        seen = self._catalogue.heard.values.item(device)
        floor = max(self._looked.values.item(device), seen if isfinite(seen) else -inf)
        age_from = catalogue.age_from.values.item(device)
        soonest = inf
        for metric, age_s in self._judge.silences(device):
            series = catalogue.by_device(metric).values.item(device)
            newest = catalogue.newest_time.values.item(series)
            if isfinite(newest):
                at = max(newest, age_from) + self._delay_of(device) + age_s
            elif device in self._expected and not isfinite(seen):
                at = self._expected[device] + age_s
            else:
                continue
            at = max(at + _AFTER_S, self._ruled_at)
            if at > floor:
                soonest = min(soonest, at)
            elif series >= 0:
                self._uncounted.values[series] = True
        return soonest

    # -- the heap

    def _wait(self, device: int, due: float, delay: float) -> None:
        self._scheduled.values[device] = due
        self._delay.values[device] = delay
        heappush(self._timers, (due, device))
        if len(self._timers) > 64 + 4 * self._known:
            scheduled = self._scheduled.values
            self._timers = [each for each in self._timers if scheduled.item(each[1]) == each[0]]
            heapify(self._timers)

    def _reach(self) -> None:
        count = len(self._catalogue.devices)
        if count != self._known:
            self._known = count
            for column in (self._looked, self._scheduled, self._delay):
                column.reach(count)
            self._catalogue.age_from.reach(count)
        self._uncounted.reach(self._catalogue.series_count)

    def _schedule_all(self, now: float) -> None:
        self._reach()
        self._timers.clear()
        self._scheduled.values[:] = inf
        self._schedule(np.arange(self._known, dtype=np.int32), now)
        for device in self._expected:
            if self._scheduled.values.item(device) == inf and (at := self._next(device)) < inf:
                self._wait(device, at, inf)

    def _schedule(self, devices: Ids, now: float) -> None:
        """Look at these devices when the first age that a rule asks of them may be reached."""
        if not len(devices):
            return
        catalogue = self._catalogue
        delay = catalogue.heard.values[devices] - catalogue.watermark.values[devices]
        soonest = np.full(len(devices), inf)
        for covers, metric, ages_s in self._judge.shortest_silences():
            newest = catalogue.newest_time.values[catalogue.by_device(metric).values[devices]]
            came = covers[devices] & np.isfinite(newest)
            newest = np.maximum(newest, catalogue.age_from.values[devices])
            at = newest + delay + ages_s[devices]
            np.fmin(soonest, np.where(came & np.isfinite(at), at, inf), out=soonest)
        for device, at, late in self._finite(devices, soonest, delay):
            self._wait(device, max(at, now), late)

    @staticmethod
    def _finite(devices: Ids, at: Floats, delay: Floats) -> Iterable[tuple[int, float, float]]:
        some = np.isfinite(at)
        return zip(devices[some].tolist(), at[some].tolist(), delay[some].tolist(), strict=True)

    # -- snapshots

    def state(self) -> dict[str, Any]:
        self._reach()
        count = self._known
        return {
            "expected": list(self._expected.items()),
            "first_expected": list(self._first_expected.items()),
            "ruled_at": self._ruled_at,
            "looked": self._looked.values[:count],
            "age_from": self._catalogue.age_from.values[:count],
        }

    def load(self, state: dict[str, Any], now: float = -inf) -> None:
        """Become what `state` was taken from; catalogue and judge come before."""
        self.__init__(self._catalogue, self._judge)
        self._expected = {int(device): since for device, since in state["expected"]}
        first = state["first_expected"]
        self._first_expected = {int(device): since for device, since in first}
        self._ruled_at = state["ruled_at"]
        self._looked.load(state["looked"])
        self._catalogue.age_from.load(state["age_from"])
        self._schedule_all(now)
