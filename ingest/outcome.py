"""What one `feed` of the pipeline concluded."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.rules.rule_set import RuleVersion


@dataclass(frozen=True, slots=True)
class Readings:
    """Accepted readings of a batch as columns of one length n, in arrival order; no duplicates.

    `series` int32 index into the catalogue, `time` float64 event time in seconds,
    `value` float64 (booleans 0/1, strings their dictionary code), `late` bool: beyond the
    allowed lateness, stored and shown but never judged. `arrival` float64 engine time in seconds,
    ascending, and `row` intp, the place of its row (what came together, such as the metrics of a
    message) among those that arrived at that instant: with these two they can be judged again.
    """

    series: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    late: NDArray[np.bool_]
    arrival: NDArray[np.float64]
    row: NDArray[np.intp]

    @classmethod
    def joined(cls, parts: "Sequence[Readings]") -> "Readings":
        """The readings of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.series for part in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.time for part in parts] or [np.empty(0)]),
            np.concatenate([part.value for part in parts] or [np.empty(0)]),
            np.concatenate([part.late for part in parts] or [np.empty(0, np.bool_)]),
            np.concatenate([part.arrival for part in parts] or [np.empty(0)]),
            np.concatenate([part.row for part in parts] or [np.empty(0, np.intp)]),
        )

    def in_order(self) -> "Readings":
        """In order of arrival."""
        at, row = self.arrival, self.row
        ascends = (at[1:] > at[:-1]) | ((at[1:] == at[:-1]) & (row[1:] >= row[:-1]))
        if bool(ascends.all()):
            return self
        return self.only(np.lexsort((self.row, self.arrival)))

    def only(self, some: "NDArray[np.intp] | slice") -> "Readings":
        """These of them."""
        return Readings(
            self.series[some],
            self.time[some],
            self.value[some],
            self.late[some],
            self.arrival[some],
            self.row[some],
        )


class Presence(msgspec.Struct, frozen=True):
    """A device on both axes. The newest `revision` wins."""

    device: str
    connection: str  # online | offline | unknown
    connection_reason: str | None
    freshness: str  # fresh | stale | silent | never
    via: str | None
    last_seen: float | None
    revision: int


@dataclass(slots=True)
class Outcome:
    """The events of one batch, each list in the order in which they happened.

    Readings are told now and then, in order of arrival; `waiting` is whether some are not yet
    (`Pipeline.settle`). `problems` are facts that could not be applied any more and changed
    nothing, in words. `retagged` are devices that have other tags. `position` is where the journal
    holds the cause, once that is on disk.
    """

    at: float
    readings: Readings | None = None
    waiting: bool = False
    alerts: list[Alert] = field(default_factory=list[Alert])
    presence: list[Presence] = field(default_factory=list[Presence])
    new_devices: list[str] = field(default_factory=list[str])
    retagged: list[str] = field(default_factory=list[str])
    new_series: list[int] = field(default_factory=list[int])
    rules_changed: bool = False
    rule_versions: list[RuleVersion] = field(default_factory=list[RuleVersion])
    problems: list[str] = field(default_factory=list[str])
    position: int | None = None
