"""Rule expressions over many pairs of rule and device at once.

Hot path (benchmarks/pipeline.py). Numbers are float64, NaN where unknown. Conditions are two masks,
true and false, so that Kleene's logic is plain `&` and `|`: what is in neither is unknown.

Rules whose trees differ in their constants only share one form (`compiled.skeleton`): there a
constant is a column of a table with one row for each rule.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.rules.compiled import Place, Tag, Use, place_of, tag_of, window_of
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

Floats: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]
Masks: TypeAlias = tuple[Mask, Mask]


class Pairs(Protocol):
    """What the vector form reads: arrays over pairs of rule and device, NaN where unknown."""

    def constant(self, index: int) -> Floats: ...
    def number(self, metric: str) -> Floats: ...
    def code(self, metric: str) -> Floats: ...
    def age(self, metric: str) -> Floats: ...
    def site(self, dial: Literal["hour", "weekday"]) -> Floats: ...
    def window(self, use: Use) -> Floats: ...
    def place(self, place: Place) -> Floats: ...
    def tag(self, tag: Tag) -> Floats: ...


VectorNumber: TypeAlias = Callable[[Pairs], Floats]
VectorCondition: TypeAlias = Callable[[Pairs], Masks]


class Vector:
    """Makes the vector form of checked trees. State: how many constants it has numbered."""

    def __init__(self) -> None:
        self._constants = 0

    def condition(self, tree: Expression) -> VectorCondition:
        match tree:
            case Truth(value):
                always = np.bool_(value), np.bool_(not value)
                return lambda _: always  # pyright: ignore[reportReturnType]  # broadcasts
            case Unary("not", operand):
                inner = self.condition(operand)
                return lambda pairs: inner(pairs)[::-1]  # pyright: ignore[reportReturnType]
            case Logical(operator, operands):
                return _logical(operator, [self.condition(each) for each in operands])
            case Comparison():
                return self._comparison(tree)
            case _:
                raise TypeError(f"{tree} is no condition; the checker lets none of these pass")

    def number(self, tree: Expression) -> VectorNumber:
        match tree:
            case Number() | Text():
                index = self._constants
                self._constants += 1
                return lambda pairs: pairs.constant(index)
            case Metric(name):
                return lambda pairs: pairs.number(name)
            case Unary("-", operand):
                inner = self.number(operand)
                return lambda pairs: -inner(pairs)
            case Arithmetic(operator, left, right):
                return _arithmetic(operator, self.number(left), self.number(right))
            case Call():
                return self._call(tree)
            case _:
                raise TypeError(f"{tree} is no number; the checker lets none of these pass")

    def _call(self, call: Call) -> VectorNumber:
        if windowed := window_of(call):
            return lambda pairs: pairs.window(windowed)
        if call.function == "hour" or call.function == "weekday":
            dial = call.function
            return lambda pairs: pairs.site(dial)
        if place := place_of(call):
            return lambda pairs: pairs.place(place)
        if tag := tag_of(call):
            return lambda pairs: pairs.tag(tag)
        (argument,) = call.arguments
        if call.function == "age":
            assert isinstance(argument, Metric), "checked"
            name = argument.name
            return lambda pairs: pairs.age(name)
        inner = self.number(argument)
        shape = {"abs": np.abs, "round": np.rint}[call.function]
        return lambda pairs: shape(inner(pairs))

    def _comparison(self, tree: Comparison) -> VectorCondition:
        links: list[VectorCondition] = []
        coded = [isinstance(each, Text) for each in tree.operands]
        operands = [self._operand(each) for each in tree.operands]
        for index, operator in enumerate(tree.operators):
            left, right = operands[index], operands[index + 1]
            if coded[index] or coded[index + 1]:
                left, right = (
                    self._coded(tree.operands[index], left),
                    self._coded(tree.operands[index + 1], right),
                )
            links.append(_LINKS[operator](left, right))
        return links[0] if len(links) == 1 else _logical("and", links)

    def _operand(self, tree: Expression) -> VectorNumber:
        if isinstance(tree, Truth):
            value = np.full(1, float(tree.value))
            return lambda _: value
        return self.number(tree)

    def _coded(self, tree: Expression, compiled: VectorNumber) -> VectorNumber:
        if isinstance(tree, Metric):
            name = tree.name
            return lambda pairs: pairs.code(name)
        return compiled


def _logical(operator: str, parts: Sequence[VectorCondition]) -> VectorCondition:
    both = operator == "and"

    def logical(pairs: Pairs) -> Masks:
        true, false = parts[0](pairs)
        for part in parts[1:]:
            also_true, also_false = part(pairs)
            if both:
                true, false = true & also_true, false | also_false
            else:
                true, false = true | also_true, false & also_false
        return true, false

    return logical


def _arithmetic(operator: str, left: VectorNumber, right: VectorNumber) -> VectorNumber:
    if operator in "/%":
        divide = np.true_divide if operator == "/" else np.mod

        def divided(pairs: Pairs) -> Floats:
            divisor = right(pairs)
            return divide(left(pairs), np.where(divisor == 0, np.nan, divisor))

        return divided
    apply = {"+": np.add, "-": np.subtract, "*": np.multiply}[operator]
    return lambda pairs: apply(left(pairs), right(pairs))


def _order(
    true: np.ufunc, false: np.ufunc
) -> Callable[[VectorNumber, VectorNumber], VectorCondition]:
    def link(left: VectorNumber, right: VectorNumber) -> VectorCondition:
        def ordered(pairs: Pairs) -> Masks:
            a, b = left(pairs), right(pairs)
            return true(a, b), false(a, b)

        return ordered

    return link


def _equal(left: VectorNumber, right: VectorNumber) -> VectorCondition:
    def equal(pairs: Pairs) -> Masks:
        a, b = left(pairs), right(pairs)
        return a == b, (a < b) | (a > b)

    return equal


def _unequal(left: VectorNumber, right: VectorNumber) -> VectorCondition:
    equal = _equal(left, right)
    return lambda pairs: equal(pairs)[::-1]  # pyright: ignore[reportReturnType]


_LINKS = {
    "<": _order(np.less, np.greater_equal),
    "<=": _order(np.less_equal, np.greater),
    ">": _order(np.greater, np.less_equal),
    ">=": _order(np.greater_equal, np.less),
    "==": _equal,
    "!=": _unequal,
}
