"""Why a condition cannot come true for now, as bounds of single series.

Most rules are far from turning, and one reading says so: `temp_c > 80 and avg(p, '5m') > 2` does
not come true while temp_c is at most 80. A *calm* looks at a device and names such bounds, unless
the condition is true there: a rule that has bounds need not be evaluated. As long as every reading
of the series named is within them, the condition stays untrue, whatever else arrives. The newest
readings are within them from the start: of `a and b` one may be true while the other keeps the
whole untrue.

    temp_c > 80            readings up to 80
    max(temp_c, '5m') > 80 readings up to 80: what is in the window now is not above either
    avg(temp_c, '5m') > 80 readings up to 80, if the window has none above; as first, min, twa, p95
    stddev(temp_c, '5m') > 1 readings that are within the root of 2 of all others in the window: two
                           that are so far apart deviate by 1, and more of them by less
    rate(temp_c, '5m') > 1 from the first to the newest reading is at least the span it is now, as
                           long as that first one, or one half as old, is in the window; so the
                           newest would have to be above the smallest by more than 1 × that span
    hour() >= 22           nothing, until the hour turns: then all bounds are forgotten; so it is of
                           tag('site') == 'north', until the device's tags change
    t > tag_number('max')  as t > 80, with the number of the tag, or of the limit
    a - avg(a, '5m') > 9   readings within a span that is wide enough for none of them to be 9 above
                           the mean of any; so of all else that is counted up from readings (spans)
    a and b                one of the two        a or b                 both

What is unknown is not true either: where nothing was read of a series there is nothing to watch,
since the first reading of a series is always looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import inf, isnan, nextafter, sqrt
from typing import Literal, NamedTuple, Protocol, TypeAlias

from tocsin.ingest.rules.compiled import Place, Tag, Use, window_of
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
from tocsin.ingest.rules.scalar import Scalar, Spot
from tocsin.ingest.rules.spans import LARGEST, MARGIN, Apart, Span, reads, span_of


class Anchor(NamedTuple):
    """A reading in a window that is not its newest: its age then, and the event time up to which
    it is in the window for certain.
    """

    age_s: float
    until: float


class CalmSpot(Spot, Protocol):
    """What a calm reads of a device besides what its rules do."""

    def is_text(self, metric: str) -> bool: ...
    def beside(self, use: Use, function: Literal["min", "max"]) -> float:
        """Another function of the same window, over the same readings."""
        ...

    def anchor(self, use: Use) -> Anchor | None: ...


class Bounds(NamedTuple):
    """The series of a metric stays from `low` to `high`, until an event time."""

    metric: str
    low: float = -inf
    high: float = inf
    until: float = inf


Calm: TypeAlias = Callable[[CalmSpot], "Sequence[Bounds] | None"]
"""Bounds that all have to be kept; None where it knows of none, for now."""

_NOT = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Calms:
    """Makes the calms of checked trees."""

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar

    def untrue(self, tree: Expression) -> Calm | None:
        """What keeps `tree` from coming true; None if there never is anything to name."""
        return self._never(tree, True)

    def unfalse(self, tree: Expression) -> Calm | None:
        """What keeps `tree` from coming false."""
        return self._never(tree, False)

    def kept(self, tree: Expression, truth: bool) -> Calm | None:
        """What keeps `tree`, which is `truth`, from coming to be anything else, unknown included.

        While one part is unknown, the whole may be known for another one: then there are none.
        """
        parts = list(comparisons(tree))
        if not all(map(_is_settled, parts)):
            return None
        never = self._never(tree, not truth)
        if never is None or len(parts) == 1:
            return never
        known = [self._scalar.condition(part) for part in parts]

        def kept(spot: CalmSpot) -> Sequence[Bounds] | None:
            return None if any(part(spot) is None for part in known) else never(spot)

        return kept

    def _never(self, tree: Expression, truth: bool) -> Calm | None:
        match tree:
            case Truth(value):
                return always if value is not truth else None
            case Unary("not", operand):
                return self._never(operand, not truth)
            case Logical(operator, operands):
                parts = [self._never(each, truth) for each in operands]
                return _one_of(parts) if (operator == "and") is truth else _all_of(parts)
            case Comparison(operands, operators):
                parts = [
                    self._link(operands[index], operator if truth else _NOT[operator], after)
                    for index, (operator, after) in enumerate(
                        zip(operators, operands[1:], strict=True)
                    )
                ]
                return _one_of(parts) if truth else _all_of(parts)
            case _:
                return None

    def _link(self, left: Expression, operator: str, right: Expression) -> Calm | None:
        if _is_constant(left):
            left, operator, right = right, _SWAPPED[operator], left
        if _is_tag_number(left) and isinstance(right, Metric):
            left, operator, right = right, _SWAPPED[operator], left
        if isinstance(left, Metric) and _is_tag_number(right):
            return _tag_limit(left.name, operator, self._scalar.number(right))
        if _is_constant(left) or not _is_constant(right):
            return _apart(left, operator, right)
        coded = isinstance(right, Text)
        limit = float(right.value) if isinstance(right, Truth) else self._constant(right)
        if isnan(limit):
            return always
        match left:
            case Metric(name):
                return _text(name, operator, limit) if coded else _number(name, operator, limit)
            case Call("abs", (Metric(name),)):
                return _size(name, operator, limit)
            case Call("tag" | "tag_number" | "limit"):
                return _tagged(self._scalar.number(left), operator, limit)
            case Call("hour" | "weekday"):
                return _site(self._scalar.number(left), operator, limit)
            case Call():
                use = window_of(left)
                named = _window(use, operator, limit) if use else None
                return named or _apart(left, operator, right)
            case _:
                return _apart(left, operator, right)

    def _constant(self, tree: Expression) -> float:
        return self._scalar.number(tree)(_NOWHERE)


class _Nowhere:
    """Where constants are evaluated: it has no metrics."""

    def number(self, metric: str) -> float:
        raise LookupError(metric)

    code = age = number

    def site(self, dial: str) -> float:
        raise LookupError(dial)

    def window(self, use: Use) -> float:
        raise LookupError(use)

    def place(self, place: Place) -> float:
        raise LookupError(place)

    def tag(self, tag: Tag) -> float:
        raise LookupError(tag)


_NOWHERE = _Nowhere()


def _is_tag_number(tree: Expression) -> bool:
    return isinstance(tree, Call) and tree.function in ("tag_number", "limit")


_SETTLED = frozenset(
    {
        *("avg", "min", "max", "last", "first", "count", "p50", "p90", "p95", "p99"),
        *("abs", "round", "tag", "tag_number", "limit", "hour", "weekday"),
    }
)


def _is_settled(tree: Expression) -> bool:
    """Whether a comparison that is known stays known, whatever is read."""
    match tree:
        case Number() | Text() | Truth() | Metric():
            return True
        case Unary(_, operand):
            return _is_settled(operand)
        case Call(function, arguments):
            return function in _SETTLED and all(map(_is_settled, arguments))
        case Comparison(operands):
            return all(map(_is_settled, operands))
        case _:
            return False


def comparisons(tree: Expression) -> Iterator[Expression]:
    """The single comparisons of a condition, `a < b < c` as its two, each with its `not`."""
    match tree:
        case Logical(_, operands):
            for operand in operands:
                yield from comparisons(operand)
        case Unary("not", operand, column):
            for each in comparisons(operand):
                yield Unary("not", each, column)
        case Comparison(operands, operators, column):
            for pair, operator in zip(pairwise(operands), operators, strict=True):
                yield Comparison(pair, (operator,), column)
        case _:
            yield tree


def _is_constant(tree: Expression) -> bool:
    match tree:
        case Number() | Text() | Truth():
            return True
        case Unary("-", operand):
            return _is_constant(operand)
        case Arithmetic(_, left, right):
            return _is_constant(left) and _is_constant(right)
        case _:
            return False


def always(_: CalmSpot) -> Sequence[Bounds]:
    return ()


def _one_of(parts: Sequence[Calm | None]) -> Calm | None:
    known = [part for part in parts if part]
    if len(known) <= 1:
        return known[0] if known else None

    def one_of(spot: CalmSpot) -> Sequence[Bounds] | None:
        for part in known:
            bounds = part(spot)
            if bounds is not None:
                return bounds
        return None

    return one_of


def _all_of(parts: Sequence[Calm | None]) -> Calm | None:
    known = [part for part in parts if part]
    if len(known) < len(parts):
        return None
    if len(known) == 1:
        return known[0]

    def all_of(spot: CalmSpot) -> Sequence[Bounds] | None:
        every: list[Bounds] = []
        for part in known:
            bounds = part(spot)
            if bounds is None:
                return None
            every += bounds
        return every

    return all_of


def _kept(metric: str, operator: str, limit: float, value: float) -> Bounds | None:
    """Bounds in which `value` is and in which nothing is `operator` `limit`."""
    below, above = nextafter(limit, -inf), nextafter(limit, inf)
    match operator:
        case ">":
            bounds = Bounds(metric, high=limit)
        case ">=":
            bounds = Bounds(metric, high=below)
        case "<":
            bounds = Bounds(metric, low=limit)
        case "<=":
            bounds = Bounds(metric, low=above)
        case "==":
            bounds = Bounds(metric, high=below) if value < limit else Bounds(metric, low=above)
        case _:
            bounds = Bounds(metric, limit, limit)
    return bounds if bounds.low <= value <= bounds.high else None


def _number(metric: str, operator: str, limit: float) -> Calm:
    def number(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = spot.number(metric)
        if value != value:
            # A text may yet become a number.
            return None if spot.is_text(metric) else ()
        bounds = _kept(metric, operator, limit, value)
        return bounds and (bounds,)

    return number


def _text(metric: str, operator: str, code: float) -> Calm:
    def text(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = spot.code(metric)
        if value != value:
            return ()  # unknown, or no text, which never becomes one
        bounds = _kept(metric, operator, code, value)
        return bounds and (bounds,)

    return text


def _size(metric: str, operator: str, limit: float) -> Calm | None:
    """abs(metric)"""
    if operator in ("==", "!="):
        return None
    upward = operator in (">", ">=")
    if limit <= 0:
        return always if limit < 0 and not upward else None
    edge = limit
    if operator == ">=":
        edge = nextafter(limit, -inf)
    elif operator == "<=":
        edge = nextafter(limit, inf)

    def size(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = spot.number(metric)
        if value != value:
            return None if spot.is_text(metric) else ()
        if upward:
            return (Bounds(metric, -edge, edge),) if -edge <= value <= edge else None
        if value >= edge:
            return (Bounds(metric, low=edge),)
        return (Bounds(metric, high=-edge),) if value <= -edge else None

    return size


def _site(dial: Callable[[Spot], float], operator: str, limit: float) -> Calm:
    def site(spot: CalmSpot) -> Sequence[Bounds] | None:
        return () if _kept("", operator, limit, dial(spot)) else None

    return site


def _tagged(tag: Callable[[Spot], float], operator: str, limit: float) -> Calm:
    def tagged(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = tag(spot)
        return () if value != value or _kept("", operator, limit, value) else None

    return tagged


def _tag_limit(metric: str, operator: str, tag: Callable[[Spot], float]) -> Calm:
    """metric > tag_number('limit')"""

    def tag_limit(spot: CalmSpot) -> Sequence[Bounds] | None:
        limit = tag(spot)
        return () if limit != limit else _number(metric, operator, limit)(spot)

    return tag_limit


def _window(use: Use, operator: str, limit: float) -> Calm | None:
    function = use[2]
    upward = operator in (">", ">=")
    if operator in ("==", "!="):
        return None
    if function == "last" or function == ("max" if upward else "min"):
        return _extreme(use, operator, limit)
    if function in _AMONG:
        return _among(use, operator, limit)
    if function in ("avg", "twa"):
        return _mean(use, upward, limit)
    if function == "stddev":
        return _spread(use, limit) if upward else None
    if function == "delta" or (function == "rate" and (limit > 0 if upward else limit < 0)):
        return _change(use, upward, limit)
    return None


def _extreme(use: Use, operator: str, limit: float) -> Calm:
    def extreme(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = spot.window(use)
        bounds = None if value != value else _kept(use[0], operator, limit, value)
        return bounds and (bounds,)

    return extreme


_AMONG = frozenset({"first", "min", "max", "p50", "p90", "p95", "p99"})
"""Functions that yield one of the readings in the window."""


def _among(use: Use, operator: str, limit: float) -> Calm:
    """None of the readings in the window is beyond `limit`."""
    function = "max" if operator in (">", ">=") else "min"

    def among(spot: CalmSpot) -> Sequence[Bounds] | None:
        value = spot.beside(use, function)
        bounds = None if value != value else _kept(use[0], operator, limit, value)
        return bounds and (bounds,)

    return among


def _spread(use: Use, limit: float) -> Calm:
    """Readings within w of each other deviate by at most w / √2, which two do."""

    def spread(spot: CalmSpot) -> Sequence[Bounds] | None:
        smallest, largest = spot.beside(use, "min"), spot.beside(use, "max")
        if not (smallest >= -LARGEST and largest <= LARGEST):
            return None
        rounded = 1e-12 * max(abs(smallest), abs(largest))
        room = limit * sqrt(2.0) * (1 - MARGIN) - rounded - (largest - smallest)
        if not room > 0:
            return None
        return (Bounds(use[0], smallest - room / 2, largest + room / 2),)

    return spread


def _mean(use: Use, upward: bool, limit: float) -> Calm:
    """No mean is beyond `limit` of what is not; rounding errors are of the size of the mean."""
    metric, margin = use[0], MARGIN * abs(limit)
    low, high = (-LARGEST, limit - margin) if upward else (limit + margin, LARGEST)
    low, high = max(low, -LARGEST), min(high, LARGEST)

    def mean(spot: CalmSpot) -> Sequence[Bounds] | None:
        # What is unknown is NaN, and within no bounds.
        if not (low <= spot.beside(use, "min") and spot.beside(use, "max") <= high):
            return None
        return (Bounds(metric, low, high),)

    return mean


def _change(use: Use, upward: bool, limit: float) -> Calm:
    """delta and rate, which is delta over a span that does not become shorter than it is."""
    metric, function = use.metric, use.function

    def change(spot: CalmSpot) -> Sequence[Bounds] | None:
        anchor = spot.anchor(use)
        if anchor is None:
            return None
        smallest, largest = spot.beside(use, "min"), spot.beside(use, "max")
        if not (smallest >= -LARGEST and largest <= LARGEST):
            return None
        by = limit if function == "delta" else limit * anchor.age_s
        start = smallest if upward else largest
        margin = MARGIN * (abs(start) + abs(by))
        low, high = -LARGEST, LARGEST
        if upward:
            high = min(high, start + by - margin)
        else:
            low = max(low, start + by + margin)
        if not low <= spot.number(metric) <= high:
            return None  # it is true already, and only something else keeps the rule from turning
        return (Bounds(metric, low, high, anchor.until),)

    return change


def _apart(left: Expression, operator: str, right: Expression) -> Calm | None:
    """Of anything that is counted up from readings: spans that keep both sides apart."""
    one, other = span_of(left), span_of(right)
    if one is None or other is None or operator == "!=":
        return None
    apart = Apart(one, operator, other)
    metrics, uses = reads(left)
    more, others = reads(right)
    metrics, uses = metrics | more, uses | others

    def kept(spot: CalmSpot) -> Sequence[Bounds] | None:
        seen: dict[str, Span] = {}
        for metric in metrics:
            value = spot.number(metric)
            if value != value:
                return None
            seen[metric] = Span(value, value)
        for use in uses:
            low, high = seen[use[0]]
            smallest, largest = spot.beside(use, "min"), spot.beside(use, "max")
            if smallest != smallest or largest != largest:
                return None
            seen[use[0]] = Span(min(low, smallest), max(high, largest))
        spans = apart.widest(seen)
        if spans is None:
            return None
        return [Bounds(metric, *span) for metric, span in spans.items()]

    return kept
