"""Calls functions with the messages of a batch, in the worker."""

import re
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.facts import DerivedRow
from tocsin.ingest.functions.output import columns_of, comment_of, metrics_of
from tocsin.ingest.functions.protocol import ROWS_AT_ONCE, SAYS_S, Begun, Ran
from tocsin.ingest.functions.registration import AlertSeen, Floats, Function, Reading, Readings

ERROR_CHARACTERS = 2000
_BOOLEAN, _TEXT = 1, 2
_OURS = re.compile(r"tocsin/ingest/functions/|^<frozen importlib")

Say = Callable[[Begun | Ran], None]


@dataclass(slots=True)
class Messages:
    """A batch as columns: readings, of which those of one message have the same `row`.

    `series` index into `names` (device, metric); `kind` is 0 for numbers, 1 booleans, 2 texts,
    which are in `texts` by their place.
    """

    series: NDArray[np.int32]
    time: Floats
    value: Floats
    kind: NDArray[np.int8]
    late: NDArray[np.int8]
    row: NDArray[np.int32]
    names: dict[int, tuple[str, str]]
    texts: dict[int, str] = field(default_factory=dict[int, str])

    def one_by_one(self) -> list[Reading]:
        """Each message as an object."""
        found: list[Reading] = []
        newest = -1
        values: dict[str, float | bool | str] = {}
        columns = (self.series, self.row, self.time, self.value, self.kind, self.late)
        series, rows, times, numbers, kinds, late = (column.tolist() for column in columns)
        for place, row in enumerate(rows):
            device, metric = self.names[series[place]]
            if row != newest:
                newest, values = row, {}
                found.append(Reading(device, times[place], values, bool(late[place])))
            number, kind = numbers[place], kinds[place]
            if kind == _TEXT:
                values[metric] = self.texts[place]
            else:
                values[metric] = bool(number) if kind == _BOOLEAN else number
        return found

    def together(self, function: Function) -> Readings:
        """Those of the function's devices that have all its metrics, as arrays."""
        count = int(self.row[-1]) + 1 if len(self.row) else 0
        columns = {metric: np.full(count, np.nan) for metric in function.metrics}
        device = np.full(count, -1, np.int64)
        wanted: dict[int, str] = {}
        for series in np.unique(self.series).tolist():
            name, metric = self.names[series]
            if metric in columns and function.devices.matches(name):
                wanted[series] = metric
        for series, metric in wanted.items():
            here = (self.series == series) & (self.kind != _TEXT)
            columns[metric][self.row[here]] = self.value[here]
            device[self.row[here]] = series
        full = device >= 0
        for column in columns.values():
            full &= ~np.isnan(column)
        time_of = np.zeros(count)
        time_of[self.row] = self.time
        return Readings(
            [self.names[series][0] for series in device[full].tolist()],
            time_of[full],
            {metric: column[full] for metric, column in columns.items()},
        )


class Account:
    """State: what a function did since `say` was last told of it, and when that was."""

    def __init__(self, name: str, say: Say) -> None:
        self._name = name
        self._say = say
        self._calls = self._errors = 0
        self._seconds = 0.0
        self._error: str | None = None
        self._rows: list[DerivedRow] = []
        self._comments: list[tuple[str, str]] = []
        say(Begun(name))
        self._said_at = time.monotonic()

    def call(self, function: Callable[[], None]) -> None:
        """One call; what it raises is counted. Whoever waits is told now and then."""
        began = time.monotonic()
        if began - self._said_at >= SAYS_S or len(self._rows) >= ROWS_AT_ONCE:
            self.tell()
            began = time.monotonic()
        self._calls += 1
        try:
            function()
        except BaseException as error:  # also SystemExit, and what an async library raises
            self._errors += 1
            self._error = told(error)
        self._seconds += time.monotonic() - began

    def derive(self, device: str, at: float, values: dict[str, float | bool | str]) -> None:
        if values:
            self._rows.append(DerivedRow(device, at, values))

    def comment(self, alert: str, text: str | None) -> None:
        if text:
            self._comments.append((alert, text))

    def tell(self) -> None:
        for begin in range(0, max(len(self._rows), 1), ROWS_AT_ONCE):
            rows = self._rows[begin : begin + ROWS_AT_ONCE]
            self._say(
                Ran(
                    self._name,
                    self._calls,
                    self._seconds,
                    self._errors,
                    self._error,
                    rows,
                    self._comments,
                )
            )
            self._calls = self._errors = 0
            self._seconds, self._error, self._comments = 0.0, None, []
        self._rows = []
        self._said_at = time.monotonic()


def run_readings(functions: Sequence[Function], messages: Messages, say: Say) -> None:
    """Each function over the whole batch, one after the other."""
    objects: list[Reading] | None = None
    for function in functions:
        account = Account(function.name, say)
        if function.kind == "reading":
            if objects is None:
                objects = messages.one_by_one()
            for reading in objects:
                if function.devices.matches(reading.device) and all(
                    metric in reading.values for metric in function.metrics
                ):
                    account.call(partial(_one, function, reading, account))
        elif function.kind == "readings":
            readings = messages.together(function)
            if len(readings):
                account.call(partial(_many, function, readings, account))
        account.tell()


def run_alerts(functions: Sequence[Function], alerts: Sequence[AlertSeen], say: Say) -> None:
    """Each function over all transitions, one after the other."""
    for function in functions:
        account = Account(function.name, say)
        for alert in alerts:
            if function.kind == "alert" and function.devices.matches(alert.subject):
                account.call(partial(_alert, function, alert, account))
        account.tell()


def _one(function: Function, reading: Reading, account: Account) -> None:
    account.derive(reading.device, reading.time, metrics_of(function.call(reading)))


def _alert(function: Function, alert: AlertSeen, account: Account) -> None:
    account.comment(alert.id, comment_of(function.call(alert)))


def _many(function: Function, readings: Readings, account: Account) -> None:
    columns = columns_of(function.call(readings), len(readings))
    some = np.zeros(len(readings), np.bool_)
    for column in columns.values():
        some |= ~np.isnan(column)
    for place in np.flatnonzero(some).tolist():
        values: dict[str, float | bool | str] = {
            name: column.item(place)
            for name, column in columns.items()
            if not np.isnan(column[place])
        }
        account.derive(readings.device[place], readings.time.item(place), values)


def told(error: BaseException) -> str:
    """The traceback of an error, from the function's own file on."""
    try:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not _OURS.search(frame.filename)]
        lines = [f"{type(error).__name__}: {error}"[:500]]
        lines += [
            f"  {frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}"
            for frame in own[-5:]
        ]
        return "\n".join(lines)[:ERROR_CHARACTERS]
    except Exception:  # an error whose own text fails
        return type(error).__name__
