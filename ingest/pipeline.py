"""The life of a reading, from message to alert, in one list.

    decode → identify      intake.Intake: payloads to rows and readings of known series
    glance                 waiting.WaitingRows: rows that turn nothing are put off
    plausible              plausibility.Plausibility: future, late and repeated readings;
                           skew.ClockSkew: how far the clocks of devices are off
    windows → rules        judge.Judge: panes, zones, then every rule on every row
    alerts                 alerts.AlertBook: episodes with delays, acknowledged and shelved
    presence               presence.PresenceBook: who is connected, who is heard of
    time alone             _fire_due: what silence, an hour or a delay turns without a reading
    derived                _derive: what users' functions made of readings goes in as a fact
    publish                outcome.Outcome: what listeners and the page get; readings are told
                           together, a few times a second (untold.UntoldReadings)

Pure: no socket, clock or log. The state is a fold over the records fed, so the journal rebuilds
it, and a snapshot with the records after it gives what all records would have given.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf, nextafter
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.absence import Absence
from tocsin.ingest.alerts.alert import Alert, Evidence
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.batch import Batch, Judged
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.delivery.self_alarm import CHANNEL_FAILS, subject_of
from tocsin.ingest.derived import batch_of
from tocsin.ingest.downtime import Downtime
from tocsin.ingest.facts import (
    AlertCommand,
    AlertsCommand,
    AlertsMarked,
    ChannelTurned,
    Connected,
    Derived,
    DevicesExpected,
    Disconnected,
    Fact,
    MaintenanceCancelled,
    MaintenancePlanned,
    Outage,
    ProfilesConfigured,
    Record,
    Refused,
    RuleDeleted,
    RuleFileLoaded,
    RulePut,
    Started,
    TagsConfigured,
    TagsPut,
    ZoneDeleted,
    ZoneFileLoaded,
    ZonePut,
)
from tocsin.ingest.faults import Faults
from tocsin.ingest.geo.zone_set import ZoneSet
from tocsin.ingest.intake import Intake
from tocsin.ingest.judge import Judge
from tocsin.ingest.outcome import Outcome, Readings
from tocsin.ingest.plausibility import Plausibility
from tocsin.ingest.presence import PresenceBook
from tocsin.ingest.refusals import Refusals
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleChange, RuleSet
from tocsin.ingest.settings import Settings
from tocsin.ingest.skew import ClockSkew
from tocsin.ingest.snapshot import Copies, Frozen, decode, freeze
from tocsin.ingest.turn import Turn
from tocsin.ingest.untold import UntoldReadings
from tocsin.ingest.views import ClockView, DeviceView, PipelineStats, view_device, view_totals
from tocsin.ingest.waiting import PORTION, WaitingRows

Floats = NDArray[np.float64]


class Pipeline:
    """Owns the stages and the order in which they see things.

    Time is an argument: `now` is engine time and never goes back. Timers that are due fire first,
    each at its own due time, so feeding nothing more often changes nothing.
    """

    def __init__(self, settings: Settings, decoder: Decoder) -> None:
        self.settings = settings
        self._decoder = decoder
        self.catalogue = Catalogue(settings)
        self.rules = RuleSet()
        self.zones = ZoneSet()
        self.refusals = Refusals(settings.caps)
        self.presence = PresenceBook(settings, self.catalogue)
        self.flaps = FlapLimits(settings.flap_rings, settings.flap_within_s, settings.flap_hold_s)
        self.alerts = AlertBook(self.flaps, self._gateway_of, self._evidence)
        self.faults = Faults()
        self._intake = Intake(
            settings.caps, decoder, self.catalogue, self.presence, self.refusals, self.faults
        )
        self._plausibility = Plausibility(settings, self.catalogue, self.faults)
        self._skew = ClockSkew()
        self._judge = Judge(self.catalogue, self.faults, self.zones)
        self.absence = Absence(self.catalogue, self._judge)
        self.downtime = Downtime()
        self._waiting = WaitingRows(
            self.catalogue, self.presence, self._judge, settings.future_tolerance_s
        )
        self._untold = UntoldReadings()
        self._messages_total = 0
        self._rows, self._rows_at = 0, -np.inf  # that arrived at that instant

    def feed(self, records: Sequence[Record], now: float) -> Outcome:
        """Fire what is due until `now`, then take in `records`, which arrived at `now`."""
        outcome = Outcome(now)
        devices, series = len(self.catalogue.devices), self.catalogue.series_count
        if records and isinstance(records[0], Started | Outage):
            # Before its timers: it was us who were away, not the devices.
            self._take_in_waiting()
            self._apply(records[0], outcome)
        self._fire_due(outcome)
        messages: list[Message] = []
        for record in records:
            if isinstance(record, Message):
                messages.append(record)
            elif not isinstance(record, BrokerFact):
                self._messages(messages, outcome)
                messages.clear()
                self._take_in_waiting()
                self._apply(record, outcome)
        self._messages(messages, outcome)
        if self._untold.many:
            self._take_in_waiting(PORTION)
            outcome.readings = self._untold.take(before=self._waiting.since)
        outcome.waiting = bool(self._waiting or self._untold)
        outcome.new_devices = self.catalogue.devices[devices:]
        outcome.new_series = list(range(series, self.catalogue.series_count))
        return outcome

    def newcomer(self, record: Record) -> str | None:
        """The topic of a message, if nothing came on it before."""
        if isinstance(record, Message) and self._intake.is_new(record.topic):
            return record.topic
        return None

    def take_in_some(self) -> bool:
        """Take in a portion of the rows that wait: whether more do. It changes nothing, and leaves
        `settle` less to do.
        """
        self._take_in_waiting(PORTION)
        return bool(self._waiting)

    def settle(self, now: float) -> Outcome:
        """Tell the readings that wait. Doing it more often changes nothing."""
        outcome = Outcome(now)
        self._tell_readings(outcome)
        return outcome

    def replay(self, on: bool) -> None:
        """Whether what is fed was judged before, and nobody waits for it."""
        self._judge.replays = on

    def next_due(self) -> float | None:
        """When `feed` should be called at the latest, also if nothing arrives."""
        dues = (
            self.presence.next_due(),
            self.alerts.next_due(),
            self.absence.next_due(),
            self._next_hour(),
        )
        return min((due for due in dues if due is not None), default=None)

    # -- stages

    def _messages(self, messages: Sequence[Message], outcome: Outcome) -> None:
        while messages:
            messages = messages[self._some_messages(messages, outcome) :]

    def _some_messages(self, messages: Sequence[Message], outcome: Outcome) -> int:
        """Take in as many messages as can be judged at once: how many."""
        now = outcome.at
        try:
            batch, presence, taken = self._intake.gather(messages, now)
        except Exception as error:
            self.faults.note(f"{len(messages)} messages", error)
            self._messages_total += len(messages)
            return len(messages)
        self._messages_total += taken
        outcome.presence += presence
        self._retag(self._intake.take_retagged(), outcome)
        self._number(batch, now)
        try:
            rest = self._waiting.keep(batch, now)
        except Exception as error:
            self.faults.note(f"a glance at {len(batch.series)} readings", error)
            rest = batch
        if rest is not None:
            if self._waiting.concern(rest.device):
                self._take_in_waiting()
            self._judge_now(rest, outcome)
        if self._waiting.many:
            self._take_in_waiting(PORTION)
        return taken

    def _number(self, batch: Batch, now: float) -> None:
        """Count the rows that arrive at `now`."""
        first = self._rows if now == self._rows_at else 0
        self._rows, self._rows_at = first + len(batch.device), now
        if first:
            batch.place[:] += first

    def _derive(self, fact: Derived, outcome: Outcome) -> None:
        """Judge what a function made of readings that were judged before. No device said it, so
        none is heard of by it."""
        batch, problems = batch_of(fact, self.catalogue)
        outcome.problems += problems
        if len(batch.device):
            self._number(batch, outcome.at)
            self._judge_now(batch, outcome, heard=False)

    def _judge_now(self, batch: Batch, outcome: Outcome, *, heard: bool = True) -> None:
        try:
            self._readings(batch, outcome, heard)
        except Exception as error:
            rows = np.arange(len(batch.device))
            if len(rows) == 1:
                self._lose(batch, error)
                return
            for row in rows:
                try:
                    self._readings(batch.only(rows == row), outcome, heard)
                except Exception as error:
                    self._lose(batch.only(rows == row), error)

    def _readings(self, batch: Batch, outcome: Outcome, heard: bool) -> None:
        """Judge a batch. What it raises, it raises before anything has changed."""
        now = outcome.at
        judged, event_time = self._plausibility.judge(batch, now)
        if heard:
            self.catalogue.heard.values[judged.device[self._news(judged)]] = now
            self._skew.reach(len(self.catalogue.devices))
            self._skew.note(batch.device, batch.ts, now)
        try:
            turns = self._judge.take(judged)
        except Exception as error:
            self._judge.mistrust()
            self.faults.note(f"judging {len(judged.row)} readings", error)
            turns: list[Turn] = []
        self._signal(turns, now, outcome)
        try:
            if heard:
                reported = judged.device[judged.nth == 0]
                outcome.presence += self.presence.reported(reported, now)
            self.absence.reported(judged, now, self._judge.ended)
        except Exception as error:
            self.faults.note(f"the presence of {len(judged.device)} devices", error)
        self._waiting.passed(judged.device, judged.row_time, judged.device[judged.row], event_time)
        self._untold.add(
            Readings(
                judged.series,
                event_time,
                judged.value,
                judged.late,
                np.full(len(judged.row), now),
                batch.place[judged.row],
            )
        )

    def _news(self, judged: Judged) -> NDArray[np.bool_]:
        """Which rows say something new: the device is not silent."""
        news = judged.row_time > self.catalogue.watermark.values[judged.device]
        news[judged.row[~judged.late]] = True
        return news

    def _look_at_silent(self, outcome: Outcome) -> None:
        """The next device that silence may have turned a rule for."""
        self._take_in_waiting()
        due, turns = self.absence.fire_next()
        self._signal(turns, due, outcome)

    def _evidence(self, alert: Alert, at: float) -> Evidence | None:
        self._take_in_waiting()
        return self._judge.evidence(alert, at, self.absence.silence_of)

    def _next_hour(self) -> float | None:
        return self.catalogue.site.next_turn if self._judge.reads_hour else None

    def _turn_hour(self, outcome: Outcome) -> None:
        self._take_in_waiting()
        due = self.catalogue.site.next_turn
        self.catalogue.site.set(due)
        self._signal(self._judge.hour_turned(due, self.absence.silence_of), due, outcome)
        if self._judge.reads_hour_and_ages:
            self.absence.use(due)

    def _signal(self, turns: Sequence[Turn], now: float, outcome: Outcome) -> None:
        for turn in turns:
            subject, name = turn.about(self.catalogue.devices)
            try:
                outcome.alerts += self.alerts.signal(
                    turn.rule, subject, name, turn.truth, turn.time, now, turn.values, turn.evidence
                )
            except Exception as error:
                self.faults.note(f"a turn of rule {turn.rule.name!r} for {subject!r}", error)

    def _expect(self, devices: Sequence[str], outcome: Outcome) -> None:
        """Know these devices before their first message, and miss them if they do not come."""
        for name in devices:
            self._know(name, outcome)
        self.absence.expect(devices, outcome.at)

    def _know(self, name: str, outcome: Outcome) -> int | None:
        """The id of a device, also of one that was never heard of; None where there is no room."""
        try:
            device = self.catalogue.admit_device(name)
        except ValueError as error:
            outcome.problems.append(str(error))
            return None
        self.presence.reach(len(self.catalogue.devices))
        return device

    def _lose(self, batch: Batch, error: Exception) -> None:
        """A row that could not be told to be plausible, or not."""
        name = self.catalogue.devices[batch.device.item(0)]
        self.faults.note(f"{len(batch.series)} readings of {name!r}", error)

    def _take_in_waiting(self, readings: int | None = None) -> None:
        """Do with the rows that wait what was put off; where it is given, with the oldest ones that
        have about so many readings.
        """
        if not self._waiting:
            return
        calm = self._waiting.take(readings)
        self.catalogue.heard.values[calm.device] = calm.arrival  # of a device, the last one stays
        try:
            self._plausibility.remember(calm)
            self._skew.reach(len(self.catalogue.devices))
            self._skew.note(calm.device, calm.time_stated, calm.arrival)
            self._judge.take_calm(calm)
        except Exception as error:
            self._judge.mistrust()
            self.faults.note(f"taking in {len(calm.row)} readings", error)
        row, late = calm.row, np.zeros(len(calm.row), np.bool_)
        self._untold.add(
            Readings(
                calm.series, calm.time[row], calm.value, late, calm.arrival[row], calm.place[row]
            )
        )

    def _tell_readings(self, outcome: Outcome) -> None:
        self._take_in_waiting()
        outcome.readings = self._untold.take()

    def _apply(self, fact: Fact, outcome: Outcome) -> None:
        """Take in a fact; a fault costs that fact only."""
        try:
            self._fact(fact, outcome)
        except Exception as error:
            kind = type(fact).__name__
            self.faults.note(f"a fact ({kind})", error)
            outcome.problems.append(f"{kind} failed by a fault of the server: {error!r}")

    def _fact(self, fact: Fact, outcome: Outcome) -> None:
        now = outcome.at
        match fact:
            case Started(_, last_at):
                outcome.presence += self.presence.started(now)
                self.absence.resumed(now)
                if last_at is not None:
                    self.downtime.note(nextafter(last_at, inf), now)
            case Outage(since):
                self.presence.resumed(now)
                self.absence.resumed(now)
                self.downtime.note(since, now)
            case DevicesExpected(devices):
                self._expect(devices, outcome)
            case Connected(client):
                outcome.presence += self.presence.connected(client, now)
            case Disconnected(client, reason):
                outcome.presence += self.presence.disconnected(client, reason)
            case Refused(message, reason):
                self._messages_total += 1
                outcome.presence += self._intake.refuse(message, reason, now)
                self._retag(self._intake.take_retagged(), outcome)
            case RulePut(rule, by):
                self._change_rules(lambda: self.rules.put(rule, by=by, at=now), outcome)
            case RuleDeleted(name, by):
                self._change_rules(lambda: self.rules.delete(name), outcome, by)
            case RuleFileLoaded(rules, file):
                self._change_rules(lambda: self.rules.load(rules, file=file, at=now), outcome)
            case ZonePut(zone, by):
                self._change_zones(lambda: self.zones.put(zone, by=by, at=now), outcome)
            case ZoneDeleted(name):
                readers = self.readers_of(name)
                self._change_zones(lambda: self.zones.delete(name, readers, at=now), outcome)
            case ZoneFileLoaded(zones, file):
                self._change_zones(lambda: self.zones.load(zones, file=file, at=now), outcome)
            case TagsConfigured(tables):
                tags, names = self.catalogue.tags, self.catalogue.devices
                self._retag(tags.configure(tables, names), outcome)
            case ProfilesConfigured(tables):
                tags, names = self.catalogue.tags, self.catalogue.devices
                self._retag(tags.configure_profiles(tables, names), outcome)
            case TagsPut(name, given, _, anew):
                device = self._know(name, outcome) if anew else self.catalogue.device_id(name)
                if device is None:
                    outcome.problems.append(f"device {name!r} is not known; expected one that is")
                elif self.catalogue.tags.give(device, given):
                    self._retag([device], outcome)
            case AlertCommand():
                self._change_alerts(lambda: self.alerts.command(fact, now), outcome)
            case AlertsCommand():
                self._change_alerts(lambda: self.alerts.command_all(fact, now), outcome)
            case AlertsMarked(alerts, durable):
                outcome.alerts += self.alerts.mark(alerts, durable, now)
            case ChannelTurned(channel, reason):
                subject, why = subject_of(channel), {"reason": reason or "it works again"}
                outcome.alerts += self.alerts.signal(
                    CHANNEL_FAILS, subject, None, reason is not None, now, now, why
                )
            case Derived():
                self._derive(fact, outcome)
            case MaintenancePlanned(plan):
                self._change_alerts(lambda: self.alerts.plan(plan, now), outcome)
            case MaintenanceCancelled(window):
                self._change_alerts(lambda: self.alerts.cancel(window, now), outcome)
            case _:
                assert_never(fact)

    def _change_alerts(self, change: Callable[[], list[Alert]], outcome: Outcome) -> None:
        """What a person wants, if it can be done; here as in every replay."""
        try:
            outcome.alerts += change()
        except (KeyError, ValueError) as error:
            outcome.problems.append(_told(error))

    def _gateway_of(self, device: str) -> str | None:
        """The client that last carried a device's messages, if it is another one."""
        found = self.catalogue.device_id(device)
        via = None if found is None else self.presence.view(found).via
        return None if via == device else via

    def _change_rules(
        self, change: Callable[[], RuleChange], outcome: Outcome, by: str = ""
    ) -> None:
        """Rules apply from their place in the order: a new one judges from the next reading on.

        A changed rule goes on where it was, unless it asks for something else than before: then
        its alerts end. A fact that cannot be applied (the name has another source by now)
        changes nothing, here as in every replay.
        """
        before = {rule.rule.name: rule for rule in self.rules.enabled()}
        entries = self.rules.entries()
        try:
            changed = change()
        except (KeyError, ValueError) as error:
            outcome.problems.append(_told(error))
            return
        if not changed:
            return
        outcome.rules_changed = True
        outcome.rule_versions += self.rules.versions(changed, entries, by=by, at=outcome.at)
        rules = self.rules.enabled()
        after = {rule.rule.name: rule for rule in rules}
        anew = [
            name
            for name, rule in before.items()
            if name not in after or _asks(rule.rule) != _asks(after[name].rule)
        ]
        for name in anew:
            outcome.alerts += self.alerts.retire(name, outcome.at, self._why(name))
        for name in sorted(changed.changed):
            if name in after and name not in anew:
                outcome.alerts += self.alerts.amend(after[name].rule, outcome.at)
        self._judge.use(rules, anew)
        if self._judge.reads_hour:
            self.catalogue.site.set(outcome.at)
        fresh = {name for name in after if name not in before or name in anew}
        self._signal(self._judge.muster(fresh, outcome.at), outcome.at, outcome)
        self.absence.use(outcome.at)
        self._look_at_overdue(outcome)

    def _look_at_overdue(self, outcome: Outcome) -> None:
        """At once, as every timer that is due: before the readings behind it."""
        while (due := self.absence.next_due()) is not None and due <= outcome.at:
            self._look_at_silent(outcome)

    def _change_zones(self, change: Callable[[], set[str]], outcome: Outcome) -> None:
        """Zones apply from their place in the order, to where each device was last."""
        try:
            changed = change()
        except (KeyError, ValueError) as error:
            outcome.problems.append(_told(error))
            return
        if changed:
            self._signal(self._judge.zones_changed(changed, outcome.at), outcome.at, outcome)

    def _retag(self, devices: Sequence[int], outcome: Outcome) -> None:
        """These devices have other tags: other rules may be for them, from here on."""
        if not devices:
            return
        self._take_in_waiting()
        now = outcome.at
        for device in devices:
            name = self.catalogue.devices[device]
            lapsed, turns = self._judge.retagged(device, now)
            for rule in lapsed:
                outcome.alerts += self.alerts.lapse(rule, name, now, "tags changed")
            self._signal(turns, now, outcome)
            self.absence.retagged(device, now)
            outcome.retagged.append(name)
        self._look_at_overdue(outcome)

    def readers_of(self, zone: str) -> list[str]:
        """The rules that name a zone."""
        names = (entry.rule.name for entry in self.rules.entries())
        return [name for name in names if zone in self.rules.checked(name).zones]

    def _why(self, name: str) -> str:
        """Why the alerts of a rule that was in force end."""
        kept = self.rules.get(name)
        if kept is None:
            return "rule deleted"
        return "rule changed" if kept.rule.enabled else "rule disabled"

    def _fire_due(self, outcome: Outcome) -> None:
        self.presence.look_ahead(outcome.at)
        try:
            while (due := self.next_due()) is not None and due <= outcome.at:
                if self.presence.next_due() == due:
                    outcome.presence += self.presence.fire_next()[1]
                elif self.alerts.next_due() == due:
                    outcome.alerts += self.alerts.fire_next()[1]
                elif self._next_hour() == due:
                    self._turn_hour(outcome)
                else:
                    self._look_at_silent(outcome)
        except Exception as error:  # the others that are due are fired by the next feed
            self.faults.note("a timer", error)

    # -- views

    def device(self, name: str) -> DeviceView | None:
        self._take_in_waiting()
        device = self.catalogue.device_id(name)
        return None if device is None else self._view(device, self._skew_of([device]).item())

    def devices(self, names: Iterable[str] | None = None) -> list[DeviceView]:
        """Those of these names that are known, in that order; else all, in order of appearance."""
        self._take_in_waiting()
        if names is None:
            devices: Sequence[int] = range(len(self.catalogue.devices))
        else:
            found = map(self.catalogue.device_id, names)
            devices = [device for device in found if device is not None]
        skew_s = self._skew_of(devices).tolist()
        return [self._view(*each) for each in zip(devices, skew_s, strict=True)]

    def stats(self) -> PipelineStats:
        self._take_in_waiting()
        devices = len(self.catalogue.devices)
        self._skew.reach(devices)
        wrong = self._skew.wrong(devices, self.settings.clock_tolerance_s)
        return view_totals(self._messages_total, self.catalogue, self.refusals, wrong)

    def _skew_of(self, devices: Sequence[int]) -> Floats:
        self._skew.reach(len(self.catalogue.devices))
        return self._skew.of(np.array(devices, np.intp))

    def _view(self, device: int, skew_s: float) -> DeviceView:
        wrong = abs(skew_s) > self.settings.clock_tolerance_s
        clock = ClockView(None if skew_s != skew_s else skew_s, wrong)
        fixes = self._judge.fixes
        return view_device(device, self.catalogue, self.presence, self.refusals, fixes, clock)

    # -- snapshots

    def snapshot(self) -> bytes:
        """Everything that later outcomes depend on, after `settle`: what was told is not in it."""
        return b"".join(self.freeze().parts())

    def freeze(self, copies: Copies | None = None) -> Frozen:
        """`snapshot`, of which the larger part of the work can be done in another thread. It is
        made of `copies`, which nobody else may use until that is done.
        """
        if self._waiting or self._untold:
            raise RuntimeError("readings wait to be told; expected `settle` before a snapshot")
        return freeze(self._state(), copies)

    def room_for_copies(self) -> Callable[[], Copies]:
        """What makes, in any thread, the memory that `freeze` needs now."""
        return Copies.for_state(self._state())

    def _state(self) -> dict[str, Any]:
        return {
            "messages_total": self._messages_total,
            "rows": [self._rows, self._rows_at],
            "catalogue": self.catalogue.state(),
            "presence": self.presence.state(),
            "refusals": self.refusals.state(),
            "plausibility": self._plausibility.state(),
            "skew": self._skew.state(len(self.catalogue.devices)),
            "rules": self.rules.snapshot(),
            "zones": self.zones.state(),
            "alerts": self.alerts.snapshot(),
            "judge": self._judge.state(),
            "absence": self.absence.state(),
            "downtime": self.downtime.state(),
        }

    def restore(self, data: bytes) -> None:
        """Become what `data` was taken from.

        Raises ValueError for what is not a snapshot of this format; the pipeline is empty then.
        """
        try:
            state: dict[str, Any] = decode(data)
            self._messages_total = state["messages_total"]
            self._rows, self._rows_at = state["rows"]
            self.catalogue.load(state["catalogue"])
            self.presence.load(state["presence"])
            self.refusals.load(state["refusals"])
            self._plausibility.load(state["plausibility"])
            self._skew.load(state["skew"])
            self.rules.restore(state["rules"])
            self.zones.restore(state["zones"])
            self.alerts.restore(state["alerts"])
            self._judge.load(state["judge"], self.rules.enabled())
            self.absence.load(state["absence"])
            self.downtime.load(state["downtime"])
            self._intake.forget()
            self._waiting.forget()
        except (LookupError, TypeError, ValueError) as error:
            self.__init__(self.settings, self._decoder)
            raise ValueError(f"the snapshot cannot be restored: {error!r}") from error


def _told(error: KeyError | ValueError) -> str:
    """What an error says; that of a KeyError would be in quotes."""
    return str(error.args[0]) if error.args else str(error)


def _asks(rule: Rule) -> tuple[object, ...]:
    """What makes a rule the same question as before, whatever else about it changed."""
    return rule.when, rule.clear, rule.devices, rule.tags, rule.group_by
