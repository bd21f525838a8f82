"""A replay: stored readings through the judge and the alerts of the pipeline.

What the pipeline concluded of a reading when it arrived is stored with it: that it was no
repetition, its event time, whether it was late. So a replay begins where the pipeline has rows
and readings, and from there on it is the same code, in the same order, at the same times.

Hot path (benchmarks/backtest.py): whole arrays; nothing here is done for each reading.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, nextafter

import numpy as np
from numpy.typing import NDArray

from tocsin.devices.profile import Profile
from tocsin.ingest.absence import Absence
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.readings import StoredReadings
from tocsin.ingest.backtest.silence import Silence
from tocsin.ingest.batch import Judged
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.downtime import Away
from tocsin.ingest.faults import Faults
from tocsin.ingest.geo.zone_set import ZoneSet, ZoneVersion
from tocsin.ingest.judge import Judge
from tocsin.ingest.order import newest_before, occurrence
from tocsin.ingest.rules.validation import CheckedRule
from tocsin.ingest.settings import Caps, Settings
from tocsin.ingest.turn import Turn

BATCH = 4096
"""Readings judged at once. Of a device with a reading that may turn a rule, the judge looks at all
rows of the batch one after the other, so more is not faster."""

Listener = Callable[[Alert], None]


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """The series of a replay: int32 `device` and `metric` by series, places in the lists of names,
    int8 `kind`, and bool `derived` for what a function made. `texts` are the texts by code. Where
    a metric was of texts first and then of numbers there are two series of one name, the older
    one first.
    """

    devices: list[str]
    metrics: list[str]
    device: NDArray[np.int32]
    metric: NDArray[np.int32]
    kind: NDArray[np.int8]
    derived: NDArray[np.bool_]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.device)

    def names(self) -> list[tuple[str, str]]:
        """Device and metric of each series."""
        devices: list[int] = self.device.tolist()
        metrics: list[int] = self.metric.tolist()
        return [(self.devices[d], self.metrics[m]) for d, m in zip(devices, metrics, strict=True)]


class Replay:
    """State: what the pipeline has of the readings so far, but for what no rule depends on.

    `profiles` and `tags` are those of the devices. `on_change` is told of every transition of
    an alert, in order; of what a timer makes it hears what the rule saw when it turned last, not
    what it sees then, as more was judged at once meanwhile. Nobody acknowledges, resets or shelves
    anything in a replay.
    """

    def __init__(
        self,
        table: SeriesTable,
        rules: Sequence[CheckedRule],
        flaps: FlapLimits,
        on_change: Listener,
        timezone: str = "UTC",
        profiles: Sequence[Profile] = (),
        tags: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._table = table
        self._catalogue = self._new_catalogue(table, timezone)
        for device, profile in enumerate(profiles):
            self._catalogue.describe(device, profile)
        for device, given in enumerate(tags):
            self._catalogue.tags.give(device, given)
        self._series = np.full(len(table), -1, np.int32)  # in the catalogue, by series of the table
        self._admit_all()
        self._alerts = AlertBook(flaps)
        self.faults = Faults()
        self._zones = ZoneSet()
        self._judge = Judge(self._catalogue, self.faults, self._zones)
        self._unmet = np.ones(len(table.devices), np.bool_)
        self._judge.unmet = self._unmet
        self._judge.replays = True
        self._rules = sorted(rules, key=lambda checked: checked.rule.name)
        self._judge.use(self._rules)
        self._on_change = on_change
        self._in_force = False
        self._absence = Absence(self._catalogue, self._judge)
        self._silence = Silence(self._catalogue, self._judge, self._absence)

    def put_in_force(self, at: float) -> None:
        """From engine time `at` on the rules ring. As when rules are put in force in a server, none
        of them holds yet; unlike there, their windows hold what came before.
        """
        self._judge.use(self._rules, [checked.rule.name for checked in self._rules])
        if self._judge.reads_hour:
            self._catalogue.site.set(at)
        self._in_force = True
        names = [checked.rule.name for checked in self._rules]
        self._signal(self._judge.muster(names, at), at)
        self._absence.use(at)
        self._pass(at)

    def take(self, readings: StoredReadings) -> Iterator[int]:
        """Judge readings, in order and later than all before; how many, step by step."""
        for batch in _batches(readings):
            for rest in self._by_hour(batch):
                while self._successors and (cut := self._admit_next(rest)):
                    self._take(rest.only(slice(cut)))
                    rest = rest.only(slice(cut, None))
                self._take(rest)
            yield len(batch)

    def take_zone(self, version: ZoneVersion) -> None:
        """A zone becomes what `version` says, later than all readings before."""
        self._pass(version.at)
        self._zones.become(version)
        turns = self._judge.zones_changed({version.name}, version.at)
        if self._in_force:
            self._signal(turns, version.at)

    def expect(self, devices: Sequence[str], at: float) -> None:
        """From engine time `at` on these devices are expected, later than all readings before."""
        self._pass(at)
        for name in devices:
            device = self._catalogue.device_id(name)
            if device is not None:
                self._unmet[device] = False
        self._absence.expect(devices, at)

    def resume(self, away: Away) -> None:
        """The server was away, later than all readings before: no device was silent meanwhile."""
        self._pass(nextafter(away.since, -inf))
        self._absence.resumed(away.until)
        self._pass(away.until)

    def finish(self, end: float) -> None:
        """Let time go on to engine time `end`: delays end, and devices are silent."""
        self._pass(end)

    # -- series

    @staticmethod
    def _new_catalogue(table: SeriesTable, timezone: str) -> Catalogue:
        count = len(table)
        caps = Caps(devices=len(table.devices), metrics_per_device=count, series=count)
        catalogue = Catalogue(Settings(caps=caps, timezone=timezone))
        for text in table.texts:
            catalogue.code_of(text)
        for device in table.devices:
            catalogue.admit_device(device)
        return catalogue

    def _admit_all(self) -> None:
        """All but those that take the place of one of texts: these do when they come."""
        admitted: set[tuple[str, str]] = set()
        for series, name in enumerate(self._table.names()):
            if name not in admitted:
                self._admit(series)
            admitted.add(name)
        self._successors = len(admitted) < len(self._table)

    def _admit(self, series: int) -> None:
        table = self._table
        self._series[series] = self._catalogue.admit_series(
            table.device.item(series),
            table.metrics[table.metric.item(series)],
            Kind(table.kind.item(series)),
        )
        self._catalogue.derived.values[self._series[series]] = table.derived.item(series)

    def _admit_next(self, batch: StoredReadings) -> int:
        """Admit what takes the place of a series of texts, if it begins with this batch, and say
        how many readings come before the next that does.
        """
        while len(new := np.flatnonzero(self._series[batch.series] < 0)):
            first = self._starts(batch)
            cut = first.item(int(np.searchsorted(first, new.item(0), side="right")) - 1)
            if cut:
                return cut
            self._admit(batch.series.item(new.item(0)))
        self._successors = bool((self._series < 0).any())
        return 0

    # -- readings

    def _starts(self, batch: StoredReadings) -> NDArray[np.intp]:
        """Where rows begin: what is of one device and came together is one."""
        device = self._table.device[batch.series]
        starts = np.ones(len(batch), np.bool_)
        starts[1:] = (
            (batch.arrival[1:] != batch.arrival[:-1])
            | (batch.row[1:] != batch.row[:-1])
            | (device[1:] != device[:-1])
            | ((batch.row[1:] < 0) & (batch.time[1:] != batch.time[:-1]))
        )
        return np.flatnonzero(starts)

    def _take(self, batch: StoredReadings) -> None:
        """Judge a batch of known series, and look at silent devices when it is time to."""
        if not self._in_force or not self._judge.has_silences:
            self._judge_rows(batch, self._judged(batch))
            return
        judged = self._judged(batch)
        arrival, row_arrival = batch.arrival / 1e6, self._row_arrivals(batch, judged)
        looks = self._silence.looks(
            judged.device,
            row_arrival,
            judged.row_time,
            self._heard_rows(judged),
            judged.row,
            judged.series,
            np.where(judged.current, judged.time, -np.inf),
        )
        for at in looks:
            cut = int(np.searchsorted(arrival, at))
            if cut:
                head = batch.only(slice(cut))
                self._judge_rows(head, self._judged(head))
                batch, arrival = batch.only(slice(cut, None)), arrival[cut:]
            self._pass(at)
        if len(batch):
            self._judge_rows(batch, self._judged(batch) if looks else judged)

    def _judged(self, batch: StoredReadings) -> Judged:
        catalogue = self._catalogue
        series, late = self._series[batch.series], batch.late
        first = self._starts(batch)
        rows = catalogue.device.values[series[first]]
        # As `Plausibility` has it: no reading is newer than its arrival.
        time = np.minimum(batch.time, batch.arrival) / 1e6
        before = newest_before(
            series, np.where(late, -np.inf, time), catalogue.newest_time.values, again=True
        )
        return Judged(
            device=rows,
            row_time=time[first],
            nth=occurrence(rows),
            row=np.repeat(np.arange(len(first)), np.diff(first, append=len(series))),
            series=series,
            value=batch.value,
            time=time,
            late=late,
            current=~late & (time >= before),
        )

    def _row_arrivals(self, batch: StoredReadings, judged: Judged) -> NDArray[np.float64]:
        arrival = np.empty(len(judged.device))
        arrival[judged.row] = batch.arrival / 1e6
        return arrival

    def _heard_rows(self, judged: Judged) -> NDArray[np.bool_]:
        """Which rows are news of a device: not late, and not made by a function."""
        heard = np.zeros(len(judged.device), np.bool_)
        own = self._catalogue.derived.values[judged.series] == 0
        heard[judged.row[own & ~judged.late]] = True
        return heard

    def _judge_rows(self, batch: StoredReadings, judged: Judged) -> None:
        self._unmet[judged.device] = False
        turns = self._judge.take(judged)
        arrival = self._row_arrivals(batch, judged)
        if self._in_force:
            for turn in turns:
                at = arrival.item(turn.row)
                self._fire_due(at)
                self._signal((turn,), at)
        if self._judge.has_silences:
            heard = self._heard_rows(judged)
            self._catalogue.heard.values[judged.device[heard]] = arrival[heard]  # the last stays
            if self._in_force:
                self._absence.reported(judged, arrival.item(-1), self._judge.ended)

    def _by_hour(self, batch: StoredReadings) -> Iterable[StoredReadings]:
        """Parts between which the hour turns, as long as a rule reads it."""
        site = self._catalogue.site
        while self._judge.reads_hour and len(batch):
            if site.next_turn == np.inf:
                site.set(batch.arrival.item(0) / 1e6)
            cut = int(np.searchsorted(batch.arrival, round(site.next_turn * 1e6)))
            if cut == len(batch):
                break
            if cut:
                yield batch.only(slice(cut))
            batch = batch.only(slice(cut, None))
            self._pass(site.next_turn)
        if len(batch):
            yield batch

    def _turn_hour(self) -> None:
        site = self._catalogue.site
        due = site.next_turn
        site.set(due)
        turns = self._judge.hour_turned(due, self._absence.silence_of)
        if self._in_force:
            self._signal(turns, due)
            if self._judge.reads_hour_and_ages:
                self._absence.use(due)

    def _pass(self, until: float) -> None:
        """Let time go on to `until`: what is due fires, in order, as in the pipeline."""
        while True:
            hour = self._catalogue.site.next_turn if self._judge.reads_hour else np.inf
            alerts = silence = np.inf
            if self._in_force:
                alerts, silence = _or_never(self._alerts), _or_never(self._absence)
            due = min(hour, alerts, silence)
            if due > until or due == np.inf:
                return
            if alerts == due:
                self._tell(self._alerts.fire_next()[1])
            elif hour == due:
                self._turn_hour()
            else:
                at, turns = self._absence.fire_next()
                self._signal(turns, at)

    def _signal(self, turns: Iterable[Turn], at: float) -> None:
        for turn in turns:
            subject, name = turn.about(self._catalogue.devices)
            self._tell(
                self._alerts.signal(
                    turn.rule, subject, name, turn.truth, turn.time, at, turn.values, turn.evidence
                )
            )

    def _fire_due(self, now: float) -> None:
        while (due := self._alerts.next_due()) is not None and due <= now:
            self._tell(self._alerts.fire_next()[1])

    def _tell(self, changed: Iterable[Alert]) -> None:
        for alert in changed:
            self._on_change(alert)


def _or_never(timers: AlertBook | Absence) -> float:
    due = timers.next_due()
    return np.inf if due is None else due


def _batches(readings: StoredReadings) -> Iterable[StoredReadings]:
    """Parts of about BATCH readings, cut where an instant of arrival ends."""
    begin, count = 0, len(readings)
    while begin < count:
        end = min(begin + BATCH, count)
        if end < count:
            instant = readings.arrival.item(end - 1)
            end = int(np.searchsorted(readings.arrival, instant, side="right"))
        yield readings.only(slice(begin, end))
        begin = end
