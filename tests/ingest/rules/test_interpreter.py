"""The oracle itself, against values worked out by hand."""

import math

import pytest

from tests.ingest.rules.interpreter import History, Value, evaluate
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.parser import parse

# Panes of '10s' are 0.1 s wide; the window at 20.0 covers [10.1, 20.1).
HISTORY: History = {
    "t": [(10.05, 100.0), (10.15, 2.0), (15.0, 4.0), (12.0, 3.0), (20.0, 9.0)],
    "one": [(20.0, 5.0)],
    "corrected": [(20.0, 5.0), (20.0, 7.0)],
    "door": [(19.0, True)],
    "state": [(1.0, "run")],
    "steps": [(1.0, "run"), (13.0, "stop"), (16.0, "run"), (20.0, "stop")],
}
NOW = 21.5

VALUES: dict[str, Value | None] = {
    "count(t, '10s')": 4.0,
    "sum(t, '10s')": 18.0,
    "avg(t, '10s')": 4.5,
    "min(t, '10s')": 2.0,
    "max(t, '10s')": 9.0,
    "max(t, '11s')": 100.0,
    "last(t, '10s')": 9.0,
    "first(t, '10s')": 2.0,
    "stddev(t, '10s')": math.sqrt(29 / 3),
    "stddev(one, '10s')": None,
    "p50(t, '10s')": 3.0,
    "p90(t, '10s')": 9.0,
    "p50(one, '10s')": 5.0,
    "delta(t, '10s')": 7.0,
    "rate(t, '10s')": 7.0 / 9.85,
    "delta(one, '10s')": None,
    "rate(corrected, '10s')": None,
    "corrected": 7.0,
    "twa(t, '10s')": (10.0 + 1.85 * 2.0 + 3.0 * 3.0 + 5.0 * 4.0) / 9.95,
    "twa(one, '10s')": 5.0,
    "twa(state, '10s')": None,
    "time_in(t, 100, '10s')": 0.1,
    "time_in(t, 3, '10s')": 3.0,
    "time_in(t, 9, '10s')": 0.0,
    "time_in(steps, 'run', '10s')": 7.0,
    "time_in(steps, 'stop', '10s')": 3.0,
    "time_in(steps, 1, '10s')": None,
    "time_in(door, true, '10s')": 0.0,
    "age(t)": 1.5,
    "flatline(t, '10s')": False,
    "flatline(one, '10s')": None,
    "count(state, '1s')": 1.0,
    "last(state, '1s')": None,
    "state == 'run'": True,
    "state != 'run'": False,
    "state > 1": None,
    "t == 'run'": None,
    "door == true": True,
    "door + 1": 2.0,
    "abs(-t)": 9.0,
    "round(2.5) + round(3.5)": 6.0,
    "-7 % 3": 2.0,
    "t / 0": None,
    "t % 0": None,
    "never": None,
    "age(never)": None,
    "count(never, '5m')": None,
    "never > 1": None,
    "not never > 1": None,
    "never > 1 or t > 1": True,
    "never > 1 or t < 1": None,
    "never > 1 and t < 1": False,
    "never > 1 and t > 1": None,
    "1 < t <= 9": True,
    "9 < t < never": False,
    "1 < t < never": None,
}


@pytest.mark.parametrize("text", VALUES)
def test_an_expression_has_its_value(text: str) -> None:
    tree = parse(text)
    check(tree)
    value, expected = evaluate(tree, HISTORY, NOW), VALUES[text]
    assert (value is None) == (expected is None)
    assert value == (pytest.approx(expected) if isinstance(expected, float) else expected)
