"""An alert: one episode of one rule on one subject."""

from collections.abc import Callable
from enum import StrEnum
from hashlib import blake2b
from typing import TypeAlias

import msgspec


class State(StrEnum):
    """Where an alert stands, as in ISA-18.2. `cleared` is the end of the episode."""

    PENDING = "pending"
    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"
    CLEARED = "cleared"


class Suppression(StrEnum):
    NONE = "none"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"


class Evidence(msgspec.Struct, frozen=True):
    """What a rule saw when it turned, or when a timer of its alert ended.

    `readings` are the newest value of each metric it shows and that reading's event time.
    `windows` are the windowed functions and ages it reads, as the rule writes them.
    `devices` are those of a group that counted, the first 100 of them.
    """

    readings: dict[str, tuple[float | bool | str, float]] = {}
    windows: dict[str, float] = {}
    devices: tuple[str, ...] = ()


NO_EVIDENCE = Evidence()


class Cause(msgspec.Struct, frozen=True):
    """Why an alert changed: when (engine time), who (`tocsin` for the rule or a timer), by which
    event of the lifecycle, with what note, and what the rule saw then, if it was a rule or a timer.
    `started_by`, of a timer, is what it saw when it turned last: what started a delay, say.
    """

    at: float
    by: str
    event: str
    note: str = ""
    evidence: Evidence = NO_EVIDENCE
    started_by: Evidence | None = None


STORED, NOT_STORED = "stored", "not stored yet"
"""Events of a cause: the alert is on disk, or was told ahead of it. Nothing else has changed."""


class Comment(msgspec.Struct, frozen=True):
    """What a person did to an alert, or `tocsin` for them, and the note they left."""

    at: float
    by: str
    action: str
    note: str


class Alert(msgspec.Struct, frozen=True):
    """One episode. Immutable: every transition yields the next one, `revision` one higher.

    Times are seconds since the epoch. `began_at` is the event time of the episode's first
    reading, of which `id` is made; `raised_at` is the engine time at which it became active.
    `latched`: the hazard is over, and the alert stays until somebody resets it. `rings` counts
    how often it rang, `flapping` says that it came and went so often that its end is held back.
    `suppressed_by` is what mutes it, if that is no person. `sounded`: it rang at some time while
    nothing muted it, so people who are told of alerts know of it. `actions` are the rule's, and
    those that heard it ring.
    """

    id: str
    rule: str
    subject: str
    device: str | None
    severity: str
    state: State
    active: bool
    acknowledged: bool
    value: float | bool | None
    message: str
    began_at: float
    latched: bool = False
    suppression: Suppression = Suppression.NONE
    raised_at: float | None = None
    cleared_at: float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None
    comments: tuple[Comment, ...] = ()
    durable: bool = True
    revision: int = 1
    shelved_until: float | None = None
    suppressed_by: str | None = None
    rings: int = 0
    flapping: bool = False
    sounded: bool = False
    actions: tuple[str, ...] = ()
    cause: Cause | None = None


Witness: TypeAlias = Callable[[Alert, float], Evidence | None]
"""What the rule of an open alert sees at engine time; None where there is nobody to say it."""


def alert_id(rule: str, subject: str, began_at: float, repeat: int = 0) -> str:
    """The id of the episode that began at event time `began_at`, the same in every replay.

    `repeat` counts the episodes before it that began at the same event time, which a device
    whose clock stands still can bring about.
    """
    words = [rule, subject, repr(began_at), *([str(repeat)] if repeat else [])]
    return blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
