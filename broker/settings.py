"""Every limit of the broker in one place."""

from dataclasses import dataclass, fields

from tocsin.broker.listener import Listener
from tocsin.broker.outbound import FIRST_LOOSE_ID

KIB = 1024
MIB = 1024 * 1024

MAY_BE_ZERO = frozenset({"client_messages_per_s", "client_bytes_per_s"})
"""Limits that are none at 0."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the broker allows. Each field: meaning (unit), then why the default is what it is.

    A limit that is hit is counted and shown by `Broker.report()`. Raises ValueError
    when a value contradicts another.
    """

    listeners: tuple[Listener, ...] = (Listener("127.0.0.1", 1883, anonymous=True),)
    """Where to listen. Loopback: a stranger needs credentials first."""

    connections: int = 20_000
    """Open sockets in total (count); one more is closed at once. A site of 10,000 devices twice
    over, as when all reconnect before their old sockets are seen to be dead."""

    address_connections: int = 15_000
    """Open sockets of one address (count; of IPv6 its first 64 bits); one more is closed at once. A
    whole site may stand behind one address, and so do all clients of a proxy; a quarter of the
    sockets stays for others."""

    address_connects_per_s: float = 500.0
    """New sockets of one address (a second, in the long run). More than a site that runs makes, and
    no more than a tenth of a core when an attacker makes them."""

    address_connect_burst: int = 10_000
    """New sockets of one address that may come at once (count): a site whose network is back."""

    login_failures_free: int = 5
    """Wrong logins of one user name at one address (count) before each further one costs it a wait:
    1 s, then twice as long each time, at most a minute. A typing error costs nothing."""

    address_login_failures: int = 100
    """Wrong logins of one address at once, over all names (count, refilled at one a second). A site
    whose devices all have an old password may still log in with a new one."""

    remembered_addresses: int = 10_000
    """Addresses whose connects and failed logins are remembered (count); the one seen longest ago
    goes. 2 MiB."""

    remembered_logins: int = 20_000
    """User names of which a digest of the last right password is remembered (count); the one that
    logged in longest ago goes. Who comes with it again does not wait for what others guessed at its
    address, or under its name. As many as there may be connections; 4 MiB."""

    connect_timeout_s: float = 10.0
    """From the socket's opening to an accepted CONNECT (seconds), authentication included. A slow
    radio link manages; a socket that never speaks is gone soon."""

    connect_packet_bytes: int = 16 * KIB
    """Largest CONNECT (bytes after the fixed header). It is read before we know who sends it; room
    for a token as password and a will, not for a flood of half-sent 256 KiB packets."""

    packet_bytes: int = 260 * KIB
    """Largest packet of an accepted client (bytes after the fixed header): a payload of 256 KiB and
    4 KiB for topic and packet id."""

    client_id_bytes: int = 256
    """Longest client id (bytes of UTF-8). The standard asks for 23; device ids have up to 128
    characters."""

    topic_bytes: int = 4 * KIB
    """Longest topic or filter (bytes of UTF-8). Real ones stay below 200."""

    topic_levels: int = 64
    """Most levels of a topic or filter (count). A level costs a trie node, so depth is memory."""

    subscriptions: int = 1_000
    """Filters of one client (count); one more gets 0x80. A gateway subscribes to one filter per
    device at most, and can use a wildcard."""

    sessions_offline: int = 10_000
    """Sessions kept for clients that are away (count), least recently connected out. As many as
    there are devices on a large site."""

    session_expiry_s: float = 7 * 86_400.0
    """A session whose client stays away longer than this ends (seconds). A week survives a
    maintenance shutdown; MQTT 3.1.1 itself names no end."""

    client_messages_per_s: float = 0.0
    """PUBLISH packets of one client (a second; 0: no limit). Beyond a second's worth at once its
    socket is not read until it has fallen back; nothing is dropped. No limit: the others are
    served in turns anyway, and what one may send is for the site to say."""

    client_bytes_per_s: float = 0.0
    """The same for bytes of any packets."""

    in_flight: int = 100
    """QoS 1 and 2 messages sent to one client and not yet acknowledged (count). 100 fill a link of
    50 ms round trip with 2,000 messages a second and are quickly sent again after a reconnect."""

    queued_messages: int = 10_000
    """QoS 1 and 2 messages waiting for one client (count). A connected client at the bound is
    disconnected (it does not keep up); for one that is away the oldest is dropped."""

    queued_bytes: int = 16 * MIB
    """The same bound by size (payload and topic bytes)."""

    unreleased: int = 16_384
    """QoS 2 messages of one client between PUBLISH and PUBREL (count); one more closes the
    connection. MQTT 5 clients are told it as Receive Maximum, with QoS 1 counted in. Far above
    what clients keep in flight; a client that never releases stays small."""

    topic_aliases: int = 32
    """Topic aliases of one connection, each way (count). A device has a handful of topics; each
    alias keeps a topic in memory."""

    keepalive_max_s: int = 3_600
    """Longest keep alive of an MQTT 5 client (seconds); one that asks for more, or for none, is
    told this one. 3.1.1 clients cannot be told. An hour bounds what a vanished peer holds."""

    write_buffer_bytes: int = 1 * MIB
    """Bytes waiting in one client's socket. Beyond it QoS 0 is dropped and QoS 1 and 2 wait in the
    queue; a client that leaves twice as much of its answers unread is disconnected. Three packets
    of full size, or about 10,000 small readings."""

    retained_messages: int = 100_000
    """Retained messages of clients (count); one more on a new topic is delivered but not kept.
    Two per device at the device limit; what the server itself retains is not counted."""

    retained_bytes: int = 64 * MIB
    """The same bound by size (payload and topic bytes)."""

    retained_replay: int = 100_000
    """Retained messages still to be sent to one subscriber (count) from which on another SUBSCRIBE
    gets 0x80. A client may subscribe to everything, and again when it has read that."""

    uncommitted_bytes: int = 16 * MIB
    """Messages handed to the sink and not yet committed (bytes, objects included). Beyond it
    publishing sockets are not read until it is under half: TCP holds devices back, not our memory.
    About a second of full load."""

    will_grace_s: float = 30.0
    """After a start, how long the will of a client that was connected before waits for its return
    (seconds), if its own delay is not longer. Devices are back within seconds: 10,000 of them are
    not told to be gone because the server was."""

    linger_s: float = 5.0
    """How long a closed connection may take to accept its last bytes (seconds) before it is cut.
    Otherwise a peer that stopped reading would hold the socket for ever."""

    stop_grace_s: float = 2.0
    """How long `stop` waits for commits under way, so that their acks still leave (seconds). The
    whole server must be down within 3 seconds."""

    sys_interval_s: float = 10.0
    """Between two updates of `$SYS/broker/…` (seconds), while somebody is subscribed. Mosquitto's
    default."""

    remembered_topics: int = 65_536
    """Topics whose checks and matches are remembered (count, each cache); at the bound all are
    forgotten. Every device of a full site with one topic; random topics cannot fill memory."""

    refusals_kept: int = 100
    """Newest refusals kept for the report (count). Enough to see who knocks; all are counted."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if spec.name in MAY_BE_ZERO and value < 0:
                raise ValueError(f"{spec.name} is {value}; expected 0 or more")
            if spec.name not in MAY_BE_ZERO and spec.name != "listeners" and value <= 0:
                raise ValueError(f"{spec.name} is {value}; expected more than 0")
        if self.write_buffer_bytes < self.packet_bytes:
            raise ValueError(
                f"write_buffer_bytes is {self.write_buffer_bytes}; "
                f"expected at least packet_bytes, {self.packet_bytes}"
            )
        for name in ("in_flight", "unreleased", "topic_aliases", "keepalive_max_s"):
            if getattr(self, name) > 65_535:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at most 65535")
        if self.queued_messages + self.in_flight >= FIRST_LOOSE_ID:
            raise ValueError(
                f"queued_messages is {self.queued_messages}, in_flight {self.in_flight}; "
                f"expected less than {FIRST_LOOSE_ID} together: each message has a packet id"
            )
