"""What the server itself says over MQTT: alerts, presence and its heartbeat.

Alerts and presence are retained, one topic each, so that a subscriber that comes late knows.
They leave after the batch that caused them is committed (`Engine.on_committed`).
"""

import asyncio
from collections.abc import Callable

import msgspec

from tocsin.dashboard.views import view_alert, view_presence
from tocsin.devices.timestamps import rfc3339
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.outcome import Outcome, Presence

HEARTBEAT_S = 10.0

Publish = Callable[..., None]


class Announcer:
    """Publishes under `tocsin/`. State: the heartbeat's timer."""

    def __init__(self, publish: Publish, clock: Callable[[], float], version: str) -> None:
        self._publish = publish
        self._clock = clock
        self._version = version
        self._timer: asyncio.TimerHandle | None = None

    def start(self, alerts: list[Alert], presence: list[Presence]) -> None:
        """Say how things stand, then the heartbeat every 10 s.

        A session that was there before hears of open alerts again, perhaps for the second time;
        of presence only what changes.
        """
        for alert in alerts:
            self._announce_alert(alert)
        for device in presence:
            self._announce_presence(device, told=False)
        self._beat()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

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

    def _beat(self) -> None:
        beat = {"at": rfc3339(self._clock()), "version": self._version, "every_s": HEARTBEAT_S}
        self._publish("tocsin/heartbeat", msgspec.json.encode(beat), qos=0, retain=True)
        self._timer = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._beat)
