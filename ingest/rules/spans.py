"""Which values an expression can take while the readings it sees lie within spans.

Interval arithmetic: every reading of a metric that an expression reads, the newest one and those in
its windows, lies in the span of that metric, so the expression lies in the span found for it:

    avg, twa, min, max, first, last  of readings in [l, h] lie in [l, h]
    delta                          lies in [l - h, h - l]
    stddev                         lies in [0, (h - l) / √2]: two readings that far apart
    + - * /  abs  round            of spans lie between what their ends give

Rounding is monotone, so where an operation is done once, here and on readings, the ends bound it to
the last bit; a mean or a deviation is many, and gets a margin.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from typing import NamedTuple

from tocsin.ingest.rules.compiled import Use, window_of
from tocsin.ingest.rules.expression import Arithmetic, Call, Expression, Metric, Number, Unary

LARGEST = 1e150
"""Up to this size sums and products of readings do not overflow."""

MARGIN = 1e-9
"""Of their size: what sums of readings are rounded by at most."""

_HALVINGS = 4
_DOUBLINGS = 8


class Span(NamedTuple):
    low: float
    high: float


Spans = Mapping[str, Span]
SpanOf = Callable[[Spans], Span | None]
"""None where nothing is known to bound it."""

_WITHIN = frozenset({"min", "max", "first", "last"})


def reads(tree: Expression) -> tuple[set[str], set[Use]]:
    """The metrics that a tree reads, and the windows among them."""
    match tree:
        case Metric(name):
            return {name}, set()
        case Unary(_, operand):
            return reads(operand)
        case Arithmetic(_, left, right):
            metrics, uses = reads(left)
            more, others = reads(right)
            return metrics | more, uses | others
        case Call(_, arguments):
            if use := window_of(tree):
                return {use.metric}, {use}
            return reads(arguments[0])
        case _:
            return set(), set()


def span_of(tree: Expression) -> SpanOf | None:
    """The span of a number; None where it has something that readings do not bound."""
    match tree:
        case Number(value):
            constant = Span(value, value)
            return lambda _: constant
        case Metric(name):
            return lambda spans: spans[name]
        case Unary("-", operand):
            inner = span_of(operand)
            return inner and _mapped(inner, lambda of: Span(-of.high, -of.low))
        case Arithmetic(operator, left, right):
            one, other = span_of(left), span_of(right)
            ends = ENDS.get(operator)
            return _joined(one, other, ends) if one and other and ends else None
        case Call(function, arguments):
            if use := window_of(tree):
                return _window(use)
            change = _CALLS.get(function)
            inner = span_of(arguments[0]) if change else None
            return inner and change and _mapped(inner, change)
        case _:
            return None


def _window(use: Use) -> SpanOf | None:
    metric, function = use.metric, use.function
    if function in _WITHIN:
        return lambda spans: spans[metric]
    if function in ("avg", "twa"):
        return lambda spans: _wider(spans[metric], spans[metric])
    if function == "delta":
        return lambda spans: _minus(spans[metric], spans[metric])
    if function == "stddev":

        def stddev(spans: Spans) -> Span:
            low, high = of = spans[metric]
            return _wider(Span(0.0, (high - low) / sqrt(2.0)), of)

        return stddev
    return None


def _wider(span: Span, size: Span) -> Span:
    margin = MARGIN * max(abs(size.low), abs(size.high))
    return Span(span.low - margin, span.high + margin)


def _mapped(inner: SpanOf, change: Callable[[Span], Span]) -> SpanOf:
    def mapped(spans: Spans) -> Span | None:
        of = inner(spans)
        return of and change(of)

    return mapped


def _joined(left: SpanOf, right: SpanOf, ends: Callable[[Span, Span], Span | None]) -> SpanOf:
    def joined(spans: Spans) -> Span | None:
        one, other = left(spans), right(spans)
        return ends(one, other) if one and other else None

    return joined


def _plus(one: Span, other: Span) -> Span:
    return Span(one.low + other.low, one.high + other.high)


def _minus(one: Span, other: Span) -> Span:
    return Span(one.low - other.high, one.high - other.low)


def _times(one: Span, other: Span) -> Span:
    corners = [a * b for a in one for b in other]
    return Span(min(corners), max(corners))


def _by(one: Span, other: Span) -> Span | None:
    if other.low <= 0.0 <= other.high:
        return None
    corners = [a / b for a in one for b in other]
    return Span(min(corners), max(corners))


def _size(of: Span) -> Span:
    low, high = sorted((abs(of.low), abs(of.high)))
    return Span(0.0 if of.low <= 0.0 <= of.high else low, high)


ENDS: dict[str, Callable[[Span, Span], Span | None]] = {
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _by,
}
_CALLS: dict[str, Callable[[Span], Span]] = {
    "abs": _size,
    "round": lambda of: Span(float(round(of.low)), float(round(of.high))),
}


class Apart:
    """A comparison of two expressions that cannot come true, as spans of what it reads."""

    def __init__(self, left: SpanOf, operator: str, right: SpanOf) -> None:
        self._left = left
        self._operator = operator
        self._right = right

    def widest(self, seen: dict[str, Span]) -> dict[str, Span] | None:
        """Wide spans around those `seen` in which the comparison stays untrue; None if it is not
        known to do so within those."""
        if not self._holds(seen):
            return None
        room = {name: _room(span) for name, span in seen.items()}
        share, found = 1.0, seen
        wider = _around(seen, room, share)
        if self._holds(wider):
            for _ in range(_DOUBLINGS):
                found, share = wider, 2 * share
                wider = _around(seen, room, share)
                if not self._holds(wider):
                    break
            return found
        for _ in range(_HALVINGS):
            share /= 2
            wider = _around(seen, room, share)
            if self._holds(wider):
                return wider
        return found

    def _holds(self, spans: dict[str, Span]) -> bool:
        if any(not (low >= -LARGEST and high <= LARGEST) for low, high in spans.values()):
            return False
        left, right = self._left(spans), self._right(spans)
        if not left or not right:
            return False
        match self._operator:
            case ">":
                return left.high <= right.low
            case ">=":
                return left.high < right.low
            case "<":
                return left.low >= right.high
            case "<=":
                return left.low > right.high
            case "==":
                return left.high < right.low or left.low > right.high
            case _:
                return False


def _room(span: Span) -> float:
    """A step that is neither nothing nor much beside what was seen."""
    return (span.high - span.low) or 0.01 * abs(span.high) or 1e-6


def _around(seen: dict[str, Span], room: dict[str, float], share: float) -> dict[str, Span]:
    return {
        name: Span(low - share * room[name], high + share * room[name])
        for name, (low, high) in seen.items()
    }
