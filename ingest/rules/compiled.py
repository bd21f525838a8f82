"""What the compiled forms of a rule share: its skeleton, its constants, the windows it reads.

Each checked tree is compiled twice, when its rule comes into force:
to a function over many pairs of rule and device at once (`vector`), and to a function over one
device (`scalar`). The vector form costs some microseconds for each node however many pairs there
are, the scalar form a tenth of one for each node and pair. Both agree with the interpreter in
tests/ingest/rules.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, TypeAlias

from tocsin.ingest.rules.durations import SESSION, parse_duration
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
from tocsin.ingest.rules.functions import FUNCTIONS, Argument

CodeOf: TypeAlias = Callable[[str], int]
"""The code that stands for a text in the columns."""

Place: TypeAlias = tuple[str, str]
"""A function of the position, and the zone it asks for, '' for none."""

Tag: TypeAlias = tuple[str, str]
"""`tag`, `tag_number` or `limit`, and the name of the tag or limit."""


class Use(NamedTuple):
    """A windowed function. `state` is what it looks for, if it looks for a value. Of a session
    `function` is `session avg` and the like, which is another one than `avg`, and `size_s` the gap.
    """

    metric: str
    size_s: float
    function: str
    state: float | bool | str | None = None


def skeleton(tree: Expression) -> Hashable:
    """What `tree` is apart from its constants; equal ones can share a vector form."""
    match tree:
        case Number() | Text():
            return type(tree).__name__
        case Truth(value):
            return value
        case Metric(name):
            return ("metric", name)
        case Call():
            windowed = window_of(tree)
            named = windowed or place_of(tree) or tag_of(tree)
            return named or (tree.function, *map(skeleton, tree.arguments))
        case Unary(operator, operand):
            return (operator, skeleton(operand))
        case Arithmetic(operator, left, right):
            return (operator, skeleton(left), skeleton(right))
        case Comparison(operands, operators):
            return (operators, *map(skeleton, operands))
        case Logical(operator, operands):
            return (operator, *map(skeleton, operands))


def constants(tree: Expression, code_of: CodeOf) -> Iterator[float]:
    """The constants of `tree` in the order in which the vector form numbers them."""
    match tree:
        case Number(value):
            yield value
        case Text(value):
            yield code_of(value)
        case Call():
            if not (window_of(tree) or place_of(tree) or tag_of(tree)):
                for argument in tree.arguments:
                    yield from constants(argument, code_of)
        case Unary(_, operand):
            yield from constants(operand, code_of)
        case Arithmetic(_, left, right):
            yield from constants(left, code_of)
            yield from constants(right, code_of)
        case Comparison(operands) | Logical(_, operands):
            for operand in operands:
                yield from constants(operand, code_of)
        case Truth() | Metric():
            pass


def functions_of(tree: Expression) -> Iterator[Use]:
    """The windowed functions that `tree` reads."""
    for call in calls_of(tree):
        if windowed := window_of(call):
            yield windowed


def calls_of(tree: Expression) -> Iterator[Call]:
    """The functions that `tree` calls and that read something: windows, ages, the hour, the
    position, a number of a tag, a limit."""
    match tree:
        case Call():
            arguments = FUNCTIONS[tree.function].arguments
            if not arguments or Argument.METRIC in arguments or Argument.ZONE in arguments:
                yield tree
            elif tag := tag_of(tree):
                if tag[0] != "tag":
                    yield tree
            else:
                for argument in tree.arguments:
                    yield from calls_of(argument)
        case Unary(_, operand):
            yield from calls_of(operand)
        case Arithmetic(_, left, right):
            yield from calls_of(left)
            yield from calls_of(right)
        case Comparison(operands) | Logical(_, operands):
            for operand in operands:
                yield from calls_of(operand)
        case Number() | Text() | Truth() | Metric():
            pass


def place_of(call: Call) -> Place | None:
    """The function of the position that `call` is, if it is one."""
    if not FUNCTIONS[call.function].positioned:
        return None
    zones = [each.value for each in call.arguments if isinstance(each, Text)]
    return call.function, zones[0] if zones else ""


def tag_of(call: Call) -> Tag | None:
    """The tag, or limit, that `call` reads, if it reads one."""
    if not FUNCTIONS[call.function].tagged:
        return None
    (name,) = call.arguments
    assert isinstance(name, Text), "checked"
    return call.function, name.value


def window_of(call: Call) -> Use | None:
    """The windowed function that `call` is, if it is one."""
    if not FUNCTIONS[call.function].windowed:
        return None
    metric, *between, window = call.arguments
    assert isinstance(metric, Metric), "checked"
    assert isinstance(window, Text), "checked"
    state = state_of(between[0]) if between else None
    size, function = window.value, call.function
    if size.startswith(SESSION):
        size, function = size.removeprefix(SESSION), SESSION + function
    return Use(metric.name, parse_duration(size), function, state)


def state_of(tree: Expression) -> float | bool | str | None:
    """The value that `tree` names, None if it names none."""
    match tree:
        case Number(value) | Text(value) | Truth(value):
            return value
        case Unary("-", Number(value)):
            return -value
        case _:
            return None
