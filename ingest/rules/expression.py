"""The expression tree that the parser makes and that checker, compiler and oracle read.

Every node knows the column (1-based) at which it starts in the text, for error messages.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    column: int


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    column: int


@dataclass(frozen=True, slots=True)
class Truth:
    value: bool
    column: int


@dataclass(frozen=True, slots=True)
class Metric:
    """The newest value of a metric of the rule's device; unknown before its first reading."""

    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple["Expression", ...]
    column: int


@dataclass(frozen=True, slots=True)
class Unary:
    operator: Literal["-", "not"]
    operand: "Expression"
    column: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: Literal["+", "-", "*", "/", "%"]
    left: "Expression"
    right: "Expression"
    column: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a < b <= c`: operands a, b, c and operators <, <=; true when every link is."""

    operands: tuple["Expression", ...]
    operators: tuple[Literal["<", "<=", ">", ">=", "==", "!="], ...]
    column: int


@dataclass(frozen=True, slots=True)
class Logical:
    operator: Literal["and", "or"]
    operands: tuple["Expression", ...]
    column: int


Expression = Number | Text | Truth | Metric | Call | Unary | Arithmetic | Comparison | Logical
