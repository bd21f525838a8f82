"""Load averages: what a steady rate gives, and how they follow a change."""

import pytest

from tocsin.broker.load import Load


def test_a_steady_rate_is_its_average_from_the_first_interval() -> None:
    load = Load(("messages",))
    assert set(load.feed(0.0, (1_000,)).values()) == {0.0}
    for step in range(1, 5):
        averages = load.feed(10.0 * step, (1_000 + 50 * step,))
        assert list(averages) == ["messages/1min", "messages/5min", "messages/15min"]
        assert list(averages.values()) == pytest.approx([300.0] * 3)


def test_the_longer_average_follows_later() -> None:
    load = Load(("messages",))
    load.feed(0.0, (0,))
    load.feed(10.0, (100,))
    silent = load.feed(70.0, (100,))
    one, five, fifteen = silent.values()
    assert one == pytest.approx(600 * 0.3679, rel=1e-3)
    assert one < five < fifteen < 600


def test_the_same_moment_twice_changes_nothing() -> None:
    load = Load(("messages",))
    load.feed(0.0, (0,))
    first = load.feed(10.0, (100,))
    assert load.feed(10.0, (150,)) == first
    assert load.feed(20.0, (200,))["messages/1min"] == pytest.approx(600.0)
