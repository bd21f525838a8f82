"""The async shell around the pure pipeline: journal and judge side by side.

    submit, record ─┬─> journal.append ──> committed ──> on_committed    not to be taken back
                    └─> pipeline.feed ───> Outcome ────> on_outcome      perhaps ahead of the disk

The engine owns the order: what is appended to the journal is fed to the pipeline in the same
turn of the event loop, so a replay of the journal gives the same outcomes. It wakes the
pipeline when a timer is due, and makes checkpoints.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
import structlog

from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.alerts.maintenance import Maintenance
from tocsin.ingest.backlog import Backlog, Portion
from tocsin.ingest.backtest.preparation import Scope, request_of, scope_of
from tocsin.ingest.backtest.report import Report
from tocsin.ingest.backtest.request import Progress
from tocsin.ingest.checkpoint import Checkpoints
from tocsin.ingest.clock import EngineClock
from tocsin.ingest.companion import Companion
from tocsin.ingest.delivery.actions import find_unfit_actions
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.durability import Durability
from tocsin.ingest.effects import Effects
from tocsin.ingest.facts import (
    AlertCommand,
    AlertsCommand,
    AlertsMarked,
    Derived,
    DevicesExpected,
    Fact,
    MaintenanceCancelled,
    MaintenancePlanned,
    Outage,
    ProfilesConfigured,
    Record,
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
from tocsin.ingest.geo import zone_set
from tocsin.ingest.geo.zone import Zone, ZoneError
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.recovery import end_forgotten, made_by_people, restore
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import API
from tocsin.ingest.rules.rule_step import RuleStep
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate
from tocsin.ingest.settings import EngineSettings, Settings
from tocsin.ingest.status import EngineStatus
from tocsin.ingest.storage.history.history import (
    History,
    HistorySettings,
    Series,
)
from tocsin.ingest.storage.journal import (
    Journal,
    JournalSettings,
    JournalUnavailable,
)
from tocsin.ingest.storage.outbox import OutboxStore
from tocsin.ingest.storage.snapshots import Snapshots
from tocsin.ingest.storage.state import StateSettings, StateStore, Transition
from tocsin.ingest.unsaved import UnsavedReadings
from tocsin.ingest.upkeep import Upkeep
from tocsin.ingest.window_results import Group, Hops, Pauses, WindowResults
from tocsin.ingest.windows.results import Results
from tocsin.ingest.workers import Workers

log = structlog.get_logger(__name__)

Listener = Callable[[Outcome], None]

_FAILURE_LOG_S = 1.0
LONG_REPLAY_S = 1.0
"""A replay at the start that took longer is followed by a checkpoint at once."""


def pass_on(done: "asyncio.Future[int]", waiting: "asyncio.Future[int]") -> None:
    """Give `waiting` what `done` gets."""

    def settle(done: "asyncio.Future[int]") -> None:
        if waiting.done():
            return
        if done.cancelled():
            waiting.cancel()
        elif error := done.exception():
            waiting.set_exception(error)
        else:
            waiting.set_result(done.result())

    done.add_done_callback(settle)


def _lingers(records: Sequence[Record]) -> bool:
    """Whether nobody waits for these to be on disk."""
    return bool(records) and all(isinstance(r, Message) and r.qos == 0 for r in records)


class Engine:
    """State: the pipeline, the journal's newest commit, the wake-up armed, background tasks."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        decoder: Decoder,
        database: Database,
        *,
        engine: EngineSettings | None = None,
        journal: JournalSettings | None = None,
        history: HistorySettings | None = None,
        state: StateSettings | None = None,
        channels: Sequence[Channel] = (),
        clock: Callable[[float], EngineClock] = EngineClock,
    ) -> None:
        self._new_clock = clock
        self._settings = engine or EngineSettings()
        self._tag_tables = list(settings.tags)
        self._profile_tables = settings.profile_tables()
        self._expected = [name for profile in settings.profiles for name in profile.expected]
        self.pipeline = Pipeline(settings, decoder)
        self._journal = Journal.open(folder / "journal", journal)
        self.workers = Workers()
        self.history = History(folder / "history", self.workers, history)
        self._snapshots = Snapshots(folder / "snapshots")
        self.state = StateStore(database, state)
        self.unsaved = UnsavedReadings(self._settings.unsaved_readings)
        self.outbox = Outbox(channels, OutboxStore(database), lambda: self.pipeline.alerts.open())
        self._checkpoints = Checkpoints(
            self.pipeline,
            self.unsaved,
            self._journal,
            self.history,
            self._snapshots,
            self.state,
            self.outbox,
        )
        self._durability = Durability(lambda: self.pipeline.alerts, self._mark)
        self._effects = Effects(
            self._tell_committed, self._settings.patience_s, self._durability.overdue
        )
        self._newest: asyncio.Future[int] | None = None
        # True while the state is ahead of the journal: something that was judged was refused there.
        self._ahead = False
        self._checkpoint_soon = False
        self._wake: asyncio.TimerHandle | None = None
        self._wake_due = float("inf")
        self.upkeep = Upkeep()
        self._gathered: list[Record] = []
        self._gathered_at = self._last_batch_at = float("-inf")
        self._backlog = Backlog(self._settings.turn_s, self.pipeline.newcomer)
        self._goes_on = False  # the backlog has a turn of the event loop to come
        self.on_outcome: list[Listener] = []
        self.on_committed: list[Listener] = []
        # The newest alert of each alarm that the replay at the start saw change.
        self._replayed: dict[tuple[str, str], Alert] = {}
        self._failures = 0
        self._failure_logged_at = float("-inf")

    def accompany(self, companion: Companion) -> None:
        """From the coming `start` on, `companion` is rebuilt and snapshotted with the pipeline."""
        self._checkpoints.companion = companion

    # -- start and stop -------------------------------------------------------------------

    async def start(
        self,
        version: str,
        file_rules: Sequence[Rule] = (),
        file: str = "rules.toml",
        file_zones: Sequence[Zone] = (),
        zone_file: str = "zones.geojson",
    ) -> None:
        """Rebuild the state from snapshot and journal, then run; also on a full disk, where it
        judges and rings and stores nothing. `file` names where `file_rules` come from, `zone_file`
        where `file_zones` do.

        Raises JournalCorrupt, and RuleError if a rule in a file has the name of one made in
        the page.
        """
        last_at = await self._recover()
        self.clock = self._new_clock(last_at or 0.0)
        self.record(Started(version, last_at))
        if set(self._expected) != set(self.pipeline.absence.expected):
            self.record(DevicesExpected(self._expected))
        if self._tag_tables != list(self.pipeline.catalogue.tags.tables):
            self.record(TagsConfigured(self._tag_tables))
        if self._profile_tables != list(self.pipeline.catalogue.tags.profile_tables):
            self.record(ProfilesConfigured(self._profile_tables))
        self.pipeline.rules.check_file_names(rule.name for rule in file_rules)
        self.check_actions(file_rules)
        self._start_zones(file_zones, zone_file, file_rules)
        if file_rules or any(e.source != API for e in self.pipeline.rules.entries()):
            self.record(RuleFileLoaded(list(file_rules), file))
        self._durability.start()
        settings = self._settings
        self.upkeep.run(self._checkpoint_now_and_then())
        self.upkeep.every(settings.transitions_s, "alert transitions", self.save_transitions)
        self.upkeep.every(
            settings.maintenance_s,
            "history maintenance",
            lambda: self.history.maintain(self.clock.now()),
        )

    async def stop(self, within_s: float = 2.0) -> None:
        """Stop the timers and make a last checkpoint, if it can be had in three quarters of that
        time; the journal has the rest for what waits.

        Without it nothing is lost: the next start replays a little more.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        self._take_gathered()
        self._judge_all()
        if self._wake:
            self._wake.cancel()
        await self.upkeep.stop()
        try:
            async with asyncio.timeout(within_s * 0.75):
                await self.checkpoint()
        except Exception as error:
            log.warning("no checkpoint at the end; the next start replays", error=repr(error))
        await self._journal.close(max(deadline - loop.time(), within_s * 0.1))
        # What the journal committed last answers before the effects that still wait go out.
        await asyncio.sleep(0)
        self._durability.close()
        self._effects.close()
        await self.upkeep.attempt("the outbox", self.outbox.save())
        await self.workers.close(max(deadline - loop.time(), within_s * 0.1))

    async def _recover(self) -> float | None:
        """Snapshot, then the journal behind it, through the code that first judged it."""
        companion, began = self._checkpoints.companion, time.monotonic()
        last_at = self._journal.last_at
        facts: list[Fact] = []
        snapshot = restore(self._snapshots, self.pipeline, companion)
        if snapshot:
            position = snapshot.position
            last_at = max(snapshot.at, last_at or 0.0)
        elif position := self._journal.begins_behind:
            facts = await self._made_by_people(position)
        covered, entries = self.history.covered(), 0
        self.outbox.begin(self._journal.last_position)
        stored = position <= covered
        self.pipeline.replay(True)
        for entry in self._journal.replay(position):
            companion.replay(entry.records, entry.at, entry.position)
            if stored and entry.position > covered:
                stored = False
                self.pipeline.settle(entry.at)  # told until here is in history
            outcome = self._feed([*facts, *entry.records], entry.at)
            facts.clear()
            if outcome and outcome.readings and not stored:
                self.unsaved.add(outcome.readings)
            if outcome and outcome.alerts:
                self._checkpoints.note(outcome.alerts, outcome.at)
                self.outbox.replay(outcome.alerts, entry.position, outcome.at)
                self._replayed |= {(each.rule, each.subject): each for each in outcome.alerts}
            if outcome and outcome.rule_versions:
                self._checkpoints.note_rules(outcome.rule_versions)
            entries += 1
        if facts:
            self._feed(facts, last_at or time.time())
        rest = self.pipeline.settle(last_at or 0.0)
        self.pipeline.replay(False)
        if rest.readings and not stored:
            self.unsaved.add(rest.readings)
        took_s = time.monotonic() - began
        # Who is killed again and again must not have more to replay each time.
        self._checkpoint_soon = took_s > LONG_REPLAY_S
        log.info("recovered", snapshot=position, replayed=entries, seconds=round(took_s, 2))
        return last_at

    async def _made_by_people(self, position: int) -> list[Fact]:
        """What people made, out of state.db: no snapshot says what they were at `position`, behind
        which the journal begins. Alerts there that nobody watches any more end.
        """
        facts = await made_by_people(self.state)
        log.error(
            "no snapshot can be used: devices and windows begin anew",
            position=position,
            rules_zones_and_tags=len(facts),
            alerts_ended=await end_forgotten(self.state, time.time()),
        )
        return facts

    # -- the flow -------------------------------------------------------------------------

    def submit(self, messages: Sequence[Message | BrokerFact], at: float) -> "asyncio.Future[int]":
        """Journal and judge messages that arrived at `at`. The future is done when they are on
        disk, with their position there, and raises JournalUnavailable if they are not and never
        will be; judged they are. Facts of the broker are kept in their place between them.

        What comes within `pace_s` of the batch before is gathered for the next one. What does not
        fit in a turn of the event loop is judged in several.
        """
        return self._gather(messages, at)

    def note(self, fact: Fact) -> "asyncio.Future[int]":
        """Journal and apply a fact in its turn, as a message: nobody waits for what comes of it."""
        return self._gather((fact,), self.clock.now())

    def _gather(self, records: Sequence[Record], at: float) -> "asyncio.Future[int]":
        if not self._gathered:
            wait_s = self._last_batch_at + self._settings.pace_s - at
            if wait_s <= 0:
                return self._take_batch(records, at)
            loop = asyncio.get_running_loop()
            self._gathered_at = at
            self._gathering: asyncio.Future[int] = loop.create_future()
            loop.call_later(wait_s, self._take_gathered, self._gathering)
        before = self.room()
        self._gathered += records
        if before > 0 >= self.room():  # enough for a turn: nothing more is worth waiting for
            asyncio.get_running_loop().call_soon(self._take_gathered, self._gathering)
        return self._gathering

    def room(self) -> int:
        """How many more messages can be judged in one turn of the event loop with those that wait;
        below 1: who can wait should."""
        return self._backlog.share - len(self._backlog) - len(self._gathered)

    def record(self, fact: Fact) -> "asyncio.Future[int]":
        """Journal and apply one fact, as `submit`, at once."""
        return self._take([fact], self._now())[1]

    def derive(self, readings: Derived) -> "tuple[list[str], asyncio.Future[int]]":
        """Journal and judge what a function made: why some of it was refused, and the commit."""
        outcome, committed = self._take([readings], self._now())
        return outcome.problems if outcome else ["the pipeline failed; see the log"], committed

    def _take_batch(self, records: Sequence[Record], at: float) -> "asyncio.Future[int]":
        """Journal a batch and judge what fits in this turn, unless others wait to be judged."""
        self._last_batch_at = self.clock.now()
        if at - self._backlog.newest_at >= self._settings.stall_s:
            self._judge_all()
        waits = bool(self._backlog)
        if not waits:
            records = self._with_outage(records, at)
        committed = self._append(records, at)
        self._backlog.add(Portion(records, at, committed))
        if not waits:
            self._judge_some()
        return committed

    def _judge_some(self) -> None:
        """Judge a portion of what waits; the next one has a turn of its own."""
        portion = self._backlog.take()
        if portion is None:
            return
        began = time.thread_time()
        if outcome := self._feed(portion.records, portion.at):
            self._tell(outcome, portion.committed)
        self._backlog.took(len(portion.records), time.thread_time() - began)
        if not self._backlog:
            self._set_alarm_clock()
        elif not self._goes_on:
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on = False
        self._judge_some()

    def _judge_all(self) -> None:
        """Judge what waits now, for something that must come after it."""
        while self._backlog:
            self._judge_some()

    def _take_gathered(self, gathering: "asyncio.Future[int] | None" = None) -> None:
        """Take in what was gathered, unless that was done already for something that follows it."""
        if not self._gathered or (gathering and gathering is not self._gathering):
            return
        records, self._gathered = self._gathered, []
        pass_on(self._take_batch(records, self._gathered_at), self._gathering)

    def _now(self) -> float:
        """The time, for something that comes after all that arrived so far."""
        self._take_gathered()
        self._judge_all()
        return self.clock.now()

    def _mark(self, alerts: Sequence[str], durable: bool) -> None:
        """Journal and apply that alerts are on disk, or are not yet."""
        self._take([AlertsMarked(list(alerts), durable)], self._now(), as_it_is=True)

    def _take(
        self, records: Sequence[Record], at: float, *, as_it_is: bool = False
    ) -> "tuple[Outcome | None, asyncio.Future[int]]":
        records = self._with_outage(records, at)
        committed = self._append(records, at)
        outcome = self._feed(records, at)
        if outcome:
            self._tell(outcome, committed, as_it_is=as_it_is)
        self._set_alarm_clock()
        return outcome, committed

    def _append(self, records: Sequence[Record], at: float) -> "asyncio.Future[int]":
        self._newest = committed = self._journal.append(records, at, lingers=_lingers(records))
        committed.add_done_callback(self._answered)
        return committed

    def _newest_commit(self) -> "asyncio.Future[int]":
        """The commit of the newest append; `start` makes the first."""
        assert self._newest is not None
        return self._newest

    def _answered(self, committed: "asyncio.Future[int]") -> None:
        """A refused batch was judged all the same: a checkpoint brings journal and state together
        again (`_checkpoint_now_and_then`), so that a restart does not ring a second time."""
        if not committed.cancelled() and committed.exception() is not None:
            self._ahead = True

    def _feed(self, records: Sequence[Record], at: float) -> Outcome | None:
        try:
            outcome = self.pipeline.feed(records, at)
        except Exception as error:
            # Ours to mend, but not a reason to stop judging what comes after it.
            self._failures += 1
            self._failed(f"a batch of {len(records)} records", error, at)
            return None
        for fault in self.pipeline.faults.take():
            self._failed(fault.cost, fault.error, at)
        return outcome

    def _failed(self, cost: str, error: Exception, at: float) -> None:
        """Say what a fault of ours has cost; in the log once a second at most."""
        if not at - self._failure_logged_at < _FAILURE_LOG_S:
            self._failure_logged_at = at
            log.error("a fault of the pipeline", cost=cost, exc_info=error)

    def _tell(
        self, outcome: Outcome, committed: "asyncio.Future[int]", *, as_it_is: bool = False
    ) -> None:
        if outcome.readings is not None:
            self.unsaved.add(outcome.readings)
        for listener in self.on_outcome:
            listener(outcome)
        if outcome.alerts:
            self._checkpoints.note(outcome.alerts, outcome.at)
        if outcome.rule_versions:
            self._checkpoints.note_rules(outcome.rule_versions)
        if outcome.alerts or outcome.presence:
            self._journal.hurry()
            self._effects.hold(outcome, committed, as_it_is=as_it_is)

    def settle(self) -> None:
        """Tell the readings that wait: before somebody looks at what listeners have of them."""
        outcome = self.pipeline.settle(self.clock.now())
        if outcome.readings:
            self._tell(outcome, self._newest_commit())

    def take_in_some(self) -> bool:
        """See `Pipeline.take_in_some`: for who settles soon, and leaves turns to others before."""
        return self.pipeline.take_in_some()

    def _settle_all(self) -> None:
        """As `settle`, with all that the journal has got so far judged."""
        self._judge_all()
        self.settle()

    def _tell_committed(self, outcome: Outcome) -> None:
        if outcome.alerts:
            self.outbox.take(outcome.alerts, outcome.position, outcome.at)
        for listener in self.on_committed:
            listener(outcome)

    # -- timers ---------------------------------------------------------------------------

    def _set_alarm_clock(self) -> None:
        due = self.pipeline.next_due()
        if due is None or due >= self._wake_due:
            return
        if self._wake:
            self._wake.cancel()
        self._wake_due = due
        delay = max(due - self.clock.now(), self._settings.tick_s)
        self._wake = asyncio.get_running_loop().call_later(delay, self._tick)

    def _with_outage(self, records: Sequence[Record], at: float) -> Sequence[Record]:
        """What is taken in at `at`, after an outage if timers are overdue.

        They fire when they are due unless this process did not run: then what devices sent
        meanwhile waits in their sockets, and nobody was silent.
        """
        # The alarm clock is set to the first timer that is due, or to one before it.
        if self._wake and at - self._wake_due < self._settings.stall_s:
            return records
        due = self.pipeline.next_due()
        if due is None or at - due < self._settings.stall_s:
            return records
        if records and isinstance(records[0], Started | Outage):
            return records
        log.warning("the server stood still", seconds=round(at - due, 1))
        return [Outage(due, at), *records]

    def _tick(self) -> None:
        self._wake, self._wake_due = None, float("inf")
        if self._backlog:
            return  # what waits came before; the last of it sets the alarm clock again
        if outage := self._with_outage((), now := self._now()):
            self._take(outage, now)
        elif outcome := self._feed((), now):
            # Its cause is everything before it. What changed an alert is that time has passed, and
            # a start must know it: it counts silence from then on that nothing in the journal saw.
            passed = self._append((), now) if outcome.alerts else self._newest_commit()
            self._tell(outcome, passed)
        self._set_alarm_clock()

    # -- what people do -------------------------------------------------------------------

    async def put_rule(self, rule: Rule, by: str) -> None:
        """Create or replace a rule; done when that is on disk. Raises RuleError."""
        self.check_names([rule])
        self.check_actions([rule])
        if problem := await self._apply(RulePut(rule, by)):
            raise RuleError("name", problem)

    async def load_rules(self, rules: Sequence[Rule], file: str) -> None:
        """Make `rules` the whole set from files. Raises RuleError and changes nothing where the
        page has a rule of one's name, or one names no channel there is."""
        self.pipeline.rules.check_file_names(rule.name for rule in rules)
        self.check_actions(rules)
        self.check_names(rules)
        if problem := await self._apply(RuleFileLoaded(list(rules), file)):
            raise RuleError("name", problem)

    def check_names(self, rules: Sequence[Rule]) -> None:
        """Raises RuleError for the first rule with a zone, limit or field that is not there."""
        zones = self.pipeline.zones.names()
        stated = self.pipeline.catalogue.tags.stated()
        for rule in rules:
            validate(rule, known_zones=zones, stated=stated)

    def _start_zones(self, zones: Sequence[Zone], file: str, file_rules: Sequence[Rule]) -> None:
        """Have the zones of files. Raises ZoneError, and RuleError where a rule has none, or names
        a limit or a field that no profile states."""
        known = self.pipeline.zones
        known.check_file_names(zone.name for zone in zones)
        names = {zone.name for zone in zones}
        names |= {entry.zone.name for entry in known.entries() if entry.source == zone_set.API}
        stated = self.pipeline.catalogue.tags.stated()
        of_api = [entry.rule for entry in self.pipeline.rules.entries() if entry.source == API]
        for rule in (*file_rules, *of_api):
            try:
                validate(rule, known_zones=names, stated=stated)
            except RuleError as error:
                raise RuleError(error.field, f"{error.message} (rule {rule.name!r})") from None
        if zones or any(entry.source != zone_set.API for entry in known.entries()):
            self.record(ZoneFileLoaded(list(zones), file))

    async def put_zone(self, zone: Zone, by: str) -> None:
        """Create or replace a zone; done when that is on disk. Raises ZoneError."""
        if problem := await self._apply(ZonePut(zone, by)):
            raise ZoneError([], problem)

    async def delete_zone(self, name: str, by: str) -> None:
        """Delete a zone. Raises KeyError for an unknown one, ZoneError for one of a file or one
        that a rule names."""
        if self.pipeline.zones.get(name) is None:
            raise KeyError(name)
        if problem := await self._apply(ZoneDeleted(name, by)):
            raise ZoneError([], problem)

    async def put_tags(self, device: str, tags: dict[str, str], by: str) -> None:
        """Give a device these tags in place of those that people gave it; done when on disk.

        Raises KeyError for an unknown device."""
        if self.pipeline.catalogue.device_id(device) is None:
            raise KeyError(device)
        if problem := await self._apply(TagsPut(device, tags, by)):
            raise KeyError(problem)

    async def rule_versions(self, name: str) -> list[RuleStep]:
        """What became of the rule of this name, the newest first."""
        await self.save_transitions()
        return await self.state.versions(name)

    async def newest_rule_versions(self, limit: int) -> list[RuleStep]:
        """What became of rules lately, the newest first; at most `limit`."""
        await self.save_transitions()
        return await self.state.newest_versions(limit)

    def check_actions(self, rules: Sequence[Rule]) -> None:
        """Raises RuleError for the first rule with an action that tells nobody."""
        for rule in rules:
            for problem in find_unfit_actions(rule, self.outbox.channels):
                raise RuleError("actions", problem)

    async def delete_rule(self, name: str, by: str) -> None:
        """Delete a rule. Raises KeyError for an unknown one, RuleError for one from a file."""
        if self.pipeline.rules.get(name) is None:
            raise KeyError(name)
        if problem := await self._apply(RuleDeleted(name, by)):
            raise RuleError("name", problem)

    async def command(self, command: AlertCommand) -> Alert:
        """Do something to an alert and give the alert after it.

        Raises KeyError for an unknown alert, ValueError where the lifecycle does not allow it.
        """
        if self.pipeline.alerts.get(command.alert) is None:
            raise KeyError(command.alert)
        if problem := await self._apply(command):
            raise ValueError(problem)
        alert = self.pipeline.alerts.get(command.alert)
        if alert is None:
            raise KeyError(command.alert)
        return alert

    async def command_all(self, command: AlertsCommand) -> list[Alert]:
        """Do one thing to many alerts, in one fact; gives those it was done to, as they are after.

        Raises ValueError where it could be done to none of them.
        """
        before = {each: self.pipeline.alerts.get(each) for each in command.alerts}
        if problem := await self._apply(command):
            raise ValueError(problem)
        after = {each: self.pipeline.alerts.get(each) for each in before}
        return [
            alert for each, alert in after.items() if alert is not None and alert != before[each]
        ]

    async def plan_maintenance(self, plan: Maintenance) -> None:
        """Plan a maintenance window. Raises ValueError for one that cannot be."""
        if problem := await self._apply(MaintenancePlanned(plan)):
            raise ValueError(problem)

    async def cancel_maintenance(self, window_id: str, by: str) -> None:
        """End a maintenance window now. Raises KeyError for one that is unknown, or over."""
        if await self._apply(MaintenanceCancelled(window_id, by)):
            raise KeyError(window_id)

    def alarms(self) -> list[Alert]:
        """The newest alert of each alarm (rule and subject), open, recent or changed in the replay
        at the start: what the world may have been told otherwise before.
        """
        book = self.pipeline.alerts
        newest = {(each.rule, each.subject): each for each in reversed(book.recent())}
        newest |= {alarm: book.get(each.id) or each for alarm, each in self._replayed.items()}
        newest |= {(each.rule, each.subject): each for each in book.open()}
        return list(newest.values())

    async def past_alerts(
        self, *, states: Collection[State], subject: str | None, rule: str | None, limit: int
    ) -> list[Alert]:
        """At most `limit` stored alerts that match all that is given, the newest episode first;
        without those that were over before they rang.
        """
        await self.save_transitions()
        found = await self.state.alerts(states=states, subject=subject, rule=rule, limit=limit)
        return [each for each in found if each.raised_at or each.state is not State.CLEARED]

    async def transitions(self, alert_id: str) -> list[Transition]:
        """What an alert went through, oldest first; empty where it is not known (any more)."""
        await self.save_transitions()
        return await self.state.transitions(alert_id)

    async def _apply(self, fact: Fact) -> str | None:
        """Record `fact`, wait for the disk, and say why it changed nothing, if so.

        Raises JournalUnavailable. While nothing can be stored a person is told so before anything
        changes: what is answered "not stored" is not in force either.
        """
        if (journal := self._journal.stats()).state == "failing":
            raise JournalUnavailable(f"the journal cannot write: {journal.error}")
        outcome, committed = self._take([fact], self._now())
        await committed
        return "; ".join(outcome.problems) if outcome else "the pipeline failed; see the log"

    # -- views ----------------------------------------------------------------------------

    async def series(
        self, device: str, metric: str, start: float, end: float, points: int
    ) -> Series:
        """A series in buckets: what history has, and what is on its way there.

        Raises KeyError for an unknown series, ValueError for one of texts and for a bad range,
        WorkerError.
        """
        found = self.pipeline.catalogue.device_id(device)
        series = None if found is None else self.pipeline.catalogue.series_id(found, metric)
        if series is None:
            raise KeyError(f"{device}/{metric}")
        if self.pipeline.catalogue.is_text(series):
            raise ValueError(f"metric {metric!r} is a text; expected a number or a boolean")
        self.settle()
        # History takes its index in this same turn of the loop: no reading is in both, or in none.
        time, value = self.unsaved.of_series(series, start, end)
        stored = await self.history.series(device, metric, start, end, points)
        return stored.with_rows(time, value)

    async def windows(
        self, of: str | Group, metric: str, windows: Hops | Pauses, start: float, end: float
    ) -> Results:
        """See `WindowResults.read`."""
        self.settle()
        results = WindowResults(self.pipeline.catalogue, self.history, self.workers)
        return await results.read(of, metric, windows, start, end, self.unsaved.all())

    def backtest_scope(self, rules: Sequence[CheckedRule], start: float, end: float) -> Scope:
        """See `scope_of`. Raises RangeError, RuleError."""
        self.check_names([checked.rule for checked in rules])
        pipeline = self.pipeline
        expected = pipeline.absence.expected_since()
        return scope_of(rules, pipeline.catalogue, start, end, expected)

    async def backtest(
        self, scope: Scope, on_progress: Callable[[Progress], None] | None = None
    ) -> Report:
        """What the rules of `scope` would have done. Cancelled, it stops at once.

        Raises WorkerError.
        """

        def tell(progress: msgspec.Raw) -> None:
            if on_progress is not None:
                on_progress(msgspec.msgpack.decode(progress, type=Progress))

        self.settle()
        # As in `series`: files and what is not in them, in one turn of the loop.
        with self.history.raw_files(scope.since, scope.end) as files:
            request, columns = request_of(
                scope,
                self.pipeline.catalogue,
                files,
                self.unsaved.all(),
                self.pipeline.flaps,
                self.pipeline.zones,
                self.pipeline.downtime,
            )
            report, _ = await self.workers.call(
                "backtest.run",
                request,
                Report,
                columns=columns,
                lane="backtest",
                on_progress=tell,
            )
        return report

    def status(self) -> EngineStatus:
        totals = self.pipeline.stats()
        return EngineStatus(
            messages_total=totals.messages_total,
            readings_total=totals.readings_total,
            late_total=totals.late_total,
            duplicates_total=totals.duplicates_total,
            future_total=totals.future_total,
            rejected_total=totals.rejected_total,
            unclaimed_total=totals.unclaimed_total,
            devices=totals.devices,
            series=totals.series,
            clocks_wrong=totals.clocks_wrong,
            clock_off_s=self.clock.ahead_of_wall_s(),
            failures_total=self._failures + self.pipeline.faults.total,
            unsaved_readings=len(self.unsaved),
            dropped_readings_total=self.unsaved.dropped_total,
            troubles=dict(self.upkeep.troubles),
            journal=self._journal.stats(),
            history=self.history.stats(),
        )

    # -- to disk --------------------------------------------------------------------------

    async def checkpoint(self) -> None:
        """Bring memory to disk. Raises what a disk or a worker raises; the next one retries."""
        ahead, self._ahead = self._ahead, False
        not_durable = self._durability.before_checkpoint()
        try:
            await self._checkpoints.take(self._newest_commit, self.clock.now, self._settle_all)
        except BaseException:
            self._ahead |= ahead
            raise
        self._durability.after_checkpoint(not_durable)

    async def save_transitions(self) -> None:
        """Write what alerts went through to state.db now."""
        await self._checkpoints.save_transitions()

    async def _checkpoint_now_and_then(self) -> None:
        passed = self._settings.checkpoint_s if self._checkpoint_soon else 0.0
        while True:
            await asyncio.sleep(1.0)
            passed += 1.0
            full = len(self.unsaved) >= self._settings.checkpoint_readings
            journal = self._journal.stats()
            if self._ahead and not journal.pending_bytes:
                # Where nothing waits, nothing would find out that there is space again.
                self._take((), self._now())
            apart = self._ahead and journal.state == "ok"
            if passed >= self._settings.checkpoint_s or full or apart:
                passed = 0.0
                await self.upkeep.attempt("checkpoint", self.checkpoint())
