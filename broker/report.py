"""What the broker tells of itself: a frozen picture, for tests, `/metrics` and the page."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientReport:
    """One client id with a session. Counters run since the session began."""

    id: str
    connected: bool
    """False: its session waits for it."""
    address: str | None
    """Peer as host:port; None when it is away."""
    username: str | None
    connected_at: float
    """When its last connection was accepted (engine time)."""
    clean: bool
    """Its session ends with the connection."""
    keepalive_s: int
    subscriptions: Mapping[str, int]
    """Granted QoS by filter."""
    queued: int
    """QoS 1 and 2 messages waiting to be sent."""
    queued_bytes: int
    in_flight: int
    """QoS 1 and 2 messages sent and not yet acknowledged."""
    write_buffer_bytes: int
    """Bytes waiting in its socket."""
    messages_received: int
    """PUBLISH packets from it, refused and repeated ones included."""
    messages_sent: int
    """PUBLISH packets to it."""
    dropped: Mapping[str, int]
    """Messages from or to it that were not passed on, by reason."""
    limit_hits: Mapping[str, int]
    """How often it came to a limit, by the name of the setting."""
    level: int
    """Protocol level of its last connection: 3 (MQTT 3.1), 4 (3.1.1) or 5."""
    session_expiry_s: float
    """How long its session waits for it."""
    throttled: int
    """Times that reading from its connection paused, because it sent faster than it may."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was refused, and to whom. `client` is empty before a CONNECT was read."""

    at: float
    reason: str
    address: str
    client: str


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """A socket on which clients come in."""

    address: str
    """host:port; port 0 is resolved."""
    tls: bool
    websocket: bool
    client_certificates: str
    """`none`, `optional` or `required`."""
    anonymous: bool
    """Clients without credentials are let in."""
    connections: int
    """Open sockets of its listener."""
    max_connections: int | None
    """None: only the bound on all of them."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters since the start, and the sizes of what is held."""

    connections: int
    """Open sockets."""
    connected: int
    """Clients whose CONNECT was accepted, connected now."""
    connections_total: int
    """Accepted CONNECTs."""
    sessions: int
    """Sessions, of connected clients and of those away."""
    subscriptions: int
    messages_received: int
    """PUBLISH packets from clients, wills included."""
    messages_sent: int
    """PUBLISH packets to clients."""
    bytes_received: int
    bytes_sent: int
    messages_dropped: int
    """Messages not passed on, all reasons."""
    messages_not_stored: int
    """Messages whose batch the sink failed to store."""
    retained: int
    retained_bytes: int
    not_retained: int
    """Retained messages that were delivered but not kept, for want of room."""
    uncommitted_bytes: int
    """Messages with the sink, not yet committed."""
    pauses: int
    """Times that reading was paused because the sink was behind."""
    paused: bool
    """Reading is paused now."""
    throttled: int
    """Times that reading from a client paused, because it sent faster than it may."""


@dataclass(frozen=True, slots=True)
class Report:
    clients: tuple[ClientReport, ...]
    """At most as many as were asked for; `totals.sessions` is their number."""
    listeners: tuple[ListenerReport, ...]
    limits: Mapping[str, float]
    """The fields of `Settings`."""
    limit_hits: Mapping[str, int]
    """How often each limit that refuses, drops, closes or holds back did so since the start."""
    refusals: tuple[Refusal, ...]
    """The newest ones, oldest first."""
    refused: Mapping[str, int]
    """All refusals since the start by kind, the part of the reason before a colon."""
    totals: Totals
