"""Expression trees for property tests. Their columns are all 0."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import cast

from hypothesis import strategies as st

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
from tocsin.ingest.rules.functions import FUNCTIONS, OF_SESSIONS

# A standard deviation is rounded on its way: what is made of it has tests of its own.
WINDOWED = tuple(
    name
    for name, function in FUNCTIONS.items()
    if function.windowed and name not in ("stddev", "zscore", "flatline", "time_in", "duration")
)

_ZERO = st.just(0)
_ORDERS = st.sampled_from(("<", "<=", ">", ">=", "==", "!="))
_EQUALS = st.sampled_from(("==", "!="))


def without_columns(tree: Expression) -> Expression:
    """The tree with column 0 everywhere, for comparing what it means."""
    changes: dict[str, object] = {"column": 0}
    for field in fields(tree):
        value = cast("object", getattr(tree, field.name))
        if isinstance(value, Expression):
            changes[field.name] = without_columns(value)
        elif isinstance(value, tuple):
            changes[field.name] = tuple(
                without_columns(item) if isinstance(item, Expression) else item
                for item in cast("tuple[object, ...]", value)
            )
    return replace(tree, **changes)  # pyright: ignore[reportArgumentType]


def any_trees() -> st.SearchStrategy[Expression]:
    """Trees of every shape the parser can make, with and without meaning."""
    names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
    leaves = (
        st.builds(Number, st.floats(0, allow_nan=False, allow_infinity=False), _ZERO)
        | st.builds(Text, st.text(max_size=6), _ZERO)
        | st.builds(Truth, st.booleans(), _ZERO)
        | st.builds(Metric, names | st.sampled_from(["temp_c", "a.b.0", "not", "avg"]), _ZERO)
    )
    return st.recursive(leaves, _compounds, max_leaves=12)


def conditions(
    numeric: Sequence[str],
    textual: Sequence[str] = (),
    windows: Sequence[str] = ("1s", "10s", "5m"),
    *,
    ages: bool = True,
    hours: bool = True,
    tags: bool = False,
) -> st.SearchStrategy[Expression]:
    """Conditions that pass the checker, over metrics of numbers or booleans and metrics of text."""
    metrics = st.builds(Metric, st.sampled_from(numeric), _ZERO)
    sizes = st.builds(Text, st.sampled_from(windows), _ZERO)
    gaps = st.builds(Text, st.sampled_from(("session 1s", "session 10s")), _ZERO)
    terms = (
        metrics
        | st.builds(Number, st.integers(0, 5).map(float), _ZERO)
        | st.builds(Call, st.sampled_from(WINDOWED), st.tuples(metrics, sizes), _ZERO)
        | st.builds(Call, st.sampled_from(sorted(OF_SESSIONS)), st.tuples(metrics, gaps), _ZERO)
    )
    truth_or_number = st.builds(Truth, st.booleans(), _ZERO) | st.builds(
        Number, st.integers(0, 5).map(float), _ZERO
    )
    lasting = st.tuples(metrics, truth_or_number, sizes)
    if textual:
        text = st.builds(Text, st.sampled_from(["run", "stop", ""]), _ZERO)
        lasting |= st.tuples(st.builds(Metric, st.sampled_from(textual), _ZERO), text, sizes)
    terms |= st.builds(Call, st.just("time_in"), lasting, _ZERO)
    if ages:
        terms |= st.builds(Call, st.just("age"), st.tuples(metrics), _ZERO)
    if hours:
        terms |= st.builds(Call, st.sampled_from(["hour", "weekday"]), st.just(()), _ZERO)
    if tags:
        limits = st.builds(Text, st.sampled_from(["limit", "site"]), _ZERO)
        read = st.sampled_from(["tag_number", "limit"])
        terms |= st.builds(Call, read, st.tuples(limits), _ZERO)
    numbers = st.recursive(terms, _numbers, max_leaves=4)
    truths = st.builds(Truth, st.booleans(), _ZERO)
    simple = _comparisons(numbers) | _equalities(metrics, truths) | truths
    simple |= st.builds(Call, st.just("flatline"), st.tuples(metrics, sizes), _ZERO)
    if tags:
        name = st.builds(Text, st.sampled_from(["site", "limit"]), _ZERO)
        said = st.builds(Text, st.sampled_from(["north", "south", "3"]), _ZERO)
        simple |= _equalities(st.builds(Call, st.just("tag"), st.tuples(name), _ZERO), said)
    if textual:
        texts = st.builds(Text, st.sampled_from(["run", "stop", ""]), _ZERO)
        simple |= _equalities(st.builds(Metric, st.sampled_from(textual), _ZERO), texts)
    return st.recursive(simple, _logicals, max_leaves=6)


def _compounds(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    arguments = st.lists(inner, max_size=3).map(tuple)
    return (
        _numbers(inner)
        | _comparisons(inner)
        | _logicals(inner)
        | st.builds(Call, st.sampled_from(["avg", "foo", "x.y"]), arguments, _ZERO)
    )


def _numbers(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return (
        st.builds(Unary, st.just("-"), inner, _ZERO)
        | st.builds(Arithmetic, st.sampled_from(["+", "-", "*", "/", "%"]), inner, inner, _ZERO)
        | st.builds(Call, st.sampled_from(["abs", "round"]), st.tuples(inner), _ZERO)
    )


def _comparisons(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.builds(Comparison, st.tuples(inner, inner), st.tuples(_ORDERS), _ZERO) | st.builds(
        Comparison, st.tuples(inner, inner, inner), st.tuples(_ORDERS, _ORDERS), _ZERO
    )


def _equalities(
    metrics: st.SearchStrategy[Metric] | st.SearchStrategy[Call],
    literals: st.SearchStrategy[Text] | st.SearchStrategy[Truth],
) -> st.SearchStrategy[Expression]:
    pairs = st.tuples(metrics, literals) | st.tuples(literals, metrics)
    return st.builds(Comparison, pairs, st.tuples(_EQUALS), _ZERO)


def _logicals(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    operands = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Unary, st.just("not"), inner, _ZERO) | st.builds(
        Logical, st.sampled_from(["and", "or"]), operands, _ZERO
    )
