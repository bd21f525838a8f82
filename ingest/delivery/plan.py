"""Which channels are told of a transition, and what."""

from collections.abc import Callable, Iterable, Mapping

from tocsin.ingest.alerts.alert import NOT_STORED, STORED, Alert, State, Suppression
from tocsin.ingest.alerts.lifecycle import Event, Muting
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Delivery
from tocsin.ingest.delivery.self_alarm import CHANNEL_FAILS, channel_of

OpenAlerts = Callable[[], Iterable[Alert]]

# Events after which an alert rings, if it is active and nothing mutes it.
_RINGS = frozenset(
    {
        *(Event.HOLDS, Event.ON_DELAY_OVER, Event.RE_ALARM),
        *(Muting.UNSHELVE, Muting.EXPIRE, Muting.UNSUPPRESS, Muting.IN_SERVICE, "unmuted"),
    }
)
# Events after which one that rang may be over.
_ENDS = frozenset({Event.FALLS, Event.OFF_DELAY_OVER, Event.RESET, Event.RETIRE})


class UnknownChannels:
    """Counts rules that name a channel which the settings do not have."""

    def __init__(self) -> None:
        self.total = 0
        self.names: dict[str, str] = {}
        """By channel, a rule that names it; at most 100."""

    def note(self, channel: str, rule: str) -> None:
        self.total += 1
        if len(self.names) < 100:
            self.names[channel] = rule


class Heard:
    """Which open alerts ring a device, by channel and topic. They are looked through once, when
    somebody asks first: a storm that is over asks a thousand times.
    """

    def __init__(self, open_alerts: OpenAlerts, channels: Mapping[str, Channel]) -> None:
        self._open_alerts = open_alerts
        self._channels = channels
        self._by_topic: dict[tuple[str, str], set[str]] | None = None

    def besides(self, alert: Alert, channel: Channel, topic: str) -> bool:
        """Whether another alert rings there."""
        if self._by_topic is None:
            self._by_topic = self._look()
        ringing = self._by_topic.get((channel.name, topic), set())
        return len(ringing) > (alert.id in ringing)

    def _look(self) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        for alert in self._open_alerts():
            if not is_heard(alert):
                continue
            for name in alert.actions:
                channel = self._channels.get(name)
                if channel is not None and channel.kind == "mqtt":
                    topic = channel.topic_for(alert.device)
                    if topic is not None:
                        found.setdefault((name, topic), set()).add(alert.id)
        return found


def plan(
    alert: Alert,
    channels: Mapping[str, Channel],
    heard: Heard,
    now: float,
    unknown: UnknownChannels,
) -> list[Delivery]:
    """The deliveries of an alert's newest transition, one for each channel that is told."""
    if alert.cause is not None and alert.cause.event in (STORED, NOT_STORED):
        return []
    if alert.rule == CHANNEL_FAILS.name:
        # Of a channel that fails the others are told.
        failing = channel_of(alert.subject)
        names = [name for name, c in channels.items() if c.kind == "webhook" and name != failing]
    else:
        names = list(alert.actions)
    planned: list[Delivery] = []
    for name in names:
        channel = channels.get(name)
        if channel is None:
            unknown.note(name, alert.rule)
        elif channel.kind == "webhook":
            # Whoever never heard it ring need not hear that it is over.
            if alert.sounded:
                planned.append(Delivery(name, alert, now, now, now))
        elif command := command_of(alert, channel, heard):
            planned.append(Delivery(name, alert, now, now, now, command=command))
    return planned


def command_of(alert: Alert, channel: Channel, heard: Heard) -> str:
    """`ring`, `clear`, or nothing, for the device that a channel commands."""
    topic = channel.topic_for(alert.device)
    if topic is None or alert.cause is None:
        return ""
    event = alert.cause.event
    if is_heard(alert):
        # Acknowledged, it rings on until it is over: a siren is for those who are in danger.
        return "ring" if begins_to_ring(alert) else ""
    ends = event in _ENDS and not alert.active
    muted = alert.active and event not in _RINGS
    if not alert.sounded or not (ends or muted):
        return ""
    return "" if heard.besides(alert, channel, topic) else "clear"


def is_heard(alert: Alert) -> bool:
    return alert.active and alert.suppression is Suppression.NONE


def begins_to_ring(alert: Alert) -> bool:
    """Whether the newest transition is that it rings, for the first time or again."""
    rings = alert.cause is not None and alert.cause.event in _RINGS
    return rings and alert.state is State.ACTIVE and is_heard(alert)
