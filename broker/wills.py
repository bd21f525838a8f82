"""Wills that wait: their connection is over, their delay is not (MQTT 5, 3.1.3.2.2)."""

from collections.abc import Callable

from tocsin.broker.deadlines import Deadlines
from tocsin.devices.message import Message

_SLOT_S = 0.25


class Wills:
    """Owns the waiting wills, at most one per client id. `publish` gets those that are due."""

    def __init__(self, publish: Callable[[Message], None]) -> None:
        self._publish = publish
        self._waiting: dict[str, Message] = {}
        self._deadlines: Deadlines[str] = Deadlines(_SLOT_S)

    def __len__(self) -> int:
        return len(self._waiting)

    def delay(self, will: Message, until: float) -> None:
        self._waiting[will.client] = will
        self._deadlines.set(will.client, until)

    def withdraw(self, client: str) -> None:
        """The client came back to its session in time [MQTT-3.1.3-9]."""
        self._deadlines.drop(client)
        self._waiting.pop(client, None)

    def session_ended(self, client: str) -> None:
        """A will waits no longer than the session of its client."""
        self._deadlines.drop(client)
        will = self._waiting.pop(client, None)
        if will is not None:
            self._publish(will)

    def publish_due(self, now: float) -> None:
        for client in list(self._deadlines.pop_due(now)):
            self.session_ended(client)
