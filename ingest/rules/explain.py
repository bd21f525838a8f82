"""What judging a rule takes: what it reads and shares, what wakes it, what it costs.

It says what the judge will do with a rule, from the same tables and the same compiled forms, and
knows no devices: so it can be asked of a rule before it is in force.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from tocsin.ingest.rules.calm import Calms, comparisons
from tocsin.ingest.rules.compiled import functions_of, skeleton, window_of
from tocsin.ingest.rules.deadline import silences
from tocsin.ingest.rules.durations import SESSION
from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Metric,
    Unary,
)
from tocsin.ingest.rules.muster import ALL, calls_of, inside
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.scalar import Scalar
from tocsin.ingest.rules.validation import CheckedRule
from tocsin.ingest.windows.spec import WindowSpec

_PART_US = 0.1
"""Microseconds for each part of an expression and device, in the scalar form."""


class WindowRead(msgspec.Struct, frozen=True):
    """A window that a rule reads, and the rules that read one of the same metric and size: it is
    kept once for all of them. Of a session, which has no panes, `size_s` is the gap that ends it,
    and `session` true."""

    metric: str
    size_s: float
    pane_s: float
    panes: int
    functions: list[str]
    shared_with: list[str]
    session: bool = False


class Silence(msgspec.Struct, frozen=True):
    """The age of a metric at which the rule is looked at without a reading: `age_s`, or, where it
    is each device's own, what `own` says."""

    metric: str
    age_s: float | None
    own: str | None = None


class Part(msgspec.Struct, frozen=True):
    """A comparison of the rule's. `bounded`: there are values within which readings cannot turn it,
    so that most of them need not be judged."""

    condition: str
    bounded: bool


class Explanation(msgspec.Struct, frozen=True):
    """`woken_by`: the metrics whose readings it is judged on; `by_any_reading`: also on those of
    every other metric of the device, because it reads ages. `at_silences` and `at_hours`: when it
    is judged without a reading.

    `spares_readings`: as long as it does not hold, readings that are far from turning it cost it
    nothing but one comparison; `parts` says which of its conditions give such bounds, one being
    enough in an `and`, all needed in an `or`. `nodes`: parts of its expressions, about 0.1 µs each
    when it is judged (`judged_us`). `judged_with`: the rules that ask the same with other
    numbers, and are judged in one step with it. `counts`: the conditions of devices that a rule
    across groups counts; then all else is about these, each of which is judged twice, once for
    being true and once for being false. `numbers` are those that it asks of each device, on every
    reading. `group_by` is the tag or `profile.…` field by which it groups them, or `all`.
    """

    rule: str
    woken_by: list[str]
    by_any_reading: bool
    at_silences: list[Silence]
    at_hours: bool
    windows: list[WindowRead]
    spares_readings: bool
    parts: list[Part]
    judged_with: list[str]
    nodes: int
    judged_us: float
    counts: list[str]
    numbers: list[str]
    group_by: str | None


def explain(
    rule: CheckedRule,
    others: Iterable[CheckedRule],
    may_count: Callable[[str], bool] = lambda _: False,
) -> Explanation:
    """What `rule` takes, beside the `others` that are in force; itself among them is left out.
    `may_count` says which metrics may be counters: of those delta and rate have no bounds."""
    others = [each for each in others if each.rule.name != rule.rule.name]
    calms = Calms(Scalar(_code_of_no_text))
    counted, numbers = _asked(rule)
    conditions = counted if rule.counting else [rule.when]
    if rule.counting:
        nodes = 2 * sum(map(_count, counted)) + sum(map(_count, numbers))
        spares = not numbers and all(
            calms.kept(_unbounded(each, may_count), False) is not None for each in conditions
        )
    else:
        nodes = sum(map(_count, _trees(rule)))
        spares = calms.untrue(_unbounded(rule.when, may_count)) is not None
    return Explanation(
        rule=rule.rule.name,
        woken_by=list(rule.metrics),
        by_any_reading=bool(rule.clocked),
        at_silences=[
            Silence(
                each.metric,
                each.seconds,
                print_expression(each.age) if each.seconds is None else None,
            )
            for each in dict.fromkeys(found for tree in conditions for found in silences(tree))
        ],
        at_hours=rule.hourly,
        windows=_windows(rule, others),
        spares_readings=not rule.clocked and spares,
        parts=[
            Part(print_expression(each), calms.untrue(_unbounded(each, may_count)) is not None)
            for each in dict.fromkeys(found for tree in conditions for found in comparisons(tree))
        ],
        judged_with=[each.rule.name for each in others if _ask_alike(each, rule)],
        nodes=nodes,
        judged_us=round(nodes * _PART_US, 1),
        counts=list(map(print_expression, counted)),
        numbers=list(map(print_expression, numbers)),
        group_by=(rule.rule.group_by or ALL) if rule.counting else None,
    )


def lines(of: Explanation) -> Iterator[str]:
    """An explanation for a person, line by line."""
    yield f"{of.rule}:"
    for condition in of.counts:
        yield f"  counts        devices with {condition}, by {of.group_by}"
    for number in of.numbers:
        yield f"  asks for      {number} of each device, by {of.group_by}"
    woken = "every reading of the device" if of.by_any_reading else ", ".join(of.woken_by)
    yield f"  woken by      {woken}"
    for silence in of.at_silences:
        age = silence.own if silence.age_s is None else f"{silence.age_s:g} s"
        yield f"                and when {silence.metric} is {age} old"
    if of.at_hours:
        yield "                and when the hour turns"
    for window in of.windows:
        shared = f", shared with {', '.join(window.shared_with)}" if window.shared_with else ""
        made_of = (
            f"{window.metric}, ended by {window.size_s:g} s without a reading,"
            if window.session
            else f"{window.metric} over {window.size_s:g} s,"
            f" {window.panes} panes of {window.pane_s:g} s,"
        )
        yield (
            f"  {'session' if window.session else 'window':<13} {made_of}"
            f" for {', '.join(window.functions)}{shared}"
        )
    for part in of.parts:
        yield f"  {'bounds for' if part.bounded else 'no bounds for':<13} {part.condition}"
    spares = "spared by their bounds" if of.spares_readings else "none is spared: each is judged"
    yield f"  readings      {spares}"
    yield f"  when judged   {of.nodes} parts, about {of.judged_us:g} µs a device"
    if of.judged_with:
        yield f"  together with {', '.join(of.judged_with)}"


def _trees(rule: CheckedRule) -> list[Expression]:
    """What is judged on each device."""
    if rule.counting:
        counted, numbers = _asked(rule)
        return counted + numbers
    return [rule.when, rule.clear] if rule.clear else [rule.when]


def _asked(rule: CheckedRule) -> tuple[list[Expression], list[Expression]]:
    """The conditions of devices that a rule across groups counts, and the numbers it asks for."""
    counted: dict[str, Expression] = {}
    numbers: dict[str, Expression] = {}
    if rule.counting:
        for call in calls_of(rule):
            tree = inside(rule, call).when
            into = counted if call.function == "count_devices" else numbers
            into[print_expression(tree)] = tree
    return list(counted.values()), list(numbers.values())


def _ask_alike(one: CheckedRule, other: CheckedRule) -> bool:
    if one.counting is not other.counting:
        return False
    asked, others = (list(map(skeleton, _trees(each))) for each in (one, other))
    return any(each in others for each in asked) if one.counting else asked == others


def _windows(rule: CheckedRule, others: Sequence[CheckedRule]) -> list[WindowRead]:
    functions: dict[tuple[str, float, bool], dict[str, None]] = {}
    for tree in _trees(rule):
        for use in functions_of(tree):
            name, session = use.function.removeprefix(SESSION), use.function.startswith(SESSION)
            functions.setdefault((use.metric, use.size_s, session), {})[name] = None
    found: list[WindowRead] = []
    for (metric, size_s, session), names in functions.items():
        if session:
            shared = [each.rule.name for each in others if (metric, size_s) in each.sessions]
            found.append(WindowRead(metric, size_s, 0.0, 0, list(names), shared, session=True))
            continue
        spec = WindowSpec.hopping(size_s)
        shared = [each.rule.name for each in others if (metric, size_s) in each.windows]
        found.append(WindowRead(metric, size_s, spec.slide_s, spec.panes, list(names), shared))
    return found


def _unbounded(tree: Expression, may_count: Callable[[str], bool]) -> Expression:
    """`tree` with functions that have no bounds in place of what counters have grown."""
    match tree:
        case Call("delta" | "rate", (Metric(name), window), column) if may_count(name):
            return Call("zscore", (Metric(name, column), window), column)
        case Call(function, arguments, column):
            found = tuple(_unbounded(each, may_count) for each in arguments)
            return Call(function, found, column)
        case Unary(operator, operand, column):
            return Unary(operator, _unbounded(operand, may_count), column)
        case Arithmetic(operator, left, right, column):
            one, other = _unbounded(left, may_count), _unbounded(right, may_count)
            return Arithmetic(operator, one, other, column)
        case Comparison(operands, operators, column):
            found = tuple(_unbounded(each, may_count) for each in operands)
            return Comparison(found, operators, column)
        case Logical(operator, operands, column):
            found = tuple(_unbounded(each, may_count) for each in operands)
            return Logical(operator, found, column)
        case _:
            return tree


def _count(tree: Expression) -> int:
    match tree:
        case Call(_, arguments):
            return 1 if window_of(tree) else 1 + sum(map(_count, arguments))
        case Unary(_, operand):
            return 1 + _count(operand)
        case Arithmetic(_, left, right):
            return 1 + _count(left) + _count(right)
        case Comparison(operands, operators):
            return len(operators) + sum(map(_count, operands))
        case Logical(_, operands):
            return 1 + sum(map(_count, operands))
        case _:
            return 1


def _code_of_no_text(_: str) -> int:
    return 0
