"""When time alone can make a rule true: comparisons of an age with what is constant."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import isfinite
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.rules.compiled import Tag, calls_of, tag_of
from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Metric,
    Number,
    Unary,
)


def silences(tree: Expression) -> Iterator["Deadline"]:
    """The ages at which a comparison of one with what is constant may turn, as it is or counted up
    with constants: `age(t) / 60 > 5`.

    Constant are numbers, and of one device its tags and limits. An age that is compared with
    anything else turns by readings only.
    """
    match tree:
        case Comparison(operands):
            for left, right in pairwise(operands):
                for one, other in ((left, right), (right, left)):
                    aged = _linear(one)
                    if aged is None or not _is_constant(other):
                        continue
                    age = aged.age_at(other)
                    seconds = None if any(calls_of(age)) else float(_value(age, _nothing))
                    if seconds is None or isfinite(seconds):
                        yield Deadline(aged.metric, age, seconds)
        case Unary("not", operand):
            yield from silences(operand)
        case Logical(_, operands):
            for operand in operands:
                yield from silences(operand)
        case _:
            pass


Own = TypeVar("Own", float, NDArray[np.float64])
"""What a constant is of one device, or by device."""


class Deadline(NamedTuple):
    """The age of a metric at which a rule is looked at without a reading: `seconds`, or None if it
    is each device's own."""

    metric: str
    age: Expression
    seconds: float | None

    def of(self, read: Callable[[Tag], Own]) -> float | Own:
        """The age in seconds, where `read` gives tags and limits; NaN or infinite for never."""
        return _value(self.age, read)


class _Aged(NamedTuple):
    """factor × age(metric) + offset"""

    metric: str
    factor: Expression
    offset: Expression

    def age_at(self, value: Expression) -> Expression:
        """The age at which this is `value`."""
        return _counted("/", _counted("-", value, self.offset), self.factor)


Operator: TypeAlias = Literal["+", "-", "*", "/"]

_ZERO, _ONE = Number(0.0, 0), Number(1.0, 0)


def _linear(tree: Expression) -> _Aged | None:
    match tree:
        case Call("age", (Metric(name),)):
            return _Aged(name, _ONE, _ZERO)
        case Unary("-", operand):
            aged = _linear(operand)
            return aged and _Aged(
                aged.metric, Unary("-", aged.factor, 0), Unary("-", aged.offset, 0)
            )
        case Arithmetic("+" | "-" as operator, left, right):
            if (aged := _linear(left)) and _is_constant(right):
                return aged._replace(offset=_counted(operator, aged.offset, right))
            if (aged := _linear(right)) and _is_constant(left):
                factor = aged.factor if operator == "+" else _minus(aged.factor)
                return _Aged(aged.metric, factor, _counted(operator, left, aged.offset))
            return None
        case Arithmetic("*" | "/" as operator, left, right):
            aged, other = _linear(left), right
            if aged is None and operator == "*":
                aged, other = _linear(right), left
            if aged is None or not _is_constant(other):
                return None
            return _Aged(
                aged.metric,
                _counted(operator, aged.factor, other),
                _counted(operator, aged.offset, other),
            )
        case _:
            return None


def _minus(tree: Expression) -> Expression:
    return _counted("*", tree, Number(-1.0, 0))


def _counted(operator: Operator, left: Expression, right: Expression) -> Expression:
    """`left operator right`, as short as a person would write it."""
    if right == {"+": _ZERO, "-": _ZERO, "*": _ONE, "/": _ONE}[operator]:
        return left
    counted = Arithmetic(operator, left, right, 0)
    if isinstance(left, Number) and isinstance(right, Number):
        return Number(float(_value(counted, _nothing)), 0)
    return counted


def _is_constant(tree: Expression) -> bool:
    """Whether `tree` is a number that no reading changes: of numbers, tags and limits alone."""
    match tree:
        case Number():
            return True
        case Unary("-", operand):
            return _is_constant(operand)
        case Arithmetic(_, left, right):
            return _is_constant(left) and _is_constant(right)
        case Call("tag_number" | "limit"):
            return True
        case Call("abs" | "round", (operand,)):
            return _is_constant(operand)
        case _:
            return False


def _nothing(tag: Tag) -> float:
    raise LookupError(tag)


_APPLY: dict[str, np.ufunc] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "%": np.mod,
    "abs": np.abs,
    "round": np.rint,
}


@np.errstate(all="ignore")
def _value(tree: Expression, read: Callable[[Tag], Own]) -> float | Own:
    match tree:
        case Number(value):
            return value
        case Unary("-", operand):
            return -_value(operand, read)
        case Arithmetic(operator, left, right):
            return _APPLY[operator](_value(left, read), _value(right, read))
        case Call("abs" | "round" as shape, (operand,)):
            return _APPLY[shape](_value(operand, read))
        case Call():
            tag = tag_of(tree)
            assert tag is not None, "constant"
            return read(tag)
        case _:
            raise TypeError(f"{tree} is not constant")
