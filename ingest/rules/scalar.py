"""Rule expressions over one device: closures, one for each node of the tree.

Hot path (benchmarks/pipeline.py). Numbers are NaN where unknown, conditions None.
"""

import operator as op
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np

from tocsin.ingest.rules.compiled import CodeOf, Place, Tag, Use, place_of, tag_of, window_of
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


class Spot(Protocol):
    """What the scalar form reads: one device, NaN where unknown."""

    def number(self, metric: str) -> float: ...
    def code(self, metric: str) -> float: ...
    def age(self, metric: str) -> float: ...
    def site(self, dial: Literal["hour", "weekday"]) -> float: ...
    def window(self, use: Use) -> float: ...
    def place(self, place: Place) -> float: ...
    def tag(self, tag: Tag) -> float: ...


ScalarNumber: TypeAlias = Callable[[Spot], float]
ScalarCondition: TypeAlias = Callable[[Spot], bool | None]


class Scalar:
    """Makes the scalar form of checked trees."""

    def __init__(self, code_of: CodeOf) -> None:
        self._code_of = code_of

    def condition(self, tree: Expression) -> ScalarCondition:
        match tree:
            case Truth(value):
                return lambda _: value
            case Unary("not", operand):
                return _not(self.condition(operand))
            case Logical(operator, operands):
                return _logical(operator == "or", [self.condition(each) for each in operands])
            case Comparison():
                return self._comparison(tree)
            case _:
                raise TypeError(f"{tree} is no condition; the checker lets none of these pass")

    def number(self, tree: Expression) -> ScalarNumber:
        match tree:
            case Number(value):
                return lambda _: value
            case Text(value):
                code = float(self._code_of(value))
                return lambda _: code
            case Metric(name):
                return lambda spot: spot.number(name)
            case Unary("-", operand):
                inner = self.number(operand)
                return lambda spot: -inner(spot)
            case Arithmetic(operator, left, right):
                return _arithmetic(operator, self.number(left), self.number(right))
            case Call():
                return self._call(tree)
            case _:
                raise TypeError(f"{tree} is no number; the checker lets none of these pass")

    def _call(self, call: Call) -> ScalarNumber:
        if windowed := window_of(call):
            return lambda spot: spot.window(windowed)
        if call.function == "hour" or call.function == "weekday":
            dial = call.function
            return lambda spot: spot.site(dial)
        if place := place_of(call):
            return lambda spot: spot.place(place)
        if tag := tag_of(call):
            return lambda spot: spot.tag(tag)
        (argument,) = call.arguments
        if call.function == "age":
            assert isinstance(argument, Metric), "checked"
            name = argument.name
            return lambda spot: spot.age(name)
        inner = self.number(argument)
        if call.function == "abs":
            return lambda spot: abs(inner(spot))
        return lambda spot: _rounded(inner(spot))

    def _comparison(self, tree: Comparison) -> ScalarCondition:
        links: list[ScalarCondition] = []
        for index, operator in enumerate(tree.operators):
            left, right = tree.operands[index], tree.operands[index + 1]
            coded = isinstance(left, Text) or isinstance(right, Text)
            links.append(_link(operator, self._operand(left, coded), self._operand(right, coded)))
        return links[0] if len(links) == 1 else _logical(False, links)

    def _operand(self, tree: Expression, coded: bool) -> ScalarNumber:
        if isinstance(tree, Truth):
            value = float(tree.value)
            return lambda _: value
        if coded and isinstance(tree, Metric):
            name = tree.name
            return lambda spot: spot.code(name)
        return self.number(tree)


def _rounded(value: float) -> float:
    return float(round(value)) if value - value == 0 else value


def _not(inner: ScalarCondition) -> ScalarCondition:
    def negated(spot: Spot) -> bool | None:
        truth = inner(spot)
        return None if truth is None else not truth

    return negated


def _logical(decisive: bool, parts: Sequence[ScalarCondition]) -> ScalarCondition:
    def logical(spot: Spot) -> bool | None:
        truth: bool | None = not decisive
        for part in parts:
            each = part(spot)
            if each is decisive:
                return decisive
            if each is None:
                truth = None
        return truth

    return logical


_DIVISIONS: dict[str, Callable[[float, float], float]] = {"/": op.truediv, "%": op.mod}


def _arithmetic(operator: str, left: ScalarNumber, right: ScalarNumber) -> ScalarNumber:
    if operator in "/%":
        divide = _DIVISIONS[operator]

        def divided(spot: Spot) -> float:
            divisor = right(spot)
            return divide(left(spot), divisor) if divisor else np.nan

        return divided
    apply = {"+": op.add, "-": op.sub, "*": op.mul}[operator]
    return lambda spot: apply(left(spot), right(spot))


_LINKS = {"<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge, "==": op.eq, "!=": op.ne}


def _link(operator: str, left: ScalarNumber, right: ScalarNumber) -> ScalarCondition:
    compare = _LINKS[operator]

    def link(spot: Spot) -> bool | None:
        a, b = left(spot), right(spot)
        if a != a or b != b:
            return None
        return compare(a, b)

    return link
