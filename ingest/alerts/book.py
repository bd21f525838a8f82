"""All alerts that are open, and the last ones that are over."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tocsin.ingest.alerts.alert import Alert, Comment, State, Suppression, alert_id
from tocsin.ingest.alerts.lifecycle import (
    DELAY_OVER,
    TRANSITIONS,
    Delay,
    Event,
    Muting,
)
from tocsin.ingest.alerts.mutes import Mute, Mutes
from tocsin.ingest.alerts.timers import Alarm, Timer, Timers
from tocsin.ingest.facts import AlertCommand
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.message import Value, format_message
from tocsin.ingest.rules.rule import Rule

FORMAT = 1
"""Of the snapshot."""

RECENT = 500
"""Alerts kept after they are over, for the page; the rest is in history. Oldest out."""

ENDINGS = 65_536
"""Alarms whose last episode is remembered, so that no id comes twice. Oldest out."""

MAX_COMMENTS = 100
"""Comments of an alert. Oldest out: an alert can always be acknowledged."""

MAX_NOTE = 1000
"""Characters of a note."""

SERVER = "tocsin"
"""Who did what nobody did."""


class _Onset(msgspec.Struct, frozen=True):
    """The first reading of a stretch of `when` being true, and what it says."""

    event_time: float
    value: float | None
    message: str


class _Episode(msgspec.Struct):
    """An open alert. `onset` is that of the stretch it is in or was in last.

    `timer` is the number of the delay that runs and ends in `then`, 0 when none does.
    """

    alert: Alert
    repeat: int
    onset: _Onset
    timer: int = 0
    then: Event = Event.ON_DELAY_OVER

    @property
    def alarm(self) -> Alarm:
        return self.alert.rule, self.alert.subject


class _Ending(msgspec.Struct, frozen=True, array_like=True):
    """When the last episode of an alarm began, and how many before it began just then."""

    rule: str
    subject: str
    began_at: float
    repeat: int


class AlertBook:
    """Owns every open alert, its delays, what is shelved or suppressed, and the recent alerts.

    Pure and deterministic: `now` is engine time and never goes back, and whoever calls in
    has fired all timers due up to `now` first. At most one alert is open per rule and subject. Each
    method returns the alerts it changed, as they are now, with `revision` one higher per change.

    Shelving and suppression belong to the alarm (rule and subject), so they hold for its next
    episode too; alerts go through their states all the same and show that they are muted.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Episode] = {}
        self._by_rule: dict[str, dict[str, _Episode]] = {}
        self._recent: dict[str, Alert] = {}
        self._endings: dict[Alarm, _Ending] = {}
        self._timers = Timers()
        self._mutes = Mutes(self._timers)

    def signal(
        self,
        rule: Rule,
        subject: str,
        device: str | None,
        truth: bool,
        event_time: float,
        now: float,
        values: Mapping[str, Value],
    ) -> list[Alert]:
        """`when` came true (`truth`), or that which clears the alert did.

        Telling it again while it stays so changes nothing, so edges are enough. `values` are the
        metrics the rule shows, in its order; the first number is the alert's value.
        """
        alarms = self._by_rule.get(rule.name)
        episode = alarms.get(subject) if alarms else None
        if episode is None:
            if not truth:
                return []
            onset = _onset(rule, subject, device, event_time, values)
            episode = self._begin(rule.name, subject, device, str(rule.severity), onset)
            return self._step(episode, None, Event.HOLDS, now, parse_duration(rule.on_delay))
        state = episode.alert.state
        if not truth:
            return self._step(episode, state, Event.FALLS, now, parse_duration(rule.off_delay))
        if state is State.CLEARED_UNACKNOWLEDGED and not episode.timer:
            episode.onset = _onset(rule, subject, device, event_time, values)
        return self._step(episode, state, Event.HOLDS, now, parse_duration(rule.on_delay))

    def retire(self, rule_name: str, now: float, reason: str = "rule changed") -> list[Alert]:
        """The rule is gone or another one: its open alerts end with `reason`, unmuted."""
        self._mutes.drop(rule_name)
        comment = Comment(now, SERVER, Event.RETIRE.value, reason)
        ended: list[Alert] = []
        for episode in list(self._by_rule.get(rule_name, {}).values()):
            episode.alert = replace(episode.alert, suppression=Suppression.NONE, shelved_until=None)
            ended += self._step(episode, episode.alert.state, Event.RETIRE, now, comment=comment)
        return ended

    def command(self, command: AlertCommand, now: float) -> list[Alert]:
        """Somebody did something to an alert.

        Raises KeyError for an alert that is neither open nor recent, ValueError for what cannot
        be done to it as it is; then nothing has changed.
        """
        episode = self._open.get(command.alert)
        alert = episode.alert if episode else self._recent.get(command.alert)
        if alert is None:
            raise KeyError(f"alert {command.alert!r} is neither open nor recent")
        if len(command.note) > MAX_NOTE:
            raise ValueError(
                f"note has {len(command.note)} characters; expected at most {MAX_NOTE}"
            )
        comment = Comment(now, command.by, command.action, command.note)
        if command.action == "comment":
            return [self._comment(alert, episode, comment)]
        if episode is None:
            raise ValueError(f"{command.action} needs an open alert; {alert.id} is {alert.state}")
        if command.action == "ack":
            changed = self._step(episode, alert.state, Event.ACKNOWLEDGE, now, comment=comment)
            if not changed:
                raise ValueError(
                    f"alert {alert.id} is {alert.state};"
                    " ack needs one that is active or cleared_unacknowledged"
                )
            return changed
        return [self._mute(episode, Muting(command.action), command.until, comment)]

    def next_due(self) -> float | None:
        """When `fire_next` has something to do; None when no delay runs and nothing is shelved."""
        return self._timers.next_due()

    def fire_next(self) -> tuple[float, list[Alert]]:
        """Ends the delay or the shelving that is due first, and says when that was.

        Of those due at one time the one begun first comes first. Raises IndexError when
        `next_due` is None.
        """
        due, order, alarm = self._timers.pop()
        episode = self._by_rule.get(alarm[0], {}).get(alarm[1])
        if episode is not None and episode.timer == order:
            return due, self._step(episode, episode.alert.state, episode.then, due)
        if episode is None:
            self._mutes.change(alarm, Muting.EXPIRE, None, due)
            return due, []
        comment = Comment(due, SERVER, Muting.EXPIRE.value, "")
        return due, [self._mute(episode, Muting.EXPIRE, None, comment)]

    def get(self, alert_id: str) -> Alert | None:
        """The alert of this id, if it is open or recent."""
        episode = self._open.get(alert_id)
        return episode.alert if episode else self._recent.get(alert_id)

    def open(self) -> list[Alert]:
        """Every alert that is not over, in the order in which they began."""
        return [episode.alert for episode in self._open.values()]

    def recent(self) -> list[Alert]:
        """The last RECENT alerts that rang and are over, newest first."""
        return list(reversed(self._recent.values()))

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(
            _Snapshot(
                FORMAT,
                self._timers.last,
                self._timers.running(),
                list(self._open.values()),
                list(self._recent.values()),
                self._mutes.all(),
                list(self._endings.values()),
            )
        )

    def restore(self, data: bytes) -> None:
        """Takes the place of everything in the book.

        Raises ValueError for what is not a snapshot of this format.
        """
        form = msgspec.msgpack.decode(data, type=_Form).format
        if form != FORMAT:
            raise ValueError(f"alert snapshot has format {form}; expected {FORMAT}")
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        self._timers = Timers(snapshot.timers, snapshot.last_timer)
        self._mutes = Mutes(self._timers, snapshot.mutes)
        self._open = {episode.alert.id: episode for episode in snapshot.open}
        self._by_rule = {}
        for episode in snapshot.open:
            self._by_rule.setdefault(episode.alert.rule, {})[episode.alert.subject] = episode
        self._recent = {alert.id: alert for alert in snapshot.recent}
        self._endings = {(ending.rule, ending.subject): ending for ending in snapshot.endings}

    def _begin(
        self, rule: str, subject: str, device: str | None, severity: str, onset: _Onset
    ) -> _Episode:
        alarm, began_at = (rule, subject), onset.event_time
        ending, mute = self._endings.get(alarm), self._mutes.of(alarm)
        repeat = ending.repeat + 1 if ending and ending.began_at == began_at else 0
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
            suppression=mute.suppression,
            shelved_until=mute.until,
            revision=0,
        )
        episode = _Episode(alert, repeat, onset)
        self._open[alert.id] = episode
        self._by_rule.setdefault(rule, {})[subject] = episode
        return episode

    def _hand_over(self, over: _Episode, now: float) -> Alert:
        """A new episode takes the on-delay that runs for a condition that holds again.

        Without it an acknowledged alarm would be closed while its rule goes on being true.
        """
        alert = over.alert
        episode = self._begin(alert.rule, alert.subject, alert.device, alert.severity, over.onset)
        episode.timer, episode.then = over.timer, over.then
        episode.alert = _entered(episode, State.PENDING, now, None)
        return episode.alert

    def _step(
        self,
        episode: _Episode,
        before: State | None,
        event: Event,
        now: float,
        delay_s: float = 0.0,
        comment: Comment | None = None,
    ) -> list[Alert]:
        """What the table says about `event` in state `before`; no alert when that is nothing."""
        row = TRANSITIONS.get((before, event))
        if row is None:
            return []
        if row.delay in DELAY_OVER and delay_s <= 0:
            row = TRANSITIONS[row.after, DELAY_OVER[row.delay]]
        if row.delay in DELAY_OVER:
            if not episode.timer:
                episode.timer = self._timers.start(now + delay_s, episode.alarm)
                episode.then = DELAY_OVER[row.delay]
        elif row.delay is Delay.STOP and episode.timer:
            self._timers.stop(episode.timer)
            episode.timer = 0
        if row.after is before:
            return []
        episode.alert = _entered(episode, row.after, now, comment)
        if row.after is State.CLEARED:
            self._close(episode)
        if row.delay is Delay.HAND_OVER and episode.timer:
            return [episode.alert, self._hand_over(episode, now)]
        return [episode.alert]

    def _close(self, episode: _Episode) -> None:
        alert = episode.alert
        del self._open[alert.id]
        alarms = self._by_rule[alert.rule]
        del alarms[alert.subject]
        if not alarms:
            del self._by_rule[alert.rule]
        self._endings.pop(episode.alarm, None)
        self._endings[episode.alarm] = _Ending(*episode.alarm, alert.began_at, episode.repeat)
        if len(self._endings) > ENDINGS:
            del self._endings[next(iter(self._endings))]
        if alert.raised_at is not None:
            self._recent[alert.id] = alert
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def _comment(self, alert: Alert, episode: _Episode | None, comment: Comment) -> Alert:
        if not comment.note.strip():
            raise ValueError("note is empty; comment needs one")
        alert = _changed(alert, comment)
        if episode is not None:
            episode.alert = alert
        else:
            self._recent[alert.id] = alert
        return alert

    def _mute(
        self, episode: _Episode, muting: Muting, until: float | None, comment: Comment
    ) -> Alert:
        mute = self._mutes.change(episode.alarm, muting, until, comment.at)
        episode.alert = _changed(
            episode.alert, comment, suppression=mute.suppression, shelved_until=mute.until
        )
        return episode.alert


class _Form(msgspec.Struct, frozen=True):
    format: int


class _Snapshot(msgspec.Struct, frozen=True):
    format: int
    last_timer: int
    timers: list[Timer]
    open: list[_Episode]
    recent: list[Alert]
    mutes: list[Mute]
    endings: list[_Ending]


def _entered(episode: _Episode, state: State, now: float, comment: Comment | None) -> Alert:
    """The episode's alert as it enters `state`."""
    alert = episode.alert
    changes: dict[str, Any] = {"state": state}
    match state:
        case State.PENDING:
            pass
        case State.ACTIVE:
            changes |= {"active": True, "raised_at": now, "cleared_at": None}
            changes |= {"value": episode.onset.value, "message": episode.onset.message}
        case State.ACKNOWLEDGED:
            pass
        case State.CLEARED_UNACKNOWLEDGED | State.CLEARED:
            changes["active"] = False
            changes["cleared_at"] = now if alert.cleared_at is None else alert.cleared_at
    if comment is not None and comment.action == Event.ACKNOWLEDGE:
        changes |= {"acknowledged": True, "acknowledged_by": comment.by, "acknowledged_at": now}
    return _changed(alert, comment, **changes)


def _changed(alert: Alert, comment: Comment | None, **changes: Any) -> Alert:
    if comment is not None:
        changes["comments"] = (*alert.comments, comment)[-MAX_COMMENTS:]
    return replace(alert, revision=alert.revision + 1, **changes)


def _onset(
    rule: Rule, subject: str, device: str | None, event_time: float, values: Mapping[str, Value]
) -> _Onset:
    number = next((float(v) for v in values.values() if not isinstance(v, str)), None)
    about = {"rule": rule.name, "subject": subject, "severity": str(rule.severity)}
    message = format_message(rule.message, values, device=device, **about)
    return _Onset(event_time, number, message)
