import pytest

from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError, find_errors, validate


def test_a_valid_rule_is_made_ready() -> None:
    checked = validate(
        Rule(
            name="boiler-overheat",
            devices="boiler-*",
            when="temp_c > 80 and avg(temp_c, '5m') > 70",
            clear="temp_c < 75 and fan_rpm > 100",
            on_delay="30s",
            off_delay="1.5m",
            message="{device} at {temp_c:.1f} °C, {load} %",
        )
    )
    assert (checked.on_delay_s, checked.off_delay_s) == (30.0, 90.0)
    assert checked.metrics == ("temp_c", "fan_rpm")
    assert checked.shown == ("temp_c", "fan_rpm", "load")
    assert checked.windows == {("temp_c", 300.0)}
    assert checked.devices.matches("boiler-7", {})
    assert not checked.devices.matches("pump-1", {})
    assert validate(Rule(name="a", when="age(b) > 3")).clocked == {"b"}


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("name", "", "name: '' is no name; expected 1 to 100 characters"),
        ("name", "..", "name: '..' is no name; expected 1 to 100 characters"),
        ("name", " a", "name: ' a' is no name; expected 1 to 100 characters"),
        ("name", "a/b", "name: 'a/b' has '/'; expected no '/', '+', '#' or control codes"),
        ("name", "a\x00", r"name: 'a\x00' has '\x00'; expected no '/'"),
        ("devices", "", "devices: '' is no pattern of device ids"),
        ("when", "tmp > ", "when: the expression ends at column 6; expected a metric"),
        ("when", "1 < 2", "when: '1 < 2' reads no metric, so no reading could turn it"),
        ("when", "temp_c + 1", "when: 'temp_c + 1' is a number; 'when' needs a condition"),
        ("clear", "temp_c", "clear: 'temp_c' is a number; 'clear' needs a condition at column 1"),
        ("on_delay", "30", "on_delay: '30' is not a duration; expected a number and s, m, h or d"),
        ("off_delay", "8d", "off_delay: '8d' is too long; expected 0s to 7d"),
        ("message", "{", "message: '{' at column 1 is no place for a value"),
    ],
)
def test_an_error_names_key_value_and_expectation(key: str, value: str, error: str) -> None:
    rule = Rule(**{"name": "a", "when": "b > 1", key: value})  # pyright: ignore[reportArgumentType]
    with pytest.raises(RuleError) as caught:
        validate(rule)
    assert str(caught.value).startswith(error)
    assert caught.value.field == key


def test_all_errors_are_found_together() -> None:
    errors = find_errors(Rule(name="a#", when="agv(b, '5m') > 1", on_delay="x", message="{"))
    assert [(error.field, error.column) for error in errors] == [
        ("name", None),
        ("when", 1),
        ("on_delay", None),
        ("message", 1),
    ]


def test_metrics_can_be_held_against_those_that_are_known() -> None:
    rule = Rule(name="a", when="tmp_c > 1")
    assert not find_errors(rule)
    (error,) = find_errors(rule, known_metrics=["temp_c"])
    assert error.message == "unknown metric 'tmp_c' at column 1; did you mean temp_c?"
