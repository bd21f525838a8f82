import pytest
from hypothesis import given

from tests.ingest.rules.trees import conditions
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.expression import Expression
from tocsin.ingest.rules.functions import FUNCTIONS, Function, Kind
from tocsin.ingest.rules.parser import parse
from tocsin.ingest.rules.tokens import ExpressionError

ERRORS = {
    # Functions
    "a > 1 and agv(b, '5m') > 2": "unknown function 'agv' at column 11; did you mean avg?",
    "frobnicate(a) > 1": "unknown function 'frobnicate' at column 1",
    "avg(a) > 1": "avg at column 1 has 1 argument; expected 2 (metric, window),"
    " as in avg(temp_c, '5m')",
    "age(a, b) > 1": "age at column 1 has 2 arguments; expected 1 (metric), as in age(temp_c)",
    "a > 1 and hour(2) > 1": "hour at column 11 has 1 argument; expected none, as in hour()",
    "max(a + 1, '5m') > 1": "'a + 1' is a number; max needs the name of a metric at column 5,"
    " as in max(temp_c, '5m')",
    "abs(a > 1) > 1": "'a > 1' is a condition; abs needs a number at column 5",
    # Windows
    "avg(temp_c, '5x') > 2": "window '5x' at column 13 is not a duration;"
    " expected a number and s, m, h or d, as in '5m'",
    "avg(temp_c, 300) > 2": "'300' at column 13 is not a window;"
    " expected a duration in quotes, as in avg(temp_c, '5m')",
    "avg(temp_c, '0.5s') > 2": "window '0.5s' at column 13 is out of range; expected 1s to 24h",
    "avg(temp_c, 'session 2d') > 2": (
        "window '2d' at column 13 is out of range; expected 1s to 24h"
    ),
    "avg(temp_c, 'session') > 2": (
        "window 'session' at column 13 is not a duration; expected a number and s, m, h or d,"
        " as in '5m'"
    ),
    "avg(temp_c, 'session soon') > 2": (
        "window 'soon' at column 13 is not a duration; expected a number and s, m, h or d,"
        " as in '5m'"
    ),
    "p95(temp_c, 'session 30s') > 2": (
        "p95 at column 13 cannot be of a session; expected one of avg, count, delta, duration,"
        " first, last, max, min, rate, sum, or a window as in '5m'"
    ),
    "duration(temp_c, '5m') > 2": (
        "'5m' at column 18 is no session; expected a gap that ends one, as in"
        " duration(temp_c, 'session 30s')"
    ),
    "avg(temp_c, '2d') > 2": "window '2d' at column 13 is out of range; expected 1s to 24h",
    # Kinds
    "not temp_c": "'temp_c' is a number; 'not' needs a condition at column 5,"
    " as in temp_c > 0 or temp_c == true",
    "a > 1 or 2": "'2' is a number; 'or' needs a condition at column 10",
    "a > 1 and 'x'": "'x' is text; 'and' needs a condition at column 11",
    "a > 'x'": "'x' is text; '>' needs a number at column 5 (== and != take it)",
    "(a > 1) == b": "'a > 1' is a condition; '==' needs a number at column 2",
    "a + 1 == true": "'true' is a condition; '==' compares that with a metric only at column 10",
    "'a' == 'b'": "'a' is text; '==' compares that with a metric only at column 1",
    "-(a > 1) > 2": "'a > 1' is a condition; '-' needs a number at column 3",
    "a * 'x' > 2": "'x' is text; '*' needs a number at column 5",
}


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_names_place_and_reason(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(parse(text))
    assert str(caught.value) == ERRORS[text]
    assert f"column {caught.value.column}" in ERRORS[text]


def test_a_metric_that_is_not_known_gets_a_suggestion() -> None:
    tree = parse("temp_c > 80 and avg(tmp_c, '5m') > 70")
    assert check(tree).metrics == ("temp_c", "tmp_c")
    with pytest.raises(ExpressionError) as caught:
        check(tree, known_metrics={"temp_c", "pressure"})
    assert str(caught.value) == "unknown metric 'tmp_c' at column 21; did you mean temp_c?"


def test_what_an_expression_reads_is_found() -> None:
    checked = check(
        parse("rate(b, '60s') > avg(a, '5m') and avg(b, '1m') < a and state == 'on' and age(c) > 9")
    )
    assert checked.kind is Kind.CONDITION
    assert checked.metrics == ("b", "a", "state", "c")
    assert checked.windows == {("b", 60.0), ("a", 300.0)}
    assert checked.clocked == {"c"}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_the_example_of_every_function_passes(function: Function) -> None:
    assert check(parse(function.example)).kind is function.result


@given(conditions(["a", "b"], ["state"]))
def test_a_condition_made_by_the_rules_passes(tree: Expression) -> None:
    assert check(tree).kind is Kind.CONDITION
