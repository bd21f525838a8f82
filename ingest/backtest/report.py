"""What a backtest found: each alert there would have been, and how often it would have rung."""

import msgspec

from tocsin.ingest.alerts.alert import Alert, State, Suppression

MAX_CHANGES = 500
"""Transitions that are listed of one rule on one device, the first ones; all are counted."""

MAX_CHANGES_IN_ALL = 20_000
"""Transitions that are listed of a whole backtest, the first ones."""


class Change(msgspec.Struct, frozen=True):
    """A transition: at engine time `at` alert `id` came into `state`.

    `began_at` is the event time of the episode's first reading, as in an alert.
    """

    at: float
    id: str
    state: State
    began_at: float
    value: float | None
    message: str
    revision: int


class Subject(msgspec.Struct, frozen=True):
    """One rule on one device that it would have concerned at least once.

    `rang` is how often it became active while no other rule of the backtest inhibited it, `flaps`
    how many of these came so soon after each other that it was flapping. `in_alarm_s` counts the
    seconds in which it would have been active. `changes_total` are all transitions, `changes`
    those that are listed.
    """

    rule: str
    device: str
    rang: int
    flaps: int
    in_alarm_s: float
    in_alarm: bool
    """Whether it would still be active at the end."""
    changes_total: int
    changes: list[Change]


class Report(msgspec.Struct, frozen=True):
    """A backtest over [start, end) of arrival times.

    `readings` were judged, of `devices` devices. `subjects` are those with a transition, those
    that rang most often first.
    """

    start: float
    end: float
    readings: int
    devices: int
    rang: int
    subjects: list[Subject]


class _Course:
    """What became of one rule on one device so far."""

    __slots__ = ("changes", "changes_total", "flaps", "in_alarm_s", "rang", "since")

    def __init__(self) -> None:
        self.rang = self.flaps = self.changes_total = 0
        self.in_alarm_s = 0.0
        self.since: float | None = None  # in alarm
        self.changes: list[Change] = []

    def note(self, alert: Alert) -> Change:
        assert alert.cause is not None
        at = alert.cause.at
        self.changes_total += 1
        if alert.active and self.since is None:
            self.since = at
            if alert.suppression is Suppression.NONE:
                self.rang += 1
                self.flaps += alert.flapping
        elif not alert.active and self.since is not None:
            self.in_alarm_s += at - self.since
            self.since = None
        return Change(
            at,
            alert.id,
            alert.state,
            alert.began_at,
            alert.value,
            alert.message,
            alert.revision,
        )


class Courses:
    """Owns what became of every rule on every device."""

    def __init__(self) -> None:
        self._courses: dict[tuple[str, str], _Course] = {}
        self._listed = 0

    def note(self, alert: Alert) -> None:
        """An alert went through a transition; in order of time."""
        course = self._courses.get((alert.rule, alert.subject))
        if course is None:
            course = self._courses[alert.rule, alert.subject] = _Course()
        change = course.note(alert)
        if len(course.changes) < MAX_CHANGES and self._listed < MAX_CHANGES_IN_ALL:
            self._listed += 1
            course.changes.append(change)

    def subjects(self, end: float) -> list[Subject]:
        """All of them at engine time `end`."""
        found = [
            Subject(
                rule=rule,
                device=device,
                rang=course.rang,
                flaps=course.flaps,
                in_alarm_s=course.in_alarm_s
                + (0.0 if course.since is None else end - course.since),
                in_alarm=course.since is not None,
                changes_total=course.changes_total,
                changes=course.changes,
            )
            for (rule, device), course in self._courses.items()
        ]
        return sorted(found, key=lambda each: (-each.rang, each.rule, each.device))
