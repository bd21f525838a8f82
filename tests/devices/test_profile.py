import pytest

from tocsin.devices.profile import Profile, unit_of


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("temp_c", "°C"), ("boiler.temp_c", "°C"), ("vibration_mm_s", "mm/s"),
        ("ch4_pct_lel", "% LEL"),
        ("rpm", None), ("shaft_rpm", "rpm"), ("humidity_pct", "%"), ("c", None), ("mode", None),
    ],
)  # fmt: skip
def test_unit_follows_the_name(metric: str, unit: str | None):
    assert unit_of(metric) == unit


def test_profile_says_more_than_the_name():
    profile = Profile("boiler-*", units={"temp_c": "K"})
    assert profile.covers("boiler-7")
    assert not profile.covers("pump-1")
    assert (profile.unit_of("temp_c"), profile.unit_of("rpm")) == ("K", None)
