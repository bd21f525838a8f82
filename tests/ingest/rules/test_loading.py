from pathlib import Path

import pytest

from tocsin.ingest.rules.loading import (
    RuleFileError,
    load_rules,
    read_rules,
    rule_from_table,
)
from tocsin.ingest.rules.rule import Rule, Severity

GOOD = """
[[rule]]
name     = "boiler-overheat"
devices  = "boiler-*"
when     = "temp_c > 80 and avg(temp_c, '5m') > 70"
clear    = "temp_c < 75"
on_delay = "30s"
severity = "critical"
message  = "{device} at {temp_c:.1f} °C"

[[rule]]
name = "leak"
when = "leak == true"
enabled = false
"""

ERRORS = {
    "[[rule]]\nname = 'a'\nwhen = \"agv(t, '5m') > 3\"": [
        "r.toml: rule 1 'a': when: unknown function 'agv' at column 1; did you mean avg?"
    ],
    "[[rule]]\nname = 'a'\nwhne = 't > 3'\n[[rule]]\nname = 'b'\nwhen = 't > 3'\non_delay = 30": [
        "r.toml: rule 1 'a': whne: unknown key; expected one of name, when, devices, tags,"
        " group_by, clear, on_delay, off_delay, latch, re_alarm, inhibited_by, actions, severity,"
        " message, enabled; did you mean when?",
        "r.toml: rule 1 'a': when: is missing; expected text, as in 'temp_c > 80'",
        "r.toml: rule 2 'b': on_delay: 30 is not text, as in '30s'",
    ],
    "[[rule]]\nwhen = 't > 3'": [
        "r.toml: rule 1: name: is missing; expected text, as in 'boiler-overheat'"
    ],
    "[[rule]]\nname = 'a'\nwhen = 't > 3'\n"
    "severity = 'crit'\nenabled = 'yes'\nmessage = 2000-01-01": [
        "r.toml: rule 1 'a': severity: \"crit\" is not info, warning, major or critical",
        "r.toml: rule 1 'a': enabled: \"yes\" is not true or false",
        "r.toml: rule 1 'a': message: date is not text, as in '{device} at {temp_c:.1f} °C'",
    ],
    "[[rule]]\nname = 'a'\nwhen = 't > 3'\n[[rule]]\nname = 'a'\nwhen = 't > 4'": [
        "r.toml: rule 2 'a': name: is taken by rule 1; expected another name"
    ],
    "[rule]\nname = 'a'": ["r.toml: [rule] is one table; expected [[rule]]"],
    "rule = [1]\n[rules]": [
        "r.toml: unknown key 'rules'; expected [[rule]] tables only",
        "r.toml: rule 1 is 1; expected a [[rule]] table",
    ],
    "[[rule]\nname = 'a'": [
        "r.toml: is not TOML: Expected ']]' at the end of an array declaration"
        " (at line 1, column 7)"
    ],
}


def test_the_rules_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD)
    first, second = load_rules(path)
    assert first == Rule(
        name="boiler-overheat",
        devices="boiler-*",
        when="temp_c > 80 and avg(temp_c, '5m') > 70",
        clear="temp_c < 75",
        on_delay="30s",
        severity=Severity.CRITICAL,
        message="{device} at {temp_c:.1f} °C",
    )
    assert second == Rule(name="leak", when="leak == true", enabled=False)


@pytest.mark.parametrize("text", ERRORS)
def test_every_problem_of_a_file_is_named(text: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        read_rules(text.encode(), "r.toml")
    assert caught.value.problems == ERRORS[text]


@pytest.mark.parametrize("content", [b"\xff", b"a = " + b"[" * 100_000])
def test_a_file_that_is_no_toml_is_refused(content: bytes) -> None:
    with pytest.raises(RuleFileError, match=r"r\.toml: is not TOML: "):
        read_rules(content, "r.toml")


def test_an_empty_file_has_no_rules() -> None:
    assert read_rules(b"# none yet\n", "r.toml") == []


def test_null_is_no_clear_condition() -> None:
    rule, errors = rule_from_table({"name": "a", "when": "t > 1", "clear": None})
    assert rule == Rule(name="a", when="t > 1")
    assert errors == []
