"""Facts: what the broker's state depends on besides messages, in one order with them.

Sessions that outlive their connection, wills, and who shares a subscription are a fold over
these and the messages (`fold.py`). In the journal each is a `BrokerFact`.
"""

import msgspec

from tocsin.broker.subscriptions import Grant
from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.credentials import Identity


class Came(msgspec.Struct, frozen=True, array_like=True, tag="came"):
    """A CONNECT that begins a session that is kept, goes on with one, or ends one (`clean`).

    `expiry_s` is how long the session then waits for its client; `at` is engine time.
    """

    client: str
    identity: Identity
    username: str | None
    level: int
    clean: bool
    expiry_s: float
    at: float


class Left(msgspec.Struct, frozen=True, array_like=True, tag="left"):
    """The connection of a kept session ended. `last_sent`: as `Outbound.left` takes it."""

    client: str
    expiry_s: float
    last_sent: int
    at: float


class Expired(msgspec.Struct, frozen=True, array_like=True, tag="expired"):
    """The session waited for its client as long as it may, if that has not come back since."""

    client: str
    at: float


class Subscribed(msgspec.Struct, frozen=True, array_like=True, tag="sub"):
    """Filters were granted to a session. `guest`: to one that is not kept, shared filters only."""

    client: str
    filters: list[tuple[str, Grant]]
    guest: bool = False


class Unsubscribed(msgspec.Struct, frozen=True, array_like=True, tag="unsub"):
    client: str
    filters: list[str]
    guest: bool = False


class Parted(msgspec.Struct, frozen=True, array_like=True, tag="parted"):
    """The connection of a guest ended, and with it its shared subscriptions."""

    client: str


class Delivered(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """Deliveries to subscribers are over: client and packet id."""

    ids: list[tuple[str, int]]


class Received(msgspec.Struct, frozen=True, array_like=True, tag="rec"):
    """Subscribers have QoS 2 messages (PUBREC): client and packet id."""

    ids: list[tuple[str, int]]


class Released(msgspec.Struct, frozen=True, array_like=True, tag="rel"):
    """Publishers released QoS 2 messages (PUBREL): client and packet id."""

    ids: list[tuple[str, int]]


class Said(msgspec.Struct, frozen=True, array_like=True, tag="said"):
    """The server's own message, where a session that is kept may get it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Queued(msgspec.Struct, frozen=True, array_like=True, tag="queued"):
    """Retained messages of a new subscription, for one client.

    Of each topic, payload, QoS, properties, expiry (engine time), subscription identifiers.
    """

    client: str
    messages: list[tuple[str, bytes, int, bytes | None, float | None, tuple[int, ...]]]


class Willed(msgspec.Struct, frozen=True, array_like=True, tag="will"):
    """A client left a will, in place of the one it had."""

    client: str
    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes | None
    delay_s: float


class WillDue(msgspec.Struct, frozen=True, array_like=True, tag="due"):
    """The connection is over, and the will waits until then (engine time)."""

    client: str
    due: float


class WillGone(msgspec.Struct, frozen=True, array_like=True, tag="nowill"):
    """The will is published or withdrawn."""

    client: str


class Restarted(msgspec.Struct, frozen=True, array_like=True, tag="restart"):
    """The server started: all connections had ended, at `last_at` as far as is known."""

    last_at: float
    at: float


Fact = (
    Came
    | Left
    | Expired
    | Subscribed
    | Unsubscribed
    | Parted
    | Delivered
    | Received
    | Released
    | Said
    | Queued
    | Willed
    | WillDue
    | WillGone
    | Restarted
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Fact).decode


def to_record(fact: Fact) -> BrokerFact:
    return BrokerFact(str(type(fact).__struct_config__.tag), _encode(fact))


def from_record(record: BrokerFact) -> Fact:
    """What `to_record` was given. Raises ValueError for what no version wrote."""
    return _decode(record.body)
