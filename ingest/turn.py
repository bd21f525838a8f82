"""What the judge concludes: a rule turned, for a device or for a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tocsin.devices.formats.row import Value
from tocsin.ingest.alerts.alert import Evidence
from tocsin.ingest.rules.rule import Rule

VALUE = "value"
"""What among the values of a turn is the number that a device has, where a part asks for one."""

GROUP = "group:"
"""What the subject of an alert about a group begins with."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A rule turned for a device, or, where `group` says, for a group, and then `device` is -1:
    `truth` as AlertBook.signal wants it. `time` is event time, `row` the row of the batch that
    turned it. `evidence` is what it saw."""

    row: int
    rule: Rule
    device: int
    truth: bool
    time: float
    values: dict[str, Value]
    evidence: Evidence
    group: str | None = None

    def about(self, devices: Sequence[str]) -> tuple[str, str | None]:
        """The subject of its alert, and its device, if it is about one."""
        if self.group is not None:
            return GROUP + self.group, None
        return devices[self.device], devices[self.device]


Placed: TypeAlias = tuple[int, Turn]
"""A turn with the place of its rule among all."""


def in_order(turns: list[Placed]) -> list[Turn]:
    """By rows, and those of one row by rules."""
    turns.sort(key=lambda each: (each[1].row, each[0]))
    return [turn for _, turn in turns]
