"""Units in an expression: what is compared, added or subtracted should be in one.

Units are known by a metric's name (`temp_c`) or its device's profile, and so may be guessed wrong:
what is found is a doubt and no error. What was multiplied or divided has no known unit, since that
is how one unit is turned into another.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tocsin.devices.profile import unit_of as unit_by_name
from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Metric,
    Text,
    Unary,
)
from tocsin.ingest.rules.printer import print_expression

UnitOf = Callable[[str], str | None]
"""The unit of a metric, None where none is known."""

_OF_ITS_METRIC = frozenset(
    (
        "avg",
        "min",
        "max",
        "sum",
        "last",
        "first",
        "delta",
        "stddev",
        "twa",
        "p50",
        "p90",
        "p95",
        "p99",
    )
)
_OF_ITSELF = {"age": "s", "time_in": "s", "duration": "s", "distance_m": "m", "speed_kmh": "km/h"}


class UnitDoubt(NamedTuple):
    message: str
    column: int


def unit_doubts(tree: Expression, unit_of: UnitOf) -> Iterator[UnitDoubt]:
    """Where things of two units meet, with the column of the second."""
    match tree:
        case Comparison(operands):
            for left, right in pairwise(operands):
                yield from _meeting(left, right, unit_of)
            for operand in operands:
                yield from unit_doubts(operand, unit_of)
        case Arithmetic(operator, left, right):
            if operator in "+-":
                yield from _meeting(left, right, unit_of)
            yield from unit_doubts(left, unit_of)
            yield from unit_doubts(right, unit_of)
        case Unary(_, operand):
            yield from unit_doubts(operand, unit_of)
        case Logical(_, operands) | Call(_, operands):
            for operand in operands:
                yield from unit_doubts(operand, unit_of)
        case _:
            pass


def _meeting(left: Expression, right: Expression, unit_of: UnitOf) -> Iterator[UnitDoubt]:
    one, other = _unit(left, unit_of), _unit(right, unit_of)
    if one and other and one != other:
        yield UnitDoubt(
            f"{_shown(right)} at column {right.column} is in {other}, and {_shown(left)} in {one};"
            " expected one unit (by * or / one is turned into the other)",
            right.column,
        )


def _unit(tree: Expression, unit_of: UnitOf) -> str | None:
    match tree:
        case Metric(name):
            return unit_of(name)
        case Unary("-", operand) | Call("abs" | "round", (operand,)):
            return _unit(operand, unit_of)
        case Arithmetic("+" | "-", left, right):
            return _unit(left, unit_of) or _unit(right, unit_of)
        case Call("limit" | "tag_number", (Text(name),)):
            return unit_by_name(name)
        case Call(function, (Metric(name), *_)) if function in _OF_ITS_METRIC:
            return unit_of(name)
        case Call(function):
            return _OF_ITSELF.get(function)
        case _:
            return None


def _shown(tree: Expression) -> str:
    return f"'{print_expression(tree)[:64]}'"
