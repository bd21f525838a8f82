"""How far the clocks of devices are off, against an oracle of plain lists; drawn minutes."""

from collections import defaultdict
from math import isnan
from statistics import median_high, median_low

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.ingest.facts import Derived, DerivedRow
from tocsin.ingest.skew import ClockSkew

DEVICES = 4
Said = tuple[int, float, float | None]  # device, arrival, how far ahead


def by_hand(said: list[Said], device: int) -> float | None:
    greatest: dict[float, float] = defaultdict(lambda: -1e18)
    for who, arrival, ahead in said:
        if who == device and ahead is not None:
            minute = arrival // 60
            greatest[minute] = max(greatest[minute], (arrival + ahead) - arrival)
    last = [greatest[minute] for minute in sorted(greatest)[-5:]]
    return min((median_low(last), median_high(last)), key=abs) if last else None


@given(
    st.lists(
        st.tuples(
            st.integers(0, DEVICES - 1),
            st.sampled_from((0.0, 1.0, 20.0, 61.0, 400.0)),
            st.sampled_from((None, -3600.0, -2.0, -0.5, 0.0, 0.25, 90.0, 1e9, -1.7e9)),
        ),
        max_size=60,
    ),
    st.lists(st.sampled_from((1, 5, 25)), min_size=60, max_size=60),
    st.booleans(),
)
def test_it_is_what_lists_say(drawn: list[Said], sizes: list[int], snapshots: bool) -> None:
    said, now = list[Said](), START
    for device, gap_s, ahead in drawn:
        now += gap_s
        said.append((device, now, ahead))
    skew = ClockSkew()
    rest = said
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        skew.reach(DEVICES)
        arrival = np.array([each[1] for each in part])
        stated = [np.nan if each[2] is None else each[1] + each[2] for each in part]
        skew.note(np.array([each[0] for each in part], np.int32), np.array(stated), arrival)
        if snapshots:
            state = [np.array(each) for each in skew.state(DEVICES)]
            skew = ClockSkew()
            skew.load(state)
    found = skew.of(np.arange(DEVICES)).tolist()
    for tolerance_s in (0.0, 1.0, 30.0):
        beyond = sum(abs(each) > tolerance_s for each in found)
        assert skew.wrong(DEVICES, tolerance_s) == beyond
    for device, each in enumerate(found):
        wanted = by_hand(said, device)
        assert isnan(each) if wanted is None else each == wanted


#           minute   |   0    |    1     |    2     |    3     |    4     |   5   |
@pytest.mark.parametrize(
    ("ahead", "skew_s"),
    [
        ("a backlog    -0.2 | -90 -0.2 | -95 -91  | -0.5 -0.2|-0.2      ", -0.2),
        ("an hour off -3600 | -3600.5  | -3601    | -3600    |-3602     ", -3600.5),
        ("one wrong    -0.2 | 250 -0.2 | -0.2     | -0.2     |-0.2      ", -0.2),
        ("set right   -3600 | -3600    | -3600 0  | -0.2     |-0.1      ", -0.2),
        ("two minutes  -0.2 | -9                                        ", -0.2),
    ],
)
def test_it_takes_no_way_for_a_clock(ahead: str, skew_s: float) -> None:
    pipeline = new_pipeline()
    first = START - START % 60
    for minute, words in enumerate(ahead[11:].split("|")):
        now = first + minute * 60
        for off in map(float, words.split()):
            sent = [message("a", {"ts": now + off, "t": 1.0}), message("b", {"t": 1.0})]
            pipeline.feed(sent, now)
    a, b = pipeline.devices()
    assert a.clock.ahead_s == pytest.approx(skew_s, abs=1e-6)
    assert a.clock.wrong == (skew_s < -30)
    assert (b.clock.ahead_s, b.clock.wrong) == (None, False)
    assert pipeline.stats().clocks_wrong == a.clock.wrong


@pytest.mark.parametrize("ahead_s", [-1.7e9, -3600.0, 3600.0, 2.5e9])
def test_a_time_that_is_not_believed_says_all_the_more_of_the_clock(ahead_s: float) -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("a", {"ts": START + ahead_s, "t": 1.0})], START)
    assert pipeline.devices()[0].clock.ahead_s == pytest.approx(ahead_s)


def test_what_a_function_made_says_nothing_of_a_clock() -> None:
    pipeline = new_pipeline()
    pipeline.feed([message("a", {"t": 1.0})], START)
    pipeline.feed([Derived("f", [DerivedRow("a", START - 50, {"x": 1.0})])], START + 1)
    assert pipeline.devices()[0].metrics["x"].value == 1.0
    assert pipeline.devices()[0].clock.ahead_s is None
