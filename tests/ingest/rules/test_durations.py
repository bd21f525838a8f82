import pytest

from tocsin.ingest.rules.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("30s", 30), ("0.5s", 0.5), ("5m", 300), ("1.5h", 5400), ("7d", 604800)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5x", "5 m", "-5m", "5M", "1h30m", "1e3s", "5ms", "٥m", "5m\n", "9" * 40 + "s"],
)
def test_anything_else_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; expected a number and s, m, h or d"):
        parse_duration(text)
