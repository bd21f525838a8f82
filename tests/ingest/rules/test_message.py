import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.rules.message import (
    MAX_MESSAGE,
    MAX_TEMPLATE,
    MAX_VALUE,
    TemplateError,
    Value,
    format_message,
    parse_template,
)

VALUES: dict[str, Value] = {
    "temp_c": 95.25,
    "motor.rpm": 1480.0,
    "big": 123456789.0,
    "tiny": 0.00012345,
    "huge": 1e300,
    "door": True,
    "state": "running",
    "device": 7.0,
    "a:b": -0.5,
    "long": "x" * 100,
}

MESSAGES = {
    "{device} at {temp_c:.1f} °C": "boiler-1 at 95.2 °C",
    "{rule} ({severity}) on {subject}": "hot (critical) on boiler-1",
    "{temp_c} {motor.rpm} {big}": "95.25 1480 123456789",
    "{tiny} {tiny:.2f} {huge} {huge:.9f}": "0.00012345 0.00 1e+300 1e+300",
    "{door} {door:.1f} {state} {state:.1f}": "true true running running",
    "{missing} {missing:.1f}": "? ?",
    "{`device`} {`a:b`}": "7 -0.5",
    "{{{temp_c:.0f}}} }}{{": "{95} }{",
    "{temp_c.__class__} { temp_c }": "? 95.25",
    "{long}": "x" * (MAX_VALUE - 1) + "…",
    "{long}" * 83: ("x" * (MAX_VALUE - 1) + "…") * 15 + "x" * 39 + "…",
    "plain": "plain",
}

ERRORS = {
    "{device": (1, "'{device' at column 1 is no place for a value"),
    "at {}": (4, "'{}' at column 4 is no place for a value"),
    "{ }": (1, "'{ }' at column 1 has no name; expected one, as in {temp_c}"),
    "a } b": (3, "'} b' at column 3 is no place for a value"),
    "{temp_c:>99999999}": (
        1,
        "format '>99999999' of '{temp_c:>99999999}' at column 1 is not known",
    ),
    "{temp_c:}": (1, "format '' of '{temp_c:}' at column 1 is not known"),
    "{temp_c!r}{": (11, "'{' at column 11 is no place for a value"),
    "x" * (MAX_TEMPLATE + 1): (
        MAX_TEMPLATE + 1,
        "the message has 501 characters; expected at most 500",
    ),
}


@pytest.mark.parametrize("template", MESSAGES)
def test_a_template_is_filled(template: str) -> None:
    message = format_message(
        template, VALUES, device="boiler-1", rule="hot", subject="boiler-1", severity="critical"
    )
    assert message == MESSAGES[template]
    assert len(message) <= MAX_MESSAGE


@pytest.mark.parametrize("template", ERRORS)
def test_a_malformed_template_names_the_place(template: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(template)
    column, start = ERRORS[template]
    assert (caught.value.column, caught.value.message[: len(start)]) == (column, start)


def test_without_a_template_the_values_are_listed() -> None:
    values: dict[str, Value] = {"temp_c": 95.0, "state": "on"}
    assert format_message("", values, device="d", rule="hot") == "hot: temp_c 95, state on"
    assert format_message("", {}, device="d", rule="hot") == "hot"
    assert format_message("{device}", {}, device=None, rule="hot") == "?"


def test_the_metrics_of_a_template_are_known() -> None:
    assert parse_template("{b} {device} {a:.1f} {`rule`} {b}").metrics == ("b", "a", "rule")


@given(
    st.text("{}:.0123f`ab", max_size=40),
    st.dictionaries(st.sampled_from(["a", "b"]), st.floats() | st.text(max_size=80)),
)
def test_a_template_that_parses_can_be_filled_with_anything(
    template: str, values: dict[str, Value]
) -> None:
    try:
        parsed = parse_template(template)
    except TemplateError:
        return
    assert len(parsed.fill({"device": "d"}, values)) <= MAX_MESSAGE
