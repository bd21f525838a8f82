"""One device's MQTT connection: a paho client without a thread, and a bounded backlog before it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tocsin.simulators.broker_address import BrokerAddress

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike  # paho defines it for type checkers alone


@dataclass(frozen=True, slots=True)
class Settings:
    """How devices talk to the broker."""

    qos: int = 1
    """Delivery guarantee asked of the broker: 0, 1 or 2."""

    username: str | None = None
    password: str | None = None

    keepalive_s: int = 30
    """Seconds of silence after which a device pings; the broker gives up after 1.5 × this."""

    connect_timeout_s: float = 0.8
    """Seconds one TCP connect may take. Below 1 s, because it blocks all devices and an
    interrupt must end the run within 1 s even where packets vanish."""

    in_flight: int = 20
    """Messages of one device on their way at once; the rest waits in the backlog."""

    backlog: int = 120
    """Messages that wait for one device while it is offline or the broker is slow: two minutes
    at 1 Hz. Policy: drop the oldest, counted, since newer readings are worth more."""

    first_retry_s: float = 0.5
    last_retry_s: float = 30.0
    """Delay before the first retry; it doubles with each up to the last. Half of it is jitter."""

    def retry_delay(self, attempt: int, chance: Random) -> float:
        """Seconds to wait before retry number `attempt` (from 0)."""
        delay = min(self.last_retry_s, self.first_retry_s * 2.0 ** min(attempt, 30))
        return delay * chance.uniform(0.5, 1.0)


@dataclass(slots=True)
class Counters:
    """What happened to one device's messages; the fields of several add up."""

    sent: int = 0
    """Messages handed to the network, repeats after a reconnect not counted."""
    acked: int = 0
    """Messages the broker confirmed (PUBACK, PUBCOMP); none are at QoS 0."""
    dropped: int = 0
    """Messages given up: pushed out of a full backlog, or lost with the connection at QoS 0."""
    reconnects: int = 0
    """Connections the broker accepted, beyond the first."""


class Connection:
    """State: the paho client, the backlog, what is in flight, and whether the broker accepted us.

    `on_end(connection, reason)` tells of an attempt or connection that ended against our will;
    `wants_write(connection)` that bytes wait to be written by `write`.
    """

    def __init__(
        self,
        device: str,
        settings: Settings,
        selector: BaseSelector,
        *,
        on_accept: Callable[["Connection"], None],
        on_end: Callable[["Connection", str], None],
        wants_write: Callable[["Connection"], None],
    ) -> None:
        self.device = device
        self.counters = Counters()
        self.accepted = False
        self.attempts = 0  # since the broker last accepted us
        self._topic = f"devices/{device}/telemetry"
        self._settings = settings
        self._selector = selector
        self._events = EVENT_READ
        self._on_accept = on_accept
        self._on_end = on_end
        self._wants_write = wants_write
        self._backlog: deque[bytes] = deque()
        self._in_flight = 0
        self._ever_accepted = False
        self._closing = False
        self._refusal = ""
        self._client = self._build_client()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, accepted by the broker or not yet."""
        return self._client.socket() is not None

    def connect(self, broker: BrokerAddress) -> None:
        """Opens a connection; blocks for the TCP handshake alone. Raises OSError."""
        self.attempts += 1
        self._refusal = ""
        self._client.connect_async(broker.host, broker.port, self._settings.keepalive_s)
        self._client.reconnect()

    def offer(self, payload: bytes) -> None:
        """Publishes the payload now, or as soon as the broker takes it."""
        if len(self._backlog) >= self._settings.backlog:
            self._backlog.popleft()
            self.counters.dropped += 1
        self._backlog.append(payload)
        self._publish_backlog()

    def ready(self, events: int) -> None:
        """Reads or writes what the selector says is possible."""
        if events & EVENT_READ:
            self._client.loop_read()
            self._publish_backlog()
        if events & EVENT_WRITE:
            self.write()

    def write(self) -> None:
        """Writes what waits; what the socket does not take waits for the selector."""
        self._client.loop_write()
        self._publish_backlog()  # at QoS 0 what is written is no longer in flight
        if self._client.want_write():
            self._watch(EVENT_READ | EVENT_WRITE)

    def keep_alive(self) -> None:
        """Pings after silence, and ends a connection whose broker no longer answers."""
        self._client.loop_misc()

    def close(self) -> None:
        """Asks for a DISCONNECT to be sent; `write` sends it and closes the socket."""
        self._closing = True
        self._client.disconnect()

    def abandon(self) -> None:
        """Closes the socket at once, whatever waits."""
        self._closing = True
        self._client.connect_async("closed")  # paho's one public way to drop a socket unsaid

    def _build_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.device,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.connect_timeout_s
        client.max_inflight_messages_set(settings.in_flight)
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        client.on_socket_open = self._socket_opened
        client.on_socket_close = self._socket_closes
        client.on_socket_register_write = self._write_waits
        client.on_socket_unregister_write = self._write_done
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._published
        return client

    def _publish_backlog(self) -> None:
        qos = self._settings.qos
        while self.accepted and self._backlog and self._in_flight < self._settings.in_flight:
            info = self._client.publish(self._topic, self._backlog[0], qos)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            self._backlog.popleft()
            self._in_flight += 1
            self.counters.sent += 1

    def _watch(self, events: int) -> None:
        sock = self._client.socket()
        if sock is not None and events != self._events:
            self._selector.modify(sock, events, self)
            self._events = events

    # paho's callbacks. It calls them from inside its own methods, so they only take note.

    def _socket_opened(self, client: Client, userdata: Any, sock: "SocketLike") -> None:
        self._events = EVENT_READ
        self._selector.register(sock, EVENT_READ, self)

    def _socket_closes(self, client: Client, userdata: Any, sock: "SocketLike") -> None:
        self._selector.unregister(sock)
        self.accepted = False

    def _write_waits(self, client: Client, userdata: Any, sock: "SocketLike") -> None:
        self._wants_write(self)

    def _write_done(self, client: Client, userdata: Any, sock: "SocketLike") -> None:
        self._watch(EVENT_READ)

    def _connected(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = f"refused: {reason}"
            return
        self.accepted = True
        self.attempts = 0
        self.counters.reconnects += self._ever_accepted
        self._ever_accepted = True
        self._on_accept(self)

    def _disconnected(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self.accepted = False
        if self._settings.qos == 0:
            self.counters.dropped += self._in_flight
            self.counters.sent -= self._in_flight
            self._in_flight = 0
        if not self._closing:
            self._on_end(self, self._refusal or "connection lost")

    def _published(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        self._in_flight -= 1
        self.counters.acked += self._settings.qos > 0
