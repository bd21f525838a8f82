"""Conditions that time alone can make true: comparisons of an age with a constant.

`absent(metric, '60s')` is another way to write `age(metric) >= 60`, and is rewritten to it before
anything else looks at a rule. So are `inside('yard')` and `outside('yard')`: a number, 1 within the
zone and 0 outside, is compared with true and with false, and
`flatline`, which the windows answer with 1 or 0.
"""

import operator as op
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

from tocsin.ingest.rules.durations import parse_duration
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


def without_absent(tree: Expression) -> Expression:
    """`tree`, which is checked, with comparisons in place of functions that are conditions."""
    match tree:
        case Call("absent", (metric, Text(duration)), column):
            age = Call("age", (metric,), column)
            return Comparison((age, Number(parse_duration(duration), column)), (">=",), column)
        case Call("inside" | "outside" as function, zone, column):
            side = Call("inside", zone, column)
            return Comparison((side, Truth(function == "inside", column)), ("==",), column)
        case Call("flatline", _, column):
            return Comparison((tree, Number(1.0, column)), ("==",), column)
        case Unary(operator, operand, column):
            return Unary(operator, without_absent(operand), column)
        case Logical(operator, operands, column):
            return Logical(operator, tuple(map(without_absent, operands)), column)
        case _:
            return tree


def silences(tree: Expression) -> Iterator[tuple[str, float]]:
    """Metrics, and the age in seconds at which a comparison of it with a constant may turn, as it
    is or counted up with constants: `age(t) / 60 > 5`.

    An age that is compared with anything else turns by readings only.
    """
    match tree:
        case Comparison(operands):
            for left, right in pairwise(operands):
                for one, other in ((left, right), (right, left)):
                    aged, limit = _linear(one), constant(other)
                    if aged is not None and limit is not None:
                        seconds = (limit - aged.offset) / aged.factor
                        if isfinite(seconds):
                            yield aged.metric, seconds
        case Unary("not", operand):
            yield from silences(operand)
        case Logical(_, operands):
            for operand in operands:
                yield from silences(operand)
        case _:
            pass


class _Aged(NamedTuple):
    """factor × age(metric) + offset; the factor is not 0."""

    metric: str
    factor: float = 1.0
    offset: float = 0.0


def _linear(tree: Expression) -> _Aged | None:
    match tree:
        case Call("age", (Metric(name),)):
            return _Aged(name)
        case Unary("-", operand):
            aged = _linear(operand)
            return aged and _Aged(aged.metric, -aged.factor, -aged.offset)
        case Arithmetic("+" | "-" as operator, left, right):
            sign = 1.0 if operator == "+" else -1.0
            if (aged := _linear(left)) and (other := constant(right)) is not None:
                return aged._replace(offset=aged.offset + sign * other)
            if (aged := _linear(right)) and (other := constant(left)) is not None:
                return _Aged(aged.metric, sign * aged.factor, other + sign * aged.offset)
            return None
        case Arithmetic("*" | "/" as operator, left, right):
            aged, other = _linear(left), constant(right)
            if aged is None and operator == "*":
                aged, other = _linear(right), constant(left)
            if not aged or not other:
                return None
            scale = other if operator == "*" else 1.0 / other
            found = _Aged(aged.metric, aged.factor * scale, aged.offset * scale)
            return found if found.factor else None
        case _:
            return None


_APPLY: dict[str, Callable[[float, float], float]] = {
    "+": op.add,
    "-": op.sub,
    "*": op.mul,
    "/": op.truediv,
    "%": op.mod,
}


def constant(tree: Expression) -> float | None:
    """The number that `tree` is, None if it reads anything or is none."""
    match tree:
        case Number(value):
            return value
        case Unary("-", operand):
            value = constant(operand)
            return None if value is None else -value
        case Arithmetic(operator, left, right):
            one, other = constant(left), constant(right)
            if one is None or other is None or (operator in "/%" and not other):
                return None
            return _APPLY[operator](one, other)
        case _:
            return None
