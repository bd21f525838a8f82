"""All alerts that are open, and the last ones that are over."""

from collections.abc import Callable, Iterable, Mapping

from msgspec.structs import replace

from tocsin.ingest.alerts.alert import (
    NO_EVIDENCE,
    NOT_STORED,
    STORED,
    Alert,
    Cause,
    Comment,
    Evidence,
    State,
    Suppression,
    Witness,
    alert_id,
)
from tocsin.ingest.alerts.book_snapshot import BookSnapshot, decode_snapshot
from tocsin.ingest.alerts.episode import (
    MAX_COMMENTS,
    Episode,
    Onset,
    Terms,
    changed,
    entered,
    onset_of,
    terms_of,
)
from tocsin.ingest.alerts.flapping import FlapLimits, Rings
from tocsin.ingest.alerts.lifecycle import (
    DELAY_OVER,
    TRANSITIONS,
    Delay,
    Event,
    Muting,
    Phase,
)
from tocsin.ingest.alerts.maintenance import OWNER, Calendar, Maintenance, covers
from tocsin.ingest.alerts.mutes import Mutes
from tocsin.ingest.alerts.register import RECENT, Register
from tocsin.ingest.alerts.suppressions import Suppressions
from tocsin.ingest.alerts.timers import Timers
from tocsin.ingest.facts import AlertCommand, AlertsCommand
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.message import Value
from tocsin.ingest.rules.rule import Rule

__all__ = ["MAX_COMMENTS", "MAX_NOTE", "RECENT", "AlertBook"]

MAX_NOTE = 1000
"""Characters of a note."""

SERVER = "tocsin"
"""Who did what nobody did."""


def _nowhere(_: str) -> None:
    return None


def _unseen(_: Alert, __: float) -> None:
    return None


class AlertBook:
    """Owns every open alert, its delays, what mutes it, the maintenance windows, and the recent
    alerts.

    Pure and deterministic: `now` is engine time and never goes back, and whoever calls in
    has fired all timers due up to `now` first. At most one alert is open per rule and subject. Each
    method returns the alerts it changed, as they are now, with `revision` one higher per change.

    What mutes belongs to the alarm (rule and subject), so it holds for its next episode too; alerts
    go through their states all the same and show that they are muted. `via` gives the gateway
    through which a device's messages come: an alarm that is inhibited by a rule is mute while
    that rule's alert is active for the same device or for its gateway. `witness` is asked when a
    timer ends, which no reading does.
    """

    def __init__(
        self,
        flaps: FlapLimits | None = None,
        via: Callable[[str], str | None] = _nowhere,
        witness: Witness = _unseen,
    ) -> None:
        self._flaps = flaps or FlapLimits()
        self._witness = witness
        self._via = via
        self._become(BookSnapshot(0, [], [], [], [], []))

    def signal(
        self,
        rule: Rule,
        subject: str,
        device: str | None,
        truth: bool,
        event_time: float,
        now: float,
        values: Mapping[str, Value],
        evidence: Evidence = NO_EVIDENCE,
    ) -> list[Alert]:
        """`when` came true (`truth`), or that which clears the alert did.

        Telling it again while it stays so changes nothing, so edges are enough. `values` are the
        metrics the rule shows, in its order; the first number is the alert's value,
        without one the first boolean.
        """
        episode = self._register.find(rule.name, subject)
        if episode is None:
            if not truth:
                return []
            onset = onset_of(rule, subject, device, event_time, values)
            about = subject, device, str(rule.severity), rule.actions
            episode = self._begin(rule.name, *about, onset, terms_of(rule))
            cause = Cause(now, SERVER, Event.HOLDS, evidence=evidence)
            return self._step(episode, None, cause, parse_duration(rule.on_delay))
        phase = episode.phase
        if not truth:
            delay_s = parse_duration(rule.off_delay)
            if episode.alert.flapping:
                delay_s = max(delay_s, self._flaps.hold_s)
            cause = Cause(now, SERVER, Event.FALLS, evidence=evidence)
            return self._step(episode, phase, cause, delay_s)
        if phase in _MAY_BE_BACK and not episode.timer:
            episode.onset = onset_of(rule, subject, device, event_time, values)
        cause = Cause(now, SERVER, Event.HOLDS, evidence=evidence)
        return self._step(episode, phase, cause, parse_duration(rule.on_delay))

    def amend(self, rule: Rule, now: float) -> list[Alert]:
        """The rule asks what it asked before, and says something else about its open alerts.

        Who was told that one rings is told that it is over, also if the rule names them no more: a
        siren that nobody silences would ring on.
        """
        episodes = self._register.of_rule(rule.name)
        for episode in episodes:
            episode.terms = terms_of(rule)
            self._suppressions.agree(episode)
            told = episode.alert.actions if episode.alert.sounded else ()
            actions = tuple(dict.fromkeys((*rule.actions, *told)))
            episode.alert = replace(episode.alert, actions=actions)
        return self._review(episodes, now)

    def lapse(self, rule_name: str, subject: str, now: float, reason: str) -> list[Alert]:
        """The rule is no longer about this subject: its open alert ends with `reason`, unmuted."""
        episode = self._register.find(rule_name, subject)
        cause = Cause(now, SERVER, Event.RETIRE, reason)
        return [] if episode is None else self._end(episode, cause)

    def retire(self, rule_name: str, now: float, reason: str = "rule changed") -> list[Alert]:
        """The rule is gone or another one: its open alerts end with `reason`, unmuted."""
        self._mutes.drop(rule_name)
        self._rings.drop(rule_name)
        cause = Cause(now, SERVER, Event.RETIRE, reason)
        ended: list[Alert] = []
        for episode in self._register.of_rule(rule_name):
            ended += self._end(episode, cause)
        return ended

    def _end(self, episode: Episode, cause: Cause) -> list[Alert]:
        episode.alert = replace(
            episode.alert, suppression=Suppression.NONE, shelved_until=None, suppressed_by=None
        )
        return self._step(episode, episode.phase, cause)

    def command(self, command: AlertCommand, now: float) -> list[Alert]:
        """Somebody did something to an alert.

        Raises KeyError for an alert that is neither open nor recent, ValueError for what cannot
        be done to it as it is; then nothing has changed.
        """
        episode = self._register.episode(command.alert)
        alert = self._register.get(command.alert)
        if alert is None:
            raise KeyError(f"alert {command.alert!r} is neither open nor recent")
        if len(command.note) > MAX_NOTE:
            raise ValueError(
                f"note has {len(command.note)} characters; expected at most {MAX_NOTE}"
            )
        cause = Cause(now, command.by, command.action, command.note)
        if command.action == "comment":
            return [self._comment(alert, cause)]
        if episode is None:
            raise ValueError(f"{command.action} needs an open alert; {alert.id} is {alert.state}")
        if command.action in _STEPS:
            changes = self._step(episode, episode.phase, cause)
            if not changes:
                fit = " or ".join(b for b, event in TRANSITIONS if b and event == command.action)
                raise ValueError(
                    f"alert {alert.id} is {alert.state}; {command.action} needs one that is {fit}"
                )
            return changes
        return [self._mute(episode, Muting(command.action), command.until, cause)]

    def command_all(self, command: AlertsCommand, now: float) -> list[Alert]:
        """Somebody did one thing to many alerts; those to which it cannot be done are passed over.

        Raises KeyError or ValueError, as `command`, if it could be done to none.
        """
        changes: list[Alert] = []
        problem: KeyError | ValueError | None = None
        for each in dict.fromkeys(command.alerts):
            one = AlertCommand(each, command.action, command.by, command.note, command.until)
            try:
                changes += self.command(one, now)
            except (KeyError, ValueError) as error:
                problem = problem or error
        if problem is not None and not changes:
            raise problem
        return changes

    def mark(self, alerts: Iterable[str], durable: bool, now: float) -> list[Alert]:
        """Whether what alerts, open or recent, say is on disk. Others are passed over."""
        cause = Cause(now, SERVER, STORED if durable else NOT_STORED)
        marked: list[Alert] = []
        for each in alerts:
            alert = self.get(each)
            if alert is not None and alert.durable is not durable:
                marked.append(changed(alert, cause, durable=durable))
                self._register.keep(marked[-1])
        return marked

    def plan(self, plan: Maintenance, now: float) -> list[Alert]:
        """A maintenance window, from now on or later. Raises ValueError for what cannot be."""
        return self._maintain(plan, now) if self._calendar.add(plan, now) else []

    def cancel(self, window_id: str, now: float) -> list[Alert]:
        """A maintenance window is over before its time. Raises KeyError for an unknown one."""
        return self._maintain(self._calendar.cancel(window_id), now)

    def maintenance(self) -> list[Maintenance]:
        """The windows that are not over, in the order in which they begin."""
        return self._calendar.plans()

    def next_due(self) -> float | None:
        """When `fire_next` has something to do; None when no delay runs and nothing is shelved."""
        return self._timers.next_due()

    def fire_next(self) -> tuple[float, list[Alert]]:
        """Ends the delay or the shelving that is due first, and says when that was.

        Of those due at one time the one begun first comes first. Raises IndexError when
        `next_due` is None.
        """
        due, order, alarm = self._timers.pop()
        if alarm[0] == OWNER:
            return due, self._maintain(self._calendar.turn(alarm[1]), due, timed=True)
        episode = self._register.find(*alarm)
        if episode is not None and episode.timer == order:
            cause = self._timed(episode, due, episode.then)
            return due, self._step(episode, episode.phase, cause)
        if episode is not None and episode.again == order:
            episode.again = 0
            cause = self._timed(episode, due, Event.RE_ALARM)
            return due, self._step(episode, episode.phase, cause)
        if episode is None:
            self._mutes.change(alarm, Muting.EXPIRE, None, due)
            return due, []
        cause = self._timed(episode, due, Muting.EXPIRE)
        return due, [self._mute(episode, Muting.EXPIRE, None, cause)]

    def _timed(self, episode: Episode, due: float, event: str, note: str = "") -> Cause:
        """What a timer makes of an episode: with what its rule sees then, and what started it."""
        seen = self._witness(episode.alert, due)
        if seen is None:
            return Cause(due, SERVER, event, note, episode.evidence)
        return Cause(due, SERVER, event, note, seen, episode.evidence)

    def get(self, alert_id: str) -> Alert | None:
        """The alert of this id, if it is open or recent."""
        return self._register.get(alert_id)

    def open(self) -> list[Alert]:
        """Every alert that is not over, in the order in which they began."""
        return [episode.alert for episode in self._register.open()]

    def recent(self) -> list[Alert]:
        """The last RECENT alerts that rang and are over, newest first."""
        return self._register.recent()[::-1]

    def snapshot(self) -> bytes:
        return BookSnapshot(
            last_timer=self._timers.last,
            timers=self._timers.running(),
            open=self._register.open(),
            recent=self._register.recent(),
            mutes=self._mutes.all(),
            endings=self._register.endings(),
            maintenance=self._calendar.all(),
            rings=self._rings.all(),
        ).encoded()

    def restore(self, data: bytes) -> None:
        """Takes the place of everything in the book.

        Raises ValueError for what is not a snapshot of this format.
        """
        self._become(decode_snapshot(data))

    def _become(self, snapshot: BookSnapshot) -> None:
        self._timers = Timers(snapshot.timers, snapshot.last_timer)
        self._mutes = Mutes(self._timers, snapshot.mutes)
        self._calendar = Calendar(self._timers, snapshot.maintenance)
        self._rings = Rings(self._flaps, snapshot.rings)
        self._register = Register(snapshot.open, snapshot.recent, snapshot.endings)
        self._suppressions = Suppressions(self._mutes, self._calendar, self._register, self._via)

    # -- episodes

    def _begin(
        self,
        rule: str,
        subject: str,
        device: str | None,
        severity: str,
        actions: tuple[str, ...],
        onset: Onset,
        terms: Terms,
    ) -> Episode:
        alarm, began_at = (rule, subject), onset.event_time
        repeat = self._register.repeat_of(alarm, began_at)
        alert = Alert(
            id=alert_id(rule, subject, began_at, repeat),
            rule=rule,
            subject=subject,
            device=device,
            severity=severity,
            state=State.PENDING,
            active=False,
            acknowledged=False,
            value=onset.value,
            message=onset.message,
            began_at=began_at,
            shelved_until=self._mutes.of(alarm).until,
            revision=0,
            actions=actions,
        )
        episode = Episode(alert, repeat, onset, terms=terms)
        suppression, by = self._suppressions.of(episode)
        if suppression is not Suppression.NONE:
            episode.alert = replace(alert, suppression=suppression, suppressed_by=by)
        self._register.admit(episode)
        self._suppressions.agree(episode)
        return episode

    def _hand_over(self, over: Episode, cause: Cause) -> Alert:
        """A new episode takes the on-delay that runs for a condition that holds again.

        Without it an acknowledged alarm would be closed while its rule goes on being true.
        """
        alert = over.alert
        about = alert.subject, alert.device, alert.severity, alert.actions
        episode = self._begin(alert.rule, *about, over.onset, over.terms)
        episode.timer, episode.then, episode.evidence = over.timer, over.then, over.evidence
        begins = Cause(cause.at, SERVER, Event.HOLDS, evidence=over.evidence)
        episode.alert = entered(episode, Phase.PENDING, begins, None)
        return episode.alert

    def _step(
        self, episode: Episode, before: Phase | None, cause: Cause, delay_s: float = 0.0
    ) -> list[Alert]:
        """What the table says about an event in phase `before`; no alert when that is nothing."""
        row = TRANSITIONS.get((before, Event(cause.event)))
        if row is None:
            return []
        if row.delay in DELAY_OVER:
            then = DELAY_OVER[row.delay]
            if then is Event.OFF_DELAY_OVER and episode.terms.latch:
                then = Event.LATCHES
            if delay_s <= 0:
                row = TRANSITIONS[row.after, then]
            elif not episode.timer:
                episode.timer = self._timers.start(cause.at + delay_s, episode.alarm)
                episode.then, episode.evidence = then, cause.evidence
        if row.delay is Delay.STOP and episode.timer:
            self._timers.stop(episode.timer)
            episode.timer = 0
            if row.event in _TURNS:
                episode.evidence = cause.evidence
        if row.after is before and row.event is not Event.RE_ALARM:
            return []
        if Event(cause.event) in _TURNS:
            episode.evidence = cause.evidence
        was_active = episode.alert.active
        comment = None
        if row.event in _STEPS or row.event is Event.RETIRE:
            comment = Comment(cause.at, cause.by, cause.event, cause.note)
        episode.alert = entered(episode, row.after, cause, comment)
        if row.after is Phase.ACTIVE and row.event is not Event.RE_ALARM:
            flaps = self._rings.add(episode.alarm, cause.at)
            episode.alert = replace(episode.alert, flapping=flaps)
        self._ring_again_later(episode, row.after, cause.at)
        changes = [episode.alert]
        if row.after is Phase.CLEARED:
            self._register.close(episode)
        if episode.alert.active != was_active:
            changes += self._review_children(episode.alert.rule, cause.at)
        if row.delay is Delay.HAND_OVER and episode.timer:
            changes.append(self._hand_over(episode, cause))
        return changes

    def _ring_again_later(self, episode: Episode, phase: Phase, now: float) -> None:
        if phase is Phase.ACKNOWLEDGED and episode.again:
            return
        if episode.again:
            self._timers.stop(episode.again)
            episode.again = 0
        if phase in (Phase.ACTIVE, Phase.ACKNOWLEDGED) and episode.terms.re_alarm_s > 0:
            episode.again = self._timers.start(now + episode.terms.re_alarm_s, episode.alarm)

    def _comment(self, alert: Alert, cause: Cause) -> Alert:
        if not cause.note.strip():
            raise ValueError("note is empty; comment needs one")
        comment = Comment(cause.at, cause.by, cause.event, cause.note)
        alert = changed(alert, cause, comment)
        self._register.keep(alert)
        return alert

    # -- what mutes

    def _mute(self, episode: Episode, muting: Muting, until: float | None, cause: Cause) -> Alert:
        mute = self._mutes.change(episode.alarm, muting, until, cause.at)
        suppression, by = self._suppressions.of(episode)
        episode.alert = changed(
            episode.alert,
            cause,
            Comment(cause.at, cause.by, cause.event, cause.note),
            suppression=suppression,
            suppressed_by=by,
            shelved_until=mute.until,
        )
        return episode.alert

    def _maintain(self, plan: Maintenance, now: float, *, timed: bool = False) -> list[Alert]:
        """A window begins or ends; `timed`: by itself."""
        covered = (each for each in self._register.by_rule() if covers(plan, *each.alarm))
        return self._review(covered, now, timed=timed)

    def _review_children(self, rule: str, now: float) -> list[Alert]:
        """An alert of a rule became active, or is no longer."""
        changes: list[Alert] = []
        for child in self._suppressions.children(rule):
            changes += self._review(self._register.of_rule(child), now)
        return changes

    def _review(
        self, episodes: Iterable[Episode], now: float, *, timed: bool = False
    ) -> list[Alert]:
        """See anew what mutes these alerts besides people."""
        changes: list[Alert] = []
        for episode in list(episodes):
            alert = episode.alert
            suppression, by = self._suppressions.of(episode)
            if (suppression, by) != (alert.suppression, alert.suppressed_by):
                note, is_heard = f"by {by}" if by else "", suppression is Suppression.NONE
                event = "unmuted" if is_heard else str(suppression)
                if is_heard and timed:
                    cause = self._timed(episode, now, event, note)
                else:
                    evidence = episode.evidence if is_heard else NO_EVIDENCE
                    cause = Cause(now, SERVER, event, note, evidence)
                episode.alert = changed(
                    alert,
                    cause,
                    Comment(now, SERVER, event, note),
                    suppression=suppression,
                    suppressed_by=by,
                )
                changes.append(episode.alert)
        return changes


_STEPS = frozenset({Event.ACKNOWLEDGE.value, Event.RESET.value})
"""Commands that are events of the lifecycle."""

_TURNS = frozenset({Event.HOLDS, Event.FALLS})
"""Events of the rule: what it saw then is what started later transitions without a reading."""

_MAY_BE_BACK = frozenset({Phase.CLEARED_UNACKNOWLEDGED, Phase.LATCHED, Phase.LATCHED_ACKNOWLEDGED})
