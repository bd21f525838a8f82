"""What an expression means, said as plainly as possible: the oracle for the compiled form.

Three-valued: None is unknown. It shares no code with what runs in the server.
"""

import math
import re
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Metric,
    Number,
    Text,
    Truth,
    Unary,
)

Value = float | bool | str
History = Mapping[str, Sequence[tuple[float, Value]]]
"""(event time, value) of every reading of each metric, in order of arrival."""

PANE_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 300, 600, 1800)


def evaluate(
    tree: Expression, history: History, now: float, counters: Collection[str] = ()
) -> Value | None:
    """The value of a checked `tree` at engine time `now`; None when it is unknown."""
    match tree:
        case Number(value) | Text(value) | Truth(value):
            return value
        case Metric(name):
            return newest_value(history, name)
        case Call():
            return call(tree, history, now, counters)
        case Unary("-", operand):
            value = number(evaluate(operand, history, now, counters))
            return None if value is None else -value
        case Unary(_, operand):
            value = evaluate(operand, history, now, counters)
            return None if value is None else not value
        case Arithmetic(operator, left, right):
            return arithmetic(
                operator,
                number(evaluate(left, history, now, counters)),
                number(evaluate(right, history, now, counters)),
            )
        case Comparison(operands, operators):
            values = [evaluate(operand, history, now, counters) for operand in operands]
            return all_of(
                [
                    compare(operator, values[i], values[i + 1])
                    for i, operator in enumerate(operators)
                ]
            )
        case Logical("and", operands):
            return all_of([evaluate(operand, history, now, counters) for operand in operands])
        case Logical(_, operands):
            return any_of([evaluate(operand, history, now, counters) for operand in operands])


def at_the_time(tree: Expression, local: datetime) -> Expression:
    """`tree` with what the calendar says in place of `hour()` and `weekday()`."""
    match tree:
        case Call("hour"):
            return Number(float(local.hour), 0)
        case Call("weekday"):
            return Number(float(local.isoweekday()), 0)
        case Call(function, arguments):
            return Call(function, tuple(at_the_time(each, local) for each in arguments), 0)
        case Unary(operator, operand):
            return Unary(operator, at_the_time(operand, local), 0)
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, at_the_time(left, local), at_the_time(right, local), 0)
        case Comparison(operands, operators):
            return Comparison(tuple(at_the_time(each, local) for each in operands), operators, 0)
        case Logical(operator, operands):
            return Logical(operator, tuple(at_the_time(each, local) for each in operands), 0)
        case _:
            return tree


def with_tags(
    tree: Expression, tags: Mapping[str, str], limits: Mapping[str, float] = MappingProxyType({})
) -> Expression:
    """`tree` with what a device's tags say in place of `tag()`, `tag_number()` and `limit()`, which
    is what its profile says where they say nothing."""
    match tree:
        case Call("tag", (Text(name),)):
            return Text(tags[name], 0) if name in tags else Metric("no such tag", 0)
        case Call("tag_number", (Text(name),)):
            said = tags.get(name, "")
            return Number(float(said), 0) if re.fullmatch(r"[0-9.]+", said) else Metric("?", 0)
        case Call("limit", (Text(name),)):
            own = tags.get(name, "")
            if not re.fullmatch(r"[0-9.]+", own):
                own = limits.get(name)
            return Metric("?", 0) if own is None else Number(float(own), 0)
        case Call(function, arguments):
            return Call(function, tuple(with_tags(each, tags, limits) for each in arguments), 0)
        case Unary(operator, operand):
            return Unary(operator, with_tags(operand, tags, limits), 0)
        case Arithmetic(operator, left, right):
            return Arithmetic(
                operator, with_tags(left, tags, limits), with_tags(right, tags, limits), 0
            )
        case Comparison(operands, operators):
            return Comparison(
                tuple(with_tags(each, tags, limits) for each in operands), operators, 0
            )
        case Logical(operator, operands):
            return Logical(operator, tuple(with_tags(each, tags, limits) for each in operands), 0)
        case _:
            return tree


def all_of(truths: Sequence[Value | None]) -> bool | None:
    """One false decides; short of that, one unknown leaves it open."""
    if any(truth is False for truth in truths):
        return False
    return None if None in truths else True


def any_of(truths: Sequence[Value | None]) -> bool | None:
    if any(truth is True for truth in truths):
        return True
    return None if None in truths else False


def number(value: Value | None) -> float | None:
    """True is 1 and false is 0; text is no number, and neither is NaN."""
    if value is None or isinstance(value, str) or math.isnan(value):
        return None
    return float(value)


def arithmetic(operator: str, left: float | None, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match operator:
        case "+":
            return number(left + right)
        case "-":
            return number(left - right)
        case "*":
            return number(left * right)
        case "/":
            return None if right == 0 else number(left / right)
        case _:
            return None if right == 0 else number(left % right)


def compare(operator: str, left: Value | None, right: Value | None) -> bool | None:
    if isinstance(left, str) and isinstance(right, str):
        return left == right if operator == "==" else left != right
    a, b = number(left), number(right)
    if a is None or b is None:
        return None
    match operator:
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case ">=":
            return a >= b
        case "==":
            return a == b
        case _:
            return a != b


def call(tree: Call, history: History, now: float, counters: Collection[str]) -> float | None:
    first = tree.arguments[0]
    if tree.function in ("abs", "round"):
        value = number(evaluate(first, history, now, counters))
        if value is None or tree.function == "abs":
            return None if value is None else abs(value)
        return float(round(value)) if math.isfinite(value) else value
    assert isinstance(first, Metric)
    readings = history.get(first.name, ())
    if not readings:
        return None
    if tree.function == "age":
        return max(0.0, now - max(time for time, _ in readings))
    window = tree.arguments[-1]
    assert isinstance(window, Text)
    if window.value.startswith("session "):
        if isinstance(readings[-1][1], str):
            return None
        if first.name in counters and tree.function in ("delta", "rate"):
            return None
        run = in_session(readings, seconds(window.value.removeprefix("session ")))
        if tree.function == "duration":
            return max(time for time, _ in run) - min(time for time, _ in run)
        return windowed(tree.function, run, at_first)
    if tree.function == "flatline":
        return flat(readings, seconds(window.value))
    if tree.function in ("twa", "time_in"):
        return over_time(tree, readings)
    inside = in_window(readings, seconds(window.value))
    if first.name in counters and tree.function in ("delta", "rate"):
        return grown(tree.function, inside)
    return windowed(tree.function, inside)


def over_time(tree: Call, readings: Sequence[tuple[float, Value]]) -> float | None:
    """twa and time_in: a reading holds until the next, also before the window began."""
    window = tree.arguments[-1]
    assert isinstance(window, Text)
    by_time = dict(readings)
    times = sorted(by_time)
    begin = times[-1] - seconds(window.value)
    held = [(by_time[a], b - max(a, begin)) for a, b in pairwise(times) if b > begin]
    if tree.function == "time_in":
        match tree.arguments[1]:
            case Number(state) | Text(state) | Truth(state):
                pass
            case other:
                raise AssertionError(other)
        if isinstance(state, str) is not isinstance(readings[-1][1], str):
            return None
        return sum((for_s for value, for_s in held if value == state), 0.0)
    values = [(number(value), for_s) for value, for_s in held or [(by_time[times[-1]], 1.0)]]
    parts = [value * for_s for value, for_s in values if value is not None]
    if len(parts) < len(values) or isinstance(readings[-1][1], str):
        return None
    return sum(parts) / sum(for_s for _, for_s in values)


def grown(function: str, readings: Sequence[tuple[float, Value]]) -> float | None:
    """delta and rate of a counter: what it shows after it fell, it has counted since."""
    by_time = {time: number(value) for time, value in readings}
    steps = sorted(by_time)
    values = [value for time in steps if (value := by_time[time]) is not None]
    if len(readings) < 2 or len(values) < len(steps):
        return None
    change = sum(b - a if b >= a else b for a, b in pairwise(values))
    if function == "delta":
        return change
    return change / (steps[-1] - steps[0]) if len(steps) > 1 else None


def flat(readings: Sequence[tuple[float, Value]], for_s: float) -> bool | None:
    """Whether the newest value has been read for that long, as far as what came in time tells."""
    begin, newest = readings[0][0], readings[0]
    for time, value in readings:
        if isinstance(value, str):
            return None
        if value != newest[1]:
            begin = time if time >= newest[0] else max(begin, time)
        if time >= newest[0]:
            newest = time, value
    if newest[0] - begin >= for_s - 1e-6:
        return True
    return False if len({value for _, value in readings}) > 1 else None


def windowed(
    function: str,
    readings: Sequence[tuple[float, Value]],
    oldest_of: Callable[[Sequence[tuple[float, Value]], float], float] | None = None,
) -> float | None:
    """`function` of readings that are not empty."""
    if function == "count":
        return float(len(readings))
    numbers = [(time, number(value)) for time, value in readings]
    values = [value for _, value in numbers if value is not None]
    if len(values) < len(numbers):
        return None
    begin, end = min(time for time, _ in readings), max(time for time, _ in readings)
    oldest, newest = (oldest_of or at_time)(readings, begin), at_time(readings, end)
    match function:
        case "avg":
            return sum(values) / len(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "sum":
            return sum(values)
        case "last":
            return newest
        case "p50" | "p90" | "p95" | "p99":
            share = Fraction(int(function[1:]), 100)
            return sorted(values)[math.ceil(share * len(values)) - 1]
        case "first":
            return oldest
        case "stddev":
            return statistics.stdev(values) if len(values) > 1 else None
        case "zscore":
            return unusual(readings, newest)
        case "delta":
            return newest - oldest if len(values) > 1 else None
        case "rate":
            return (newest - oldest) / (end - begin) if end > begin else None
        case _:
            raise AssertionError(f"the oracle does not know {function}")


def unusual(readings: Sequence[tuple[float, Value]], newest: float) -> float | None:
    """How far the newest of `readings` is from the others, which are at least 10."""
    end = max(time for time, _ in readings)
    place = max(place for place, (time, _) in enumerate(readings) if time == end)
    others = [Fraction(float(value)) for _, value in (*readings[:place], *readings[place + 1 :])]
    if len(others) < 10:
        return None
    mean = sum(others) / len(others)
    apart = float(Fraction(newest) - mean)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in others) / (len(others) - 1))
    if not apart:
        return 0.0
    return max(-1e6, min(1e6, apart / deviation if deviation else apart * math.inf))


def newest_value(history: History, metric: str) -> Value | None:
    """Of several at the newest time, the one that arrived last."""
    readings = history.get(metric, ())
    newest = max((time for time, _ in readings), default=0.0)
    return next((value for time, value in reversed(readings) if time == newest), None)


def at_time(readings: Sequence[tuple[float, Value]], at: float) -> float:
    return next(float(value) for time, value in reversed(readings) if time == at)


def at_first(readings: Sequence[tuple[float, Value]], at: float) -> float:
    return next(float(value) for time, value in readings if time == at)


def in_session(readings: Sequence[tuple[float, Value]], gap_s: float) -> list[tuple[float, Value]]:
    """The readings up to the newest between which there is no gap, in order of arrival."""
    times = sorted(time for time, _ in readings)
    begin = times[-1]
    for earlier, later in pairwise(times):
        if round(1e6 * (later - earlier)) >= round(1e6 * gap_s):
            begin = later
    if all(round(1e6 * (b - a)) < round(1e6 * gap_s) for a, b in pairwise(times)):
        begin = times[0]
    return [(time, value) for time, value in readings if time >= begin]


def in_window(
    readings: Sequence[tuple[float, Value]], window_s: float
) -> list[tuple[float, Value]]:
    """The readings in the open window at the newest one: whole panes, its own the last."""
    pane_s = max(step for step in PANE_STEPS_S if step <= max(window_s / 60, 0.1))
    panes = math.ceil(window_s / pane_s - 1e-9)
    last = max(math.floor(time / pane_s) for time, _ in readings)
    return [(time, value) for time, value in readings if math.floor(time / pane_s) > last - panes]


def seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[duration[-1]]
