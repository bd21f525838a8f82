"""What a payload says, before it is known whether that is plausible."""

import msgspec

Value = float | bool | str


class Row(msgspec.Struct, frozen=True, gc=False):
    """Values of one device at one event time; nested names are joined with a dot.

    `ts` is the event time in seconds since the epoch, None if the payload gave none.
    `lat` and `lon` are degrees, of a position if both are there.
    """

    values: dict[str, Value]
    ts: float | None = None


class Decoded(msgspec.Struct, frozen=True):
    device: str
    rows: list[Row]


class Rejected(msgspec.Struct, frozen=True):
    """A payload that cannot be read, and why. `device` is None where not even that is known."""

    device: str | None
    reason: str


class Unclaimed(msgspec.Struct, frozen=True):
    """A topic that no format and no pattern claims."""
