"""A delivery: one transition of one alert on its way through one channel."""

from enum import StrEnum
from hashlib import blake2b

import msgspec

from tocsin.ingest.alerts.alert import Alert


class Receipt(StrEnum):
    """Where a delivery stands. `confirmed` and `dead` are ends; so is `sent` for MQTT, where
    nobody answers."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True):
    """`alert` is as the transition left it. Times are engine time; `due` is when it is tried next,
    `error` why the last attempt failed. `command` is `ring` or `clear` for MQTT.
    """

    channel: str
    alert: Alert
    queued_at: float
    due: float
    changed_at: float
    state: Receipt = Receipt.QUEUED
    attempts: int = 0
    error: str | None = None
    command: str = ""

    @property
    def key(self) -> str:
        """The idempotency key: the same at every attempt, also after a restart."""
        return f"{self.alert.id}-{self.alert.revision}"


class Parcel(msgspec.Struct, frozen=True):
    """What goes out in one attempt: a delivery, or, with `group`, those of a group, in the order in
    which they came. There is one at least, and all are of one channel.
    """

    deliveries: tuple[Delivery, ...]
    group: str | None = None

    @property
    def channel(self) -> str:
        return self.deliveries[0].channel

    @property
    def attempts(self) -> int:
        """Those made of the one that came first."""
        return self.deliveries[0].attempts

    @property
    def key(self) -> str:
        """The idempotency key: the same whenever the same transitions go out together."""
        keys = [delivery.key for delivery in self.deliveries]
        if self.group is None:
            return keys[0]
        return blake2b("\0".join([self.group, *keys]).encode(), digest_size=8).hexdigest()


class Answer(msgspec.Struct, frozen=True):
    """What became of an attempt. `error` None is success; `again`: another attempt may succeed,
    not before `after_s` seconds if the receiver said so. `state` is the receipt of a success.
    """

    error: str | None = None
    again: bool = True
    after_s: float = 0.0
    state: Receipt = Receipt.CONFIRMED


def retry_after_s(failures: int, chance: float) -> float:
    """Seconds until the next attempt after `failures` in a row: 1, 2, 4 … 300, of which `chance`
    (0 to 1) takes away up to a half, so that many that failed together do not come together.
    """
    return min(2.0 ** (min(failures, 10) - 1), 300.0) * (1.0 - chance / 2)
