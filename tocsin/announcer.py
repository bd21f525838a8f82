"""What the server itself says over MQTT: alerts and presence.

Alerts and presence are retained, one topic each, so that a subscriber that comes late knows.
They leave after the batch that caused them is committed (`Engine.on_committed`).
"""

from collections.abc import Callable

import msgspec

from tocsin.dashboard.views import view_alert, view_presence
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.outcome import Outcome, Presence

Publish = Callable[..., None]


class Announcer:
    """Publishes under `tocsin/`."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def start(self, alerts: list[Alert], presence: list[Presence]) -> None:
        """Say how things stand.

        `alerts` are also those that are over: what ended just before the server did may still
        stand as open in a retained message, or with whoever heard the last one. A session that was
        there before hears of them again, perhaps for the second time; of presence only what
        changes.
        """
        for alert in alerts:
            self._announce_alert(alert)
        for device in presence:
            self._announce_presence(device, told=False)

    def announce(self, outcome: Outcome) -> None:
        for alert in outcome.alerts:
            self._announce_alert(alert)
        for device in outcome.presence:
            self._announce_presence(device)

    def _announce_alert(self, alert: Alert) -> None:
        topic = f"tocsin/alerts/{alert.subject}/{alert.rule}"
        payload = msgspec.json.encode(view_alert(alert))
        self._publish(topic, payload, qos=1, retain=True, durable=alert.durable)

    def _announce_presence(self, device: Presence, *, told: bool = True) -> None:
        topic = f"tocsin/presence/{device.device}"
        payload = msgspec.json.encode(view_presence(device))
        self._publish(topic, payload, qos=1, retain=True, told=told)
