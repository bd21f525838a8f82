"""`$SYS/broker/…`: the usual figures as retained messages, for who subscribes to them."""

from collections.abc import Callable, Mapping

from tocsin.broker.clients import Clients
from tocsin.broker.load import MINUTES, Load
from tocsin.broker.report import Totals
from tocsin.broker.router import Router
from tocsin.devices.message import Message


class SystemTopics:
    """Owns the last published values. Figures are made only while somebody is subscribed."""

    def __init__(
        self,
        version: str,
        router: Router,
        clients: Clients,
        totals: Callable[[], Totals],
        started_at: float,
    ) -> None:
        self._version = version
        self._router = router
        self._clients = clients
        self._totals = totals
        self._started_at = started_at
        self._published: dict[str, bytes] = {}
        self._load = Load(tuple(LOADS))
        self._most = 0
        self._refreshed_at = float("-inf")

    def publish(self, now: float) -> None:
        """Publishes what changed since the last time and has a subscriber."""
        subscriptions = self._router.subscriptions
        if any(subscriptions.match(topic) for topic in SYSTEM_TOPICS):
            self._publish(now)

    def refresh(self, now: float) -> None:
        """Somebody is about to subscribe: the retained values become new, at most once a second."""
        if now - self._refreshed_at >= 1.0:
            self._publish(now)

    def _publish(self, now: float) -> None:
        self._refreshed_at = now
        for topic, value in self._values(now).items():
            payload = value.encode()
            if self._published.get(topic) != payload:
                self._published[topic] = payload
                message = Message("", topic, payload, retain=True)
                self._router.retain(message, 0, bounded=False)
                self._router.route(message)

    def _values(self, now: float) -> Mapping[str, str]:
        totals = self._totals()
        self._most = max(self._most, totals.connected)
        load = self._load.feed(
            now,
            (
                totals.bytes_received,
                totals.bytes_sent,
                totals.connections_total,
                totals.messages_dropped,
                totals.messages_received,
                totals.messages_sent,
            ),
        )
        away = totals.sessions - totals.connected
        # One pass over all clients: made here, while somebody listens, and not for each report.
        waiting = sum(client.session.waiting for client in self._clients)
        waiting_bytes = sum(client.session.waiting_bytes for client in self._clients)
        stored = totals.retained + waiting
        shared = sum(len(group) for group in self._router.subscriptions.shared.values())
        figures = (
            f"tocsin {self._version}",
            f"{now - self._started_at:.0f} seconds",
            totals.connected,
            totals.connected,
            away,
            away,
            self._most,
            totals.sessions,
            self._clients.expired,
            totals.messages_received,
            totals.messages_sent,
            totals.messages_dropped,
            totals.bytes_received,
            totals.bytes_sent,
            totals.subscriptions,
            shared,
            totals.retained,
            stored,
            stored,
            totals.retained_bytes + waiting_bytes,
            *(f"{average:.2f}" for average in load.values()),
        )
        return dict(zip(SYSTEM_TOPICS, map(str, figures), strict=True))


LOADS = {
    "bytes/received": "bytes from clients",
    "bytes/sent": "bytes to clients",
    "connections": "accepted CONNECTs",
    "publish/dropped": "messages dropped or refused",
    "publish/received": "PUBLISH packets from clients",
    "publish/sent": "PUBLISH packets to clients",
}

SYSTEM_TOPICS: Mapping[str, str] = {
    "$SYS/broker/version": "name and version of the server",
    "$SYS/broker/uptime": "seconds since the broker started",
    "$SYS/broker/clients/connected": "clients connected now",
    "$SYS/broker/clients/active": "the same, by its older name",
    "$SYS/broker/clients/disconnected": "clients that are away and have a session",
    "$SYS/broker/clients/inactive": "the same, by its older name",
    "$SYS/broker/clients/maximum": "most clients connected at a time, as far as it was looked at",
    "$SYS/broker/clients/total": "clients connected, and away with a session",
    "$SYS/broker/clients/expired": "sessions that ended because their clients stayed away too long",
    "$SYS/broker/publish/messages/received": "PUBLISH packets from clients",
    "$SYS/broker/publish/messages/sent": "PUBLISH packets to clients",
    "$SYS/broker/publish/messages/dropped": "messages dropped or refused",
    "$SYS/broker/bytes/received": "bytes from clients",
    "$SYS/broker/bytes/sent": "bytes to clients",
    "$SYS/broker/subscriptions/count": "subscriptions of all sessions",
    "$SYS/broker/shared_subscriptions/count": "those of them that are shared",
    "$SYS/broker/retained messages/count": "retained messages",
    "$SYS/broker/store/messages/count": "messages kept: retained ones, and QoS 1 and 2 that wait",
    "$SYS/broker/messages/stored": "the same, by its older name",
    "$SYS/broker/store/messages/bytes": "their bytes",
    **{
        f"$SYS/broker/load/{name}/{minutes}min": f"{meaning} a minute, over {minutes} min"
        for name, meaning in LOADS.items()
        for minutes in MINUTES
    },
}
"""Topic → meaning, in the order of the figures."""
