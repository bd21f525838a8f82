"""An open alert with what the book has to remember of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tocsin.ingest.alerts.alert import NO_EVIDENCE, Alert, Cause, Comment, Evidence, State
from tocsin.ingest.alerts.lifecycle import Event, Phase, phase_of
from tocsin.ingest.alerts.timers import Alarm
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.message import Value, format_message
from tocsin.ingest.rules.rule import Rule

MAX_COMMENTS = 100
"""Comments of an alert. Oldest out: an alert can always be acknowledged."""


class Terms(msgspec.Struct, frozen=True):
    """What an episode needs of its rule when no reading comes."""

    latch: bool = False
    re_alarm_s: float = 0.0
    inhibited_by: tuple[str, ...] = ()


def terms_of(rule: Rule) -> Terms:
    return Terms(rule.latch, parse_duration(rule.re_alarm), rule.inhibited_by)


class Onset(msgspec.Struct, frozen=True):
    """The first reading of a stretch of `when` being true, and what it says."""

    event_time: float
    value: float | bool | None
    message: str


class Episode(msgspec.Struct):
    """An open alert. `onset` is that of the stretch it is in or was in last.

    `timer` is the number of the delay that runs and ends in `then`, 0 when none does. `again` is
    the number of the timer for its re-alarm, 0 when there is none. `evidence` is what the rule saw
    when it turned last: what started that which comes of timers, and of other alerts.
    """

    alert: Alert
    repeat: int
    onset: Onset
    timer: int = 0
    then: Event = Event.ON_DELAY_OVER
    terms: Terms = Terms()
    again: int = 0
    evidence: Evidence = NO_EVIDENCE

    @property
    def alarm(self) -> Alarm:
        return self.alert.rule, self.alert.subject

    @property
    def phase(self) -> Phase:
        return phase_of(self.alert.state, self.alert.latched)


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """When the last episode of an alarm began, and how many before it began just then."""

    rule: str
    subject: str
    began_at: float
    repeat: int


def entered(episode: Episode, phase: Phase, cause: Cause, comment: Comment | None) -> Alert:
    """The episode's alert as it enters `phase`."""
    alert, now = episode.alert, cause.at
    changes: dict[str, Any] = {"state": phase.state, "latched": phase.latched}
    if phase is Phase.ACTIVE:
        changes |= {"active": True, "cleared_at": None, "rings": alert.rings + 1}
        changes |= {"acknowledged": False, "acknowledged_by": None, "acknowledged_at": None}
        if not alert.active:
            changes["raised_at"] = now
        if cause.event != Event.RE_ALARM:
            changes |= {"value": episode.onset.value, "message": episode.onset.message}
    elif phase.state in (State.CLEARED_UNACKNOWLEDGED, State.CLEARED):
        changes["active"] = False
        changes["cleared_at"] = now if alert.cleared_at is None else alert.cleared_at
    if cause.event == Event.ACKNOWLEDGE:
        changes |= {"acknowledged": True, "acknowledged_by": cause.by, "acknowledged_at": now}
    return changed(alert, cause, comment, **changes)


def changed(alert: Alert, cause: Cause, comment: Comment | None = None, **changes: Any) -> Alert:
    """The alert one revision on."""
    if comment is not None:
        changes["comments"] = (*alert.comments, comment)[-MAX_COMMENTS:]
    after = replace(alert, revision=alert.revision + 1, cause=cause, **changes)
    if after.state is State.ACTIVE and after.suppression == "none" and not after.sounded:
        after = replace(after, sounded=True)
    return after


def onset_of(
    rule: Rule, subject: str, device: str | None, event_time: float, values: Mapping[str, Value]
) -> Onset:
    switches = [value for value in values.values() if isinstance(value, bool)]
    numbers = [value for value in values.values() if isinstance(value, float)]
    value = next(iter([*numbers, *switches]), None)
    about = {"rule": rule.name, "subject": subject, "severity": str(rule.severity)}
    message = format_message(rule.message, values, device=device, **about)
    return Onset(event_time, value, message)
