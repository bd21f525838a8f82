import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.rules.trees import any_trees, without_columns
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
from tocsin.ingest.rules.parser import MAX_DEPTH, MAX_NODES, parse
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.tokens import MAX_TEXT, ExpressionError

TREES: dict[str, Expression] = {
    "temp_c > 80": Comparison((Metric("temp_c", 1), Number(80, 10)), (">",), 1),
    " 10 < a.b <= .5e1 ": Comparison(
        (Number(10, 2), Metric("a.b", 7), Number(5, 14)), ("<", "<="), 2
    ),
    "avg(temp_c, '5m') > 70": Comparison(
        (Call("avg", (Metric("temp_c", 5), Text("5m", 13)), 1), Number(70, 21)), (">",), 1
    ),
    "a - b - c * -d % 2": Arithmetic(
        "-",
        Arithmetic("-", Metric("a", 1), Metric("b", 5), 1),
        Arithmetic(
            "%",
            Arithmetic("*", Metric("c", 9), Unary("-", Metric("d", 14), 13), 9),
            Number(2, 18),
            9,
        ),
        1,
    ),
    "not a == true and b or c or d": Logical(
        "or",
        (
            Logical(
                "and",
                (
                    Unary("not", Comparison((Metric("a", 5), Truth(True, 10)), ("==",), 5), 1),
                    Metric("b", 19),
                ),
                1,
            ),
            Metric("c", 24),
            Metric("d", 29),
        ),
        1,
    ),
    "a and (b and c)": Logical(
        "and", (Metric("a", 1), Logical("and", (Metric("b", 8), Metric("c", 14)), 8)), 1
    ),
    "`m³/h``x` != 'it''s'": Comparison((Metric("m³/h`x", 1), Text("it's", 14)), ("!=",), 1),
    'avg == "say ""x"""': Comparison((Metric("avg", 1), Text('say "x"', 8)), ("==",), 1),
    "a >\n 1": Comparison((Metric("a", 1), Number(1, 6)), (">",), 1),
}

ERRORS = {
    "": (1, "the expression is empty; expected a condition, as in temp_c > 80"),
    "  \n ": (1, "the expression is empty; expected a condition, as in temp_c > 80"),
    "temp_c >": (
        9,
        "the expression ends at column 9;"
        " expected a metric, a number, text in quotes, a function or '('",
    ),
    "temp_c > 80 90": (
        13,
        "unexpected '90' at column 13; expected an operator such as and, or, >, +",
    ),
    "(a > 1 and b > 2": (1, "'(' at column 1 is not closed; expected ')' at column 17"),
    "avg(a '5m') > 1": (7, "unexpected '5m' at column 7; expected ')' or an operator"),
    "avg(a, ) > 1": (8, "unexpected ')' at column 8; expected another argument"),
    "a > 1)": (6, "unexpected ')' at column 6; expected an operator such as and, or, >, +"),
    "a > 1 AND b > 2": (7, "unexpected 'AND' at column 7; expected and"),
    "a > 1 && b > 2": (7, "'&&' at column 7 is not an operator; did you mean and?"),
    "a = 1": (3, "'=' at column 3 is not an operator; did you mean ==?"),
    "a ** 2 > 1": (3, "'**' at column 3 is not an operator"),
    "a > 5m": (
        5,
        "'5m' at column 5 is not a number; durations go in quotes, as in '5m',"
        " and names that start with a digit in backticks",
    ),
    "a > 1e999": (5, "number 1e999 at column 5 is too large; expected less than 1.8e308"),
    "a == 'on": (6, "the text that starts at column 6 is not closed; expected another '"),
    "`a > 1": (1, "the name that starts at column 1 is not closed; expected another `"),
    "`` > 1": (1, "the name in backticks at column 1 is empty"),
    "a > $b": (
        5,
        "'$' at column 5 is no part of an expression;"
        " expected metrics, numbers, text in quotes and operators",
    ),
    "a + not b": (5, "'not' at column 5 needs brackets here, as in (not …)"),
}


@pytest.mark.parametrize("text", TREES)
def test_text_becomes_the_tree(text: str) -> None:
    assert parse(text) == TREES[text]


@pytest.mark.parametrize("text", ERRORS)
def test_an_error_names_place_and_reason(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert (caught.value.column, str(caught.value)) == ERRORS[text]


@given(any_trees())
def test_a_printed_tree_reads_as_itself(tree: Expression) -> None:
    assert without_columns(parse(print_expression(tree))) == tree


@given(st.text(max_size=40) | st.text("ab1.'\"`()<>=! +-*/%,andortue", max_size=40))
def test_any_text_gives_a_tree_or_an_error_with_a_place_in_it(text: str) -> None:
    error = refusal(text)
    if error is not None and text.strip():
        assert 1 <= error.column <= len(text) + 1
        assert f"column {error.column}" in error.message


def refusal(text: str) -> ExpressionError | None:
    try:
        parse(text)
    except ExpressionError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("fits", "too_much", "reason"),
    [
        ("(" * 63 + "a" + ")" * 63, "(" * 64 + "a" + ")" * 64, "nested too deep at column 65"),
        ("-" * 63 + "a", "-" * 64 + "a", "nested too deep at column 65"),
        ("a" + "+a" * 63, "a" + "+a" * 64, "nested too deep at column 1"),
        (
            " or ".join(["a"] * (MAX_NODES - 1)),
            " or ".join(["a"] * MAX_NODES),
            f"more than {MAX_NODES} parts",
        ),
        ("a" * MAX_TEXT, "a" * (MAX_TEXT + 1), "has 4097 characters; expected at most 4096"),
        ("a", "f(" * 2000 + "a", f"expected at most {MAX_DEPTH} levels"),
    ],
    ids=["brackets", "signs", "sums", "parts", "characters", "calls"],
)
def test_size_is_bounded(fits: str, too_much: str, reason: str) -> None:
    parse(fits)
    with pytest.raises(ExpressionError, match=reason):
        parse(too_much)
