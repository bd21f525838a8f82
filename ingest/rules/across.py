"""Conditions over what a group of devices comes to: counts, means, extremes, each within a span."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import isfinite, isnan
from typing import TypeAlias

from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Number,
    Truth,
    Unary,
)
from tocsin.ingest.rules.functions import FUNCTIONS
from tocsin.ingest.rules.spans import ENDS, Span

SpanOf: TypeAlias = Callable[[Call], Span | None]
"""Between which numbers that which a call asks of a group lies; None where nothing is known."""


def calls_across(tree: Expression) -> Iterator[Call]:
    """The calls in a condition that are of all devices of a group, in order."""
    match tree:
        case Call(function):
            if FUNCTIONS[function].counting:
                yield tree
        case Unary(_, operand):
            yield from calls_across(operand)
        case Arithmetic(_, left, right):
            yield from calls_across(left)
            yield from calls_across(right)
        case Comparison(operands) | Logical(_, operands):
            for operand in operands:
                yield from calls_across(operand)
        case _:
            pass


def truth_of(tree: Expression, spans: SpanOf) -> bool | None:
    """Whether a condition over groups is true for all numbers within their spans, false for all of
    them, or neither."""
    match tree:
        case Truth(value):
            return value
        case Unary("not", operand):
            inner = truth_of(operand, spans)
            return None if inner is None else not inner
        case Logical(operator, operands):
            truths = [truth_of(operand, spans) for operand in operands]
            decisive = operator == "or"
            if decisive in truths:
                return decisive
            return None if None in truths else not decisive
        case Comparison(operands, operators):
            ends = [_span_of(operand, spans) for operand in operands]
            links = [
                _link(operator, left, right)
                for operator, (left, right) in zip(operators, pairwise(ends), strict=True)
            ]
            if False in links:
                return False
            return None if None in links else True
        case _:
            raise TypeError(f"{tree} is no condition of groups; the checker lets none pass")


def _span_of(tree: Expression, spans: SpanOf) -> Span | None:
    match tree:
        case Number(value):
            return Span(value, value)
        case Call():
            return spans(tree)
        case Unary("-", operand):
            inner = _span_of(operand, spans)
            return inner and Span(-inner.high, -inner.low)
        case Arithmetic(operator, left, right):
            one, other = _span_of(left, spans), _span_of(right, spans)
            return _joined(operator, one, other) if one and other else None
        case _:
            raise TypeError(f"{tree} is no number of groups; the checker lets none pass")


def _joined(operator: str, one: Span, other: Span) -> Span | None:
    if operator in "*/" and not all(map(isfinite, (*one, *other))):
        return None  # nothing times what has no bounds
    found = ENDS[operator](one, other)
    return None if found is None or isnan(found.low) or isnan(found.high) else found


def _link(operator: str, left: Span | None, right: Span | None) -> bool | None:
    if left is None or right is None:
        return None
    match operator:
        case "<":
            return _below(left, right)
        case "<=":
            return _not(_below(right, left))
        case ">":
            return _below(right, left)
        case ">=":
            return _not(_below(left, right))
        case _:
            equal = None
            if left.high < right.low or left.low > right.high:
                equal = False
            elif left.low == left.high == right.low == right.high:
                equal = True
            return equal if operator == "==" else _not(equal)


def _below(left: Span, right: Span) -> bool | None:
    if left.high < right.low:
        return True
    return False if left.low >= right.high else None


def _not(truth: bool | None) -> bool | None:
    return None if truth is None else not truth
