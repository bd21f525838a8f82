import pytest

from tocsin.devices.timestamps import parse_timestamp, rfc3339


def test_text_and_back():
    assert rfc3339(1700000000.25) == "2023-11-14T22:13:20.250Z"
    assert parse_timestamp("2023-11-14T22:13:20.250Z") == 1700000000.25


@pytest.mark.parametrize("ts", [0, 1.5, 4_291_747_200, 99_999_999_999])
def test_seconds_from_1970_past_2106(ts: float):
    assert parse_timestamp(ts) == ts


@pytest.mark.parametrize(
    "ts",
    [
        1700000000.25,
        1700000000250,
        1700000000250000,
        "2023-11-14T22:13:20.250Z",
        "2023-11-14T22:13:20.250",
        "2023-11-15T03:58:20.250+05:45",
    ],
)
def test_seconds_milliseconds_microseconds_and_text_are_one_time(ts: float | str):
    assert parse_timestamp(ts) == 1700000000.25


def test_the_hour_that_summer_time_repeats_is_two():
    first, again = "2023-10-29T02:30:00+02:00", "2023-10-29T02:30:00+01:00"
    assert parse_timestamp(again) - parse_timestamp(first) == 3600


@pytest.mark.parametrize("ts", [float("nan"), float("inf"), -1, 1e18, True, "yesterday", ""])
def test_refused(ts: float | str):
    with pytest.raises(ValueError, match="is not a time; expected seconds, ms or ISO 8601"):
        parse_timestamp(ts)
