"""Whether a tree means something: kinds, functions, windows, and which metrics it reads.

A metric is a number. With `==` and `!=` it may also be compared with text or with true and false
(`state == 'running'`, `door_open == true`). A metric by itself is no condition.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeGuard

from tocsin.devices.tags import TagError, check_tag_name
from tocsin.ingest.rules.compiled import state_of
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
from tocsin.ingest.rules.functions import (
    FUNCTIONS,
    MAX_ABSENCE_S,
    MAX_WINDOW_S,
    MIN_WINDOW_S,
    OF_SESSIONS,
    Argument,
    Function,
    Kind,
)
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.stated import Stated
from tocsin.ingest.rules.suggestion import did_you_mean
from tocsin.ingest.rules.tokens import ExpressionError


@dataclass(frozen=True, slots=True)
class Checked:
    """What an expression yields and reads.

    `metrics` in order of appearance, each once. `windows` are (metric, size in seconds),
    `sessions` (metric, gap in seconds). `clocked` are the metrics whose age it reads, so that it
    may turn without a reading. `zones` are those it names; `positioned`: it reads the position,
    `lat` and `lon` of `metrics`. `tagged`: it reads tags of the device. `counting`: it is of all
    devices of a group.
    """

    kind: Kind
    metrics: tuple[str, ...]
    windows: frozenset[tuple[str, float]]
    sessions: frozenset[tuple[str, float]]
    clocked: frozenset[str]
    hourly: bool
    zones: frozenset[str]
    positioned: bool
    tagged: bool
    counting: bool


def check(
    expression: Expression,
    *,
    known_metrics: Collection[str] | None = None,
    known_zones: Collection[str] | None = None,
    stated: Stated | None = None,
) -> Checked:
    """The kind of `expression` and what it reads.

    With `known_metrics` a metric outside of them is an error; without, any name will do, since
    a rule may come before its first device. So it is with `known_zones`, and with what profiles
    have `stated`.

    Raises ExpressionError, which names the column and the reason.
    """
    checker = _Checker(known_metrics, known_zones, stated)
    kind = checker.kind(expression)
    return Checked(
        kind,
        tuple(checker.metrics),
        frozenset(checker.windows),
        frozenset(checker.sessions),
        frozenset(checker.clocked),
        checker.hourly,
        frozenset(checker.zones),
        checker.positioned,
        checker.tagged,
        checker.counting,
    )


def require_condition(expression: Expression, kind: Kind, what: str) -> None:
    """Nothing, if `kind` is a condition.

    Raises ExpressionError, which says that `what` (a key, an operator) needs one.
    """
    if kind is not Kind.CONDITION:
        shown, hint = _shown(expression), ""
        if isinstance(expression, Metric):
            hint = f", as in {shown} > 0 or {shown} == true"
        raise _mismatch(expression, kind, f"{what} needs a condition", hint)


@dataclass(slots=True)
class _Checker:
    known: Collection[str] | None
    known_zones: Collection[str] | None = None
    stated: Stated | None = None
    metrics: dict[str, None] = field(default_factory=dict[str, None])
    windows: set[tuple[str, float]] = field(default_factory=set[tuple[str, float]])
    sessions: set[tuple[str, float]] = field(default_factory=set[tuple[str, float]])
    clocked: set[str] = field(default_factory=set[str])
    hourly: bool = False
    zones: set[str] = field(default_factory=set[str])
    positioned: bool = False
    tagged: bool = False
    counting: bool = False
    counting_inside: bool = False

    def kind(self, tree: Expression) -> Kind:
        match tree:
            case Number():
                return Kind.NUMBER
            case Text():
                return Kind.TEXT
            case Truth():
                return Kind.CONDITION
            case Metric():
                self._metric(tree)
                return Kind.NUMBER
            case Call():
                return self._call(tree)
            case Unary("-", operand):
                self._number(operand, "'-'")
                return Kind.NUMBER
            case Unary(operator, operand):
                require_condition(operand, self.kind(operand), f"'{operator}'")
                return Kind.CONDITION
            case Arithmetic(operator, left, right):
                self._number(left, f"'{operator}'")
                self._number(right, f"'{operator}'")
                return Kind.NUMBER
            case Comparison():
                return self._comparison(tree)
            case Logical(operator, operands):
                for operand in operands:
                    require_condition(operand, self.kind(operand), f"'{operator}'")
                return Kind.CONDITION

    def _metric(self, metric: Metric) -> None:
        if self.known is not None and metric.name not in self.known:
            raise ExpressionError(
                f"unknown metric {metric.name[:64]!r} at column {metric.column}"
                + did_you_mean(metric.name, self.known),
                metric.column,
            )
        self.metrics[metric.name] = None

    def _number(self, tree: Expression, what: str) -> None:
        kind = self.kind(tree)
        if kind is not Kind.NUMBER:
            raise _mismatch(tree, kind, f"{what} needs a number")

    def _comparison(self, tree: Comparison) -> Kind:
        kinds = [self.kind(operand) for operand in tree.operands]
        for i, operator in enumerate(tree.operators):
            left, right = tree.operands[i], tree.operands[i + 1]
            if kinds[i] is kinds[i + 1] is Kind.NUMBER:
                continue
            if _is_tag(left) or _is_tag(right):
                self._tag_link(left, operator, right)
                continue
            odd, kind, other = (
                (left, kinds[i], right)
                if kinds[i] is not Kind.NUMBER
                else (right, kinds[i + 1], left)
            )
            if not isinstance(odd, Text | Truth):
                raise _mismatch(odd, kind, f"'{operator}' needs a number")
            if operator not in ("==", "!="):
                raise _mismatch(odd, kind, f"'{operator}' needs a number", " (== and != take it)")
            if not isinstance(other, Metric):
                raise _mismatch(odd, kind, f"'{operator}' compares that with a metric only")
        return Kind.CONDITION

    def _tag_link(self, left: Expression, operator: str, right: Expression) -> None:
        tag, other = (left, right) if _is_tag(left) else (right, left)
        if operator not in ("==", "!="):
            raise _mismatch(
                tag, Kind.TEXT, f"'{operator}' needs a number", ", as in tag_number('limit_c')"
            )
        if not isinstance(other, Text):
            raise ExpressionError(
                f"{_quoted(other)} at column {other.column} is compared with a tag; expected text"
                " in quotes, as in tag('site') == 'north'",
                other.column,
            )

    def _call(self, call: Call) -> Kind:
        function = FUNCTIONS.get(call.function)
        if function is None:
            raise ExpressionError(
                f"unknown function {call.function[:64]!r} at column {call.column}"
                + did_you_mean(call.function, FUNCTIONS),
                call.column,
            )
        if len(call.arguments) != len(function.arguments):
            given = len(call.arguments)
            raise ExpressionError(
                f"{function.name} at column {call.column} has {given} argument{'s'[: given != 1]};"
                f" expected {len(function.arguments) or 'none'}"
                + (f" ({', '.join(function.arguments)})" if function.arguments else "")
                + f", as in {function.example}",
                call.column,
            )
        if function.positioned:
            self._position(call)
        metric, window_s, windows = "", 0.0, self.windows
        for argument, expected in zip(call.arguments, function.arguments, strict=True):
            match expected:
                case Argument.METRIC:
                    metric = self._metric_argument(argument, function)
                case Argument.STATE:
                    _check_state(argument, function)
                case Argument.WINDOW:
                    if is_session := _is_session(argument):
                        argument = _gap_argument(argument, function)
                        windows = self.sessions
                    window_s = _window_argument(argument, function, MAX_WINDOW_S, "24h")
                    if function.name == "duration" and not is_session:
                        raise _no_session(argument, function)
                case Argument.DURATION:
                    _window_argument(argument, function, MAX_ABSENCE_S, "30d")
                case Argument.NUMBER:
                    self._number(argument, function.name)
                case Argument.ZONE:
                    self.zones.add(self._zone_argument(argument, function))
                case Argument.CONDITION | Argument.EACH:
                    self._of_each(call, argument, function)
                case Argument.TAG:
                    _check_tag_argument(argument, function)
                case Argument.LIMIT:
                    self._limit_argument(argument, function)
        if function.windowed:
            windows.add((metric, window_s))
        if function.clocked:
            self.clocked.add(metric)
        self.hourly |= function.hourly
        self.tagged |= function.tagged
        return function.result

    def _of_each(self, call: Call, argument: Expression, function: Function) -> None:
        counts = Argument.CONDITION in function.arguments
        wanted = "condition" if counts else "number"
        if self.counting_inside:
            raise ExpressionError(
                f"{function.name} in another one at column {call.column}; expected a {wanted}"
                f" of a single device, as in {function.example}",
                call.column,
            )
        self.counting_inside = True
        metrics, self.metrics = self.metrics, {}
        clocked, self.clocked = self.clocked, set()
        if counts:
            require_condition(argument, self.kind(argument), function.name)
        else:
            self._number(argument, function.name)
        found, self.metrics = self.metrics, metrics | self.metrics
        aged, self.clocked = self.clocked, clocked | self.clocked
        self.counting_inside = False
        self.counting = True
        if aged and not counts:
            raise ExpressionError(
                f"{_quoted(argument)} at column {argument.column} reads an age, which grows without"
                " a reading; expected devices that are silent to be counted, as in"
                f" count_devices(absent({min(aged)}, '60s'))",
                argument.column,
            )
        if not found:
            raise ExpressionError(
                f"{_quoted(argument)} at column {argument.column} reads no metric; expected a"
                f" {wanted} of one, as in {function.example}",
                argument.column,
            )

    def _position(self, call: Call) -> None:
        for name in ("lat", "lon"):
            if self.known is not None and name not in self.known:
                raise ExpressionError(
                    f"{call.function} at column {call.column} needs a position;"
                    f" expected a device that sends lat and lon",
                    call.column,
                )
            self.metrics[name] = None
        self.positioned = True

    def _zone_argument(self, argument: Expression, function: Function) -> str:
        if not isinstance(argument, Text):
            raise ExpressionError(
                f"{_quoted(argument)} is no zone; {function.name} needs the name of one in quotes"
                f" at column {argument.column}, as in {function.example}",
                argument.column,
            )
        name = argument.value
        if self.known_zones is not None and name not in self.known_zones:
            near = did_you_mean(name, self.known_zones)
            some = ", ".join(sorted(self.known_zones)[:5]) or "none is there yet"
            raise ExpressionError(
                f"unknown zone {name[:64]!r} at column {argument.column}"
                + (near or f"; expected one of these: {some}"),
                argument.column,
            )
        return name

    def _limit_argument(self, argument: Expression, function: Function) -> None:
        if not isinstance(argument, Text):
            raise ExpressionError(
                f"{_quoted(argument)} is no limit; {function.name} needs the name of one in quotes"
                f" at column {argument.column}, as in {function.example}",
                argument.column,
            )
        name = argument.value
        if self.stated and (why := self.stated.why_no_limit(name)):
            raise ExpressionError(
                f"unknown limit {name[:64]!r} at column {argument.column}{why}", argument.column
            )

    def _metric_argument(self, argument: Expression, function: Function) -> str:
        if not isinstance(argument, Metric):
            raise _mismatch(
                argument,
                self.kind(argument),
                f"{function.name} needs the name of a metric",
                f", as in {function.example}",
            )
        self._metric(argument)
        return argument.name


def check_counts(tree: Expression) -> None:
    """Nothing, if beside what groups come to a condition has numbers, comparisons and logic only.

    Raises ExpressionError, which names the column and the reason.
    """
    match tree:
        case Number() | Truth():
            pass
        case Call(name) if FUNCTIONS[name].counting:
            pass
        case Unary(_, operand):
            check_counts(operand)
        case Arithmetic("%", _, _, column):
            raise ExpressionError(
                f"'%' at column {column} is not for groups; expected + - * /", column
            )
        case Arithmetic(_, left, right):
            check_counts(left)
            check_counts(right)
        case Comparison(operands) | Logical(_, operands):
            for operand in operands:
                check_counts(operand)
        case _:
            raise ExpressionError(
                f"{_quoted(tree)} at column {tree.column} is of a single device, beside what a"
                " group comes to; expected it in the brackets, as in count_devices(temp_c > 80)",
                tree.column,
            )


def _is_tag(tree: Expression) -> bool:
    return isinstance(tree, Call) and tree.function == "tag"


def _check_tag_argument(argument: Expression, function: Function) -> None:
    if not isinstance(argument, Text):
        raise ExpressionError(
            f"{_quoted(argument)} is no tag; {function.name} needs the name of one in quotes"
            f" at column {argument.column}, as in {function.example}",
            argument.column,
        )
    try:
        check_tag_name(argument.value)
    except TagError as error:
        raise ExpressionError(f"{error} (column {argument.column})", argument.column) from None


def _check_state(argument: Expression, function: Function) -> None:
    if state_of(argument) is None:
        raise ExpressionError(
            f"{_quoted(argument)} is no value; {function.name} needs one at column"
            f" {argument.column}: text in quotes, true, false or a number, as in"
            f" {function.example}",
            argument.column,
        )


def _is_session(argument: Expression) -> TypeGuard[Text]:
    return isinstance(argument, Text) and argument.value.startswith(SESSION)


def _gap_argument(argument: Text, function: Function) -> Text:
    """The gap of a session, as a window by itself."""
    if function.name not in OF_SESSIONS:
        raise ExpressionError(
            f"{function.name} at column {argument.column} cannot be of a session;"
            f" expected one of {', '.join(sorted(OF_SESSIONS))}, or a window as in '5m'",
            argument.column,
        )
    return Text(argument.value.removeprefix(SESSION), argument.column)


def _no_session(window: Expression, function: Function) -> ExpressionError:
    return ExpressionError(
        f"{_shown(window)} at column {window.column} is no session; expected a gap that ends one,"
        f" as in {function.example}",
        window.column,
    )


def _window_argument(argument: Expression, function: Function, most_s: float, most: str) -> float:
    column = argument.column
    if not isinstance(argument, Text):
        raise ExpressionError(
            f"{_shown(argument)!r} at column {column} is not a window;"
            f" expected a duration in quotes, as in {function.example}",
            column,
        )
    try:
        window_s = parse_duration(argument.value)
    except ValueError:
        raise ExpressionError(
            f"window {argument.value[:32]!r} at column {column} is not a duration;"
            " expected a number and s, m, h or d, as in '5m'",
            column,
        ) from None
    if not MIN_WINDOW_S <= window_s <= most_s:
        raise ExpressionError(
            f"window {argument.value[:32]!r} at column {column} is out of range;"
            f" expected 1s to {most}",
            column,
        )
    return window_s


def _mismatch(tree: Expression, kind: Kind, need: str, hint: str = "") -> ExpressionError:
    article = "" if kind is Kind.TEXT else "a "
    return ExpressionError(
        f"{_quoted(tree)} is {article}{kind}; {need} at column {tree.column}{hint}", tree.column
    )


def _shown(tree: Expression) -> str:
    text = print_expression(tree)
    return text if len(text) <= 40 else text[:39] + "…"


def _quoted(tree: Expression) -> str:
    """As it was written, in quotes, unless it is text and has its own."""
    return _shown(tree) if isinstance(tree, Text) else f"'{_shown(tree)}'"
