"""What mutes an alarm: a person, a maintenance window, or another alert."""

from collections.abc import Callable

from tocsin.ingest.alerts.alert import Alert, Suppression
from tocsin.ingest.alerts.episode import Episode
from tocsin.ingest.alerts.lifecycle import STRENGTH
from tocsin.ingest.alerts.maintenance import Calendar
from tocsin.ingest.alerts.mutes import Mutes
from tocsin.ingest.alerts.register import Register

Muted = tuple[Suppression, str | None]
"""How an alert is muted, and by what, if that is no person."""


class Suppressions:
    """Owns which rules inhibit which; sees the mutes of people, the calendar and the open alerts.

    `via` gives the gateway through which a device's messages come.
    """

    def __init__(
        self,
        mutes: Mutes,
        calendar: Calendar,
        register: Register,
        via: Callable[[str], str | None],
    ) -> None:
        self._mutes = mutes
        self._calendar = calendar
        self._register = register
        self._via = via
        self._children: dict[str, set[str]] = {}
        for episode in register.open():
            self.agree(episode)

    def agree(self, episode: Episode) -> None:
        """These are the episode's terms: rules that inhibit it."""
        for rule in episode.terms.inhibited_by:
            self._children.setdefault(rule, set()).add(episode.alert.rule)

    def children(self, rule: str) -> list[str]:
        """Rules that this one may inhibit."""
        return sorted(self._children.get(rule, ()))

    def of(self, episode: Episode) -> Muted:
        """What mutes an alert, the strongest of all."""
        rule, subject = episode.alarm
        found = self._mutes.of(episode.alarm).suppression, None
        if len(self._calendar) and (plan := self._calendar.covering(rule, subject)):
            found = _stronger(found, (Suppression.OUT_OF_SERVICE, f"maintenance {plan.id}"))
        if inhibitor := self._inhibitor(episode):
            by = f"{inhibitor.rule} on {inhibitor.subject}"
            found = _stronger(found, (Suppression.SUPPRESSED, by))
        return found

    def _inhibitor(self, episode: Episode) -> Alert | None:
        for rule in episode.terms.inhibited_by:
            device = episode.alert.device
            for subject in (episode.alert.subject, self._via(device) if device else None):
                parent = self._register.find(rule, subject) if subject else None
                if parent and parent.alert.active and not _is_inhibited(parent.alert):
                    return parent.alert
        return None


def _is_inhibited(alert: Alert) -> bool:
    """Such a one inhibits nothing: of two that inhibit each other one is always heard."""
    return alert.suppression is Suppression.SUPPRESSED and alert.suppressed_by is not None


def _stronger(one: Muted, other: Muted) -> Muted:
    """The first, where they are equally strong: what a person did."""
    return other if STRENGTH[other[0]] > STRENGTH[one[0]] else one
