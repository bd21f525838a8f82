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


def plan(
    alert: Alert,
    channels: Mapping[str, Channel],
    open_alerts: OpenAlerts,
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
        elif command := command_of(alert, channel, open_alerts):
            planned.append(Delivery(name, alert, now, now, now, command=command))
    return planned


def command_of(alert: Alert, channel: Channel, open_alerts: OpenAlerts) -> str:
    """`ring`, `clear`, or nothing, for the device that a channel commands."""
    topic = channel.topic_for(alert.device)
    if topic is None or alert.cause is None:
        return ""
    event = alert.cause.event
    if is_heard(alert):
        # Acknowledged, it rings on until it is over: a siren is for those who are in danger.
        return "ring" if event in _RINGS and alert.state is State.ACTIVE else ""
    ends = event in _ENDS and not alert.active
    muted = alert.active and event not in _RINGS
    if not alert.sounded or not (ends or muted):
        return ""
    others = (
        other
        for other in open_alerts()
        if other.id != alert.id
        and is_heard(other)
        and channel.name in other.actions
        and channel.topic_for(other.device) == topic
    )
    return "" if any(others) else "clear"


def is_heard(alert: Alert) -> bool:
    return alert.active and alert.suppression is Suppression.NONE
