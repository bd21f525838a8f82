"""The decorators by which functions say what they want, and the small objects that they get."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.rules.device_glob import DeviceGlob

Value = float | bool | str
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """The metrics of one message of a device.

    `time` is the event time in seconds since the epoch, `values` are numbers, booleans and texts
    as the device sent them, `late` says that they came too late to be judged.
    `reading["temp_c"]` is `reading.values["temp_c"]`.
    """

    device: str
    time: float
    values: Mapping[str, Value]
    late: bool = False

    def __getitem__(self, metric: str) -> Value:
        return self.values[metric]

    def __contains__(self, metric: object) -> bool:
        return metric in self.values


@dataclass(frozen=True, slots=True)
class Readings:
    """Many messages as arrays of one length n, in order of arrival.

    `device` is the name of each one's device, `time` float64 event times in seconds since the
    epoch. `readings["volts"]` is float64: the metric's values, booleans 0 and 1. Only the
    metrics that the function asked for are here, and only messages that had all of them.
    """

    device: Sequence[str]
    time: Floats
    columns: Mapping[str, Floats]

    def __getitem__(self, metric: str) -> Floats:
        return self.columns[metric]

    def __len__(self) -> int:
        return len(self.time)


class AlertSeen(msgspec.Struct, frozen=True):
    """An alert after one of its transitions. Times are seconds since the epoch.

    `event` is what happened to it (`holds`, `falls`, `ack`, …; docs/rules.md), `state` where it
    stands now.
    """

    id: str
    rule: str
    subject: str
    device: str | None
    severity: str
    state: str
    active: bool
    acknowledged: bool
    value: float | bool | None
    message: str
    event: str
    began_at: float
    raised_at: float | None
    cleared_at: float | None
    revision: int


OnReading = Callable[[Reading], Mapping[str, Value | None] | None]
OnReadings = Callable[[Readings], Mapping[str, object] | None]
OnAlert = Callable[[AlertSeen], str | None]
Kind = Literal["reading", "readings", "alert"]
F = TypeVar("F", bound=Callable[..., object])


@dataclass(slots=True)
class Function:
    """A function as its decorator found it; `name` is `file.function`, once it is loaded."""

    kind: Kind
    call: Callable[..., object]
    devices: DeviceGlob
    metrics: tuple[str, ...]
    name: str = field(default="")


registered: list[Function] = []
"""What decorators found since the list was last emptied, which the worker does before a file."""


def on_reading(devices: str = "*", metrics: Sequence[str] = ()) -> Callable[[F], F]:
    """Calls the function with each message of the devices that match the glob.

    With `metrics` only for messages that have all of them. What it returns, a dictionary of new
    metrics, becomes readings of the same device at the same event time; None, or a value of
    None, is nothing.

        @on_reading("boiler-*", metrics=["volts", "amps"])
        def power(reading: Reading) -> dict[str, float]:
            return {"power_kw": reading["volts"] * reading["amps"] / 1000}

    A metric that the device sends itself cannot be returned: it is the device's.
    Raises ValueError for a glob that is none.
    """
    return _registering("reading", devices, metrics)


def on_readings(devices: str = "*", *, metrics: Sequence[str]) -> Callable[[F], F]:
    """The vectorised form: called with many messages at once, as arrays.

    It returns arrays of the same length by metric; NaN is nothing.

        @on_readings("boiler-*", metrics=["volts", "amps"])
        def power(readings: Readings) -> dict[str, Floats]:
            return {"power_kw": readings["volts"] * readings["amps"] / 1000}

    Raises ValueError for a glob that is none, and without metrics.
    """
    if not metrics:
        raise ValueError("metrics is empty; expected the names of the arrays it is to get")
    return _registering("readings", devices, metrics)


def on_alert(devices: str = "*") -> Callable[[F], F]:
    """Calls the function with every transition of alerts, once it is on disk.

    `devices` is a glob over the alert's subject, which is its device where it has one. A text that
    is returned is a comment on the alert.

        @on_alert("boiler-*")
        def who(alert: AlertSeen) -> str | None:
            return "call the boiler house, 4711" if alert.event == "holds" else None

    Raises ValueError for a glob that is none.
    """
    return _registering("alert", devices, ())


def _registering(kind: Kind, devices: str, metrics: Sequence[str]) -> Callable[[F], F]:
    if isinstance(metrics, str):
        raise ValueError(f"metrics is {metrics!r}; expected a list of names")
    glob = DeviceGlob(devices)

    def register(function: F) -> F:
        registered.append(Function(kind, function, glob, tuple(metrics)))
        return function

    return register
