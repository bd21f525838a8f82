"""From a tree back to text with the fewest brackets; `parse` reads it as the same tree."""

import re

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
from tocsin.ingest.rules.tokens import KEYWORDS

_PLAIN_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_ATOM = 9
_NEGATION = 7
_LOGICAL = {"or": 1, "and": 2}
_NOT = 3
_COMPARISON = 4
_ARITHMETIC = {"+": 5, "-": 5, "*": 6, "/": 6, "%": 6}


def print_expression(tree: Expression) -> str:
    return _print(tree)[0]


def print_metric(name: str) -> str:
    """The name as an expression writes it: in backticks where it needs them."""
    if _PLAIN_NAME.fullmatch(name) and name not in KEYWORDS:
        return name
    return "`" + name.replace("`", "``") + "`"


def _print(tree: Expression) -> tuple[str, int]:
    """The text of `tree` and how tightly its outermost operator binds."""
    match tree:
        case Number(value):
            whole = value.is_integer() and value < 1e15
            return str(int(value)) if whole else repr(value), _ATOM
        case Text(value):
            return "'" + value.replace("'", "''") + "'", _ATOM
        case Truth(value):
            return str(value).lower(), _ATOM
        case Metric(name):
            return print_metric(name), _ATOM
        case Call(function, arguments):
            return f"{function}({', '.join(_print(a)[0] for a in arguments)})", _ATOM
        case Unary("-", operand):
            return "-" + _inside(operand, _NEGATION), _NEGATION
        case Unary(_, operand):
            return "not " + _inside(operand, _NOT), _NOT
        case Arithmetic(operator, left, right):
            binding = _ARITHMETIC[operator]
            return f"{_inside(left, binding)} {operator} {_inside(right, binding + 1)}", binding
        case Comparison(operands, operators):
            parts = [_inside(operand, _COMPARISON + 1) for operand in operands]
            text = parts[0] + "".join(
                f" {operator} {part}" for operator, part in zip(operators, parts[1:], strict=True)
            )
            return text, _COMPARISON
        case Logical(operator, operands):
            binding = _LOGICAL[operator]
            return f" {operator} ".join(_inside(o, binding + 1) for o in operands), binding


def _inside(tree: Expression, at_least: int) -> str:
    """`tree` as an operand of something that takes only what binds `at_least` so tightly."""
    text, binding = _print(tree)
    return text if binding >= at_least else f"({text})"
