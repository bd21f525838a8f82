"""Conditions that are another way to write a comparison.

`absent(metric, '60s')` is another way to write `age(metric) >= 60`, and is rewritten to it before
anything else looks at a rule. So are `inside('yard')` and `outside('yard')`: a number, 1 within the
zone and 0 outside, is compared with true and with false, and
`flatline`, which the windows answer with 1 or 0.
"""

from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.expression import (
    Call,
    Comparison,
    Expression,
    Logical,
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
