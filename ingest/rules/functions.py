"""The functions that rules may call, in one table.

Checker, compiled form, oracle, documentation and the page's help all read `FUNCTIONS`.

A windowed function reads one metric over the open window at that metric's newest reading. Every
function of a metric is unknown before the metric's first reading, and what is unknown neither
fires nor clears a rule. A metric of text counts for `count` and `time_in` only; the other windowed
functions of it are unknown.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MIN_WINDOW_S = 1.0
MAX_WINDOW_S = 86400.0
OF_SESSIONS = frozenset(
    {"count", "sum", "min", "max", "avg", "first", "last", "delta", "rate", "duration"}
)
"""The functions that can be of a session; `duration` is of nothing else."""

MAX_ABSENCE_S = 30 * 86400.0


class Kind(StrEnum):
    """What an expression yields."""

    NUMBER = "number"
    CONDITION = "condition"
    TEXT = "text"


class Argument(StrEnum):
    STATE = "state"  # a value of the metric: text in quotes, true, false or a number
    METRIC = "metric"  # the name of a metric, not its value
    WINDOW = "window"  # a duration in quotes, MIN_WINDOW_S to MAX_WINDOW_S
    NUMBER = "number"
    DURATION = "duration"  # in quotes, MIN_WINDOW_S to MAX_ABSENCE_S
    ZONE = "zone"  # the name of a zone, in quotes
    TAG = "tag"  # the name of a tag, in quotes
    LIMIT = "limit"  # the name of a limit, in quotes
    CONDITION = "condition"
    EACH = "number of a device"  # of every device of a group


@dataclass(frozen=True, slots=True)
class Function:
    """`example` is shown in errors and help. `clocked`: the value moves without any reading.
    `hourly`: it changes when the hour turns, and then only. `positioned`: it reads the device's
    position. `tagged`: it reads a tag of the device, or a limit. `counting`: it is of all devices
    of a group."""

    name: str
    arguments: tuple[Argument, ...]
    result: Kind
    doc: str
    example: str
    clocked: bool = False
    hourly: bool = False
    positioned: bool = False
    tagged: bool = False
    counting: bool = False

    @property
    def windowed(self) -> bool:
        return Argument.WINDOW in self.arguments


def _of_group(name: str, doc: str, example: str) -> Function:
    return Function(name, (Argument.EACH,), Kind.NUMBER, doc, example, counting=True)


def _windowed(name: str, doc: str) -> Function:
    arguments = (Argument.METRIC, Argument.WINDOW)
    return Function(name, arguments, Kind.NUMBER, doc, f"{name}(temp_c, '5m')")


_TABLE = (
    _windowed("avg", "Mean of the readings in the window."),
    _windowed("min", "Smallest reading in the window."),
    _windowed("max", "Largest reading in the window."),
    _windowed("count", "How many readings are in the window."),
    _windowed("sum", "Sum of the readings in the window."),
    _windowed("last", "Newest reading in the window."),
    _windowed("first", "Oldest reading in the window."),
    _windowed(
        "delta",
        "Newest minus oldest reading in the window, of a counter its growth; unknown with one.",
    ),
    _windowed("rate", "delta per second between these two readings; unknown with one reading."),
    _windowed(
        "stddev", "Standard deviation of the readings (sample, n - 1); unknown with one reading."
    ),
    _windowed(
        "zscore",
        "How many standard deviations the newest reading is from the mean of those before it in"
        " the window; unknown before these are 10.",
    ),
    Function(
        "duration",
        (Argument.METRIC, Argument.WINDOW),
        Kind.NUMBER,
        "Seconds from the oldest to the newest reading of a session; see sessions.",
        "duration(temp_c, 'session 30s')",
    ),
    _windowed("twa", "Mean over time: each reading counts for as long as it held."),
    Function(
        "time_in",
        (Argument.METRIC, Argument.STATE, Argument.WINDOW),
        Kind.NUMBER,
        "For how many seconds of the window the metric was that; of text, numbers, true and false.",
        "time_in(state, 'running', '1h')",
    ),
    _windowed(
        "p50",
        "Median: the smallest reading that half of them are at or below, or up to 1 % above it.",
    ),
    _windowed(
        "p90",
        "As p50, with 90 %.",
    ),
    _windowed(
        "p95",
        "As p50, with 95 %.",
    ),
    _windowed(
        "p99",
        "As p50, with 99 %.",
    ),
    Function(
        "age",
        (Argument.METRIC,),
        Kind.NUMBER,
        "Seconds since the event time of the metric's newest reading, never below 0.",
        "age(temp_c)",
        clocked=True,
    ),
    Function(
        "absent",
        (Argument.METRIC, Argument.DURATION),
        Kind.CONDITION,
        "Whether no reading of the metric came for that long: the same as age(temp_c) >= 60.",
        "absent(temp_c, '60s')",
        clocked=True,
    ),
    Function(
        "flatline",
        (Argument.METRIC, Argument.WINDOW),
        Kind.CONDITION,
        "Whether all readings were the same for that long; unknown until it was seen so long.",
        "flatline(temp_c, '10m')",
    ),
    Function(
        "hour",
        (),
        Kind.NUMBER,
        "The hour where the plant is, 0 to 23, in the time zone of the settings.",
        "hour()",
        hourly=True,
    ),
    Function(
        "weekday",
        (),
        Kind.NUMBER,
        "The day of the week there, 1 (Monday) to 7 (Sunday).",
        "weekday()",
        hourly=True,
    ),
    Function(
        "inside",
        (Argument.ZONE,),
        Kind.CONDITION,
        "Whether the device is within a zone; unknown where its accuracy leaves that open.",
        "inside('yard')",
        positioned=True,
    ),
    Function(
        "outside",
        (Argument.ZONE,),
        Kind.CONDITION,
        "Whether it is certainly not within it: the same as not inside('yard').",
        "outside('yard')",
        positioned=True,
    ),
    Function(
        "distance_m",
        (Argument.ZONE,),
        Kind.NUMBER,
        "Metres from the device to a zone, 0 within it.",
        "distance_m('yard')",
        positioned=True,
    ),
    Function(
        "speed_kmh",
        (),
        Kind.NUMBER,
        "Speed of the way from the position before, at least a second ago, to the newest.",
        "speed_kmh()",
        positioned=True,
    ),
    Function(
        "tag",
        (Argument.TAG,),
        Kind.TEXT,
        "A tag of the device, to compare with text; unknown where it has none.",
        "tag('site')",
        tagged=True,
    ),
    Function(
        "tag_number",
        (Argument.TAG,),
        Kind.NUMBER,
        "The number that a tag of the device says, such as a limit of its own.",
        "tag_number('limit_c')",
        tagged=True,
    ),
    Function(
        "limit",
        (Argument.LIMIT,),
        Kind.NUMBER,
        "A limit that the profile of the device states, or a tag of its own of the same name.",
        "limit('temp_max_c')",
        tagged=True,
    ),
    Function(
        "count_devices",
        (Argument.CONDITION,),
        Kind.NUMBER,
        "How many devices of the group are in a condition; see groups.",
        "count_devices(temp_c > 80)",
        counting=True,
    ),
    _of_group(
        "avg_devices",
        "Mean over the devices of the group of a number that each has; see groups.",
        "avg_devices(avg(temp_c, '5m'))",
    ),
    _of_group("sum_devices", "Their sum.", "sum_devices(power_kw)"),
    _of_group("min_devices", "The smallest of them.", "min_devices(pressure_bar)"),
    _of_group("max_devices", "The largest of them.", "max_devices(temp_c - setpoint_c)"),
    _of_group(
        "p50_devices",
        "Their median: the smallest of them that half of the devices are at or below; exact.",
        "p50_devices(temp_c)",
    ),
    _of_group("p90_devices", "As p50_devices, with 90 %.", "p90_devices(temp_c)"),
    _of_group("p95_devices", "As p50_devices, with 95 %.", "p95_devices(temp_c)"),
    _of_group("p99_devices", "As p50_devices, with 99 %.", "p99_devices(temp_c)"),
    Function("abs", (Argument.NUMBER,), Kind.NUMBER, "The number without its sign.", "abs(temp_c)"),
    Function(
        "round",
        (Argument.NUMBER,),
        Kind.NUMBER,
        "The nearest whole number, halves to the even one.",
        "round(temp_c)",
    ),
)
FUNCTIONS = MappingProxyType({function.name: function for function in _TABLE})
