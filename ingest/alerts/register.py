"""Every episode that is open, and the alerts that are over lately."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.episode import Ending, Episode
from tocsin.ingest.alerts.timers import Alarm

RECENT = 500
"""Alerts kept after they are over, for the page; the rest is in history. Oldest out."""

ENDINGS = 65_536
"""Alarms whose last episode is remembered, so that no id comes twice. Oldest out."""

_NONE: Mapping[str, Episode] = MappingProxyType({})


class Register:
    """Owns the open episodes, at most one of each alarm, in the order in which they began; the last
    RECENT alerts that rang and are over; and when the last episode of each alarm began."""

    def __init__(
        self,
        episodes: Iterable[Episode] = (),
        recent: Iterable[Alert] = (),
        endings: Iterable[Ending] = (),
    ) -> None:
        self._open: dict[str, Episode] = {}
        self._by_rule: dict[str, dict[str, Episode]] = {}
        for episode in episodes:
            self.admit(episode)
        self._recent = {alert.id: alert for alert in recent}
        self._endings = {(ending.rule, ending.subject): ending for ending in endings}

    def admit(self, episode: Episode) -> None:
        """An episode begins."""
        self._open[episode.alert.id] = episode
        self._by_rule.setdefault(episode.alert.rule, {})[episode.alert.subject] = episode

    def close(self, episode: Episode) -> None:
        """It is over."""
        alert = episode.alert
        del self._open[alert.id]
        alarms = self._by_rule[alert.rule]
        del alarms[alert.subject]
        if not alarms:
            del self._by_rule[alert.rule]
        self._endings.pop(episode.alarm, None)
        self._endings[episode.alarm] = Ending(*episode.alarm, alert.began_at, episode.repeat)
        if len(self._endings) > ENDINGS:
            del self._endings[next(iter(self._endings))]
        if alert.raised_at is not None:
            self._recent[alert.id] = alert
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def keep(self, alert: Alert) -> None:
        """An alert, open or recent, is now so."""
        episode = self._open.get(alert.id)
        if episode is not None:
            episode.alert = alert
        else:
            self._recent[alert.id] = alert

    def repeat_of(self, alarm: Alarm, began_at: float) -> int:
        """How many episodes of the alarm that began just then came right before a new one."""
        ending = self._endings.get(alarm)
        return ending.repeat + 1 if ending and ending.began_at == began_at else 0

    def find(self, rule: str, subject: str) -> Episode | None:
        """The open episode of an alarm."""
        return self._by_rule.get(rule, _NONE).get(subject)

    def of_rule(self, rule: str) -> list[Episode]:
        """The open episodes of a rule, in the order in which they began."""
        return list(self._by_rule.get(rule, _NONE).values())

    def by_rule(self) -> list[Episode]:
        """All open episodes, rule by rule."""
        return [episode for alarms in self._by_rule.values() for episode in alarms.values()]

    def episode(self, alert_id: str) -> Episode | None:
        """The open episode with the alert of this id."""
        return self._open.get(alert_id)

    def get(self, alert_id: str) -> Alert | None:
        """The alert of this id, if it is open or recent."""
        episode = self._open.get(alert_id)
        return episode.alert if episode else self._recent.get(alert_id)

    def open(self) -> list[Episode]:
        """In the order in which they began."""
        return list(self._open.values())

    def recent(self) -> list[Alert]:
        """The oldest first."""
        return list(self._recent.values())

    def endings(self) -> list[Ending]:
        return list(self._endings.values())
