"""Units that meet in an expression."""

import pytest

from tocsin.devices.profile import unit_of
from tocsin.ingest.rules.parser import parse
from tocsin.ingest.rules.units import unit_doubts


@pytest.mark.parametrize(
    ("when", "column", "said"),
    [
        ("temp_c > pressure_bar", 10, "'pressure_bar' at column 10 is in bar, and 'temp_c' in °C"),
        ("avg(temp_c, '5m') > limit('max_bar')", 21, "is in bar, and 'avg(temp_c, '5m')' in °C"),
        ("in_c - out_f > 5", 8, "'out_f' at column 8 is in °F"),
        ("t > 1 and abs(in_c - out_c) > age(t)", 31, "'age(t)' at column 31 is in s"),
        ("speed_kmh() > wind_mps", 15, "'wind_mps' at column 15 is in m/s"),
        ("count_devices(temp_c > flow_lpm) >= 3", 24, "is in L/min"),
        ("1 < temp_c < p99(v_mv, '1m')", 14, "is in mV"),
        ("-temp_c < -(flow_lpm + 3)", 11, "is in L/min, and '-temp_c' in °C"),
    ],
)
def test_two_units_that_meet_are_doubted_at_the_column_of_the_second(
    when: str, column: int, said: str
) -> None:
    (found,) = unit_doubts(parse(when), unit_of)
    assert found.column == column
    assert said in found.message
    assert "expected one unit" in found.message


@pytest.mark.parametrize(
    "when",
    [
        "temp_c > 80",
        "temp_c > other_c",
        "temp_c > limit('temp_max_c') + 5",
        "temp_c * 1.8 + 32 > temp_f",
        "rate(energy_kwh, '5m') * 3600 > power_kw",
        "age(temp_c) / 60 > limit('quiet_ms')",
        "count(temp_c, '5m') < 10",
        "state == 'running' and temp_c > unnamed",
        "zscore(temp_c, '1h') > age(temp_c) / 2",
    ],
)
def test_what_may_be_right_is_left_alone(when: str) -> None:
    assert list(unit_doubts(parse(when), unit_of)) == []
