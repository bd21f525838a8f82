"""Closed windows and their revisions, against a plain fold over arrivals."""

from collections import defaultdict
from math import ceil, inf, nan
from statistics import stdev

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.ingest.windows.results import Arrived, Hopping, Progress

SIZE, LATENESS, WINDOWS = 10, 15, 6
Result = tuple[int, float, float, float, float, int, int]
Sent = tuple[int, int, bool, float]  # arrives so long after the one before, event time, own, value


def by_hand(sent: list[Sent], hop: int = SIZE) -> dict[int, Result]:
    """By closed window, each `hop` after the one before: count, min, max, first, last, revision,
    when it changed.
    """
    watermark, now = -inf, 0
    inside: dict[int, list[tuple[int, int, int, float]]] = defaultdict(list)
    revised: dict[int, set[int]] = defaultdict(set)
    closed: dict[int, int] = {}
    for place, (gap, time, own, value) in enumerate(sent):
        now += gap
        if time >= watermark - LATENESS:
            watermark = max(watermark, time)
            for window in range(WINDOWS):
                if watermark >= window * hop + SIZE:
                    closed.setdefault(window, now)
                if own and window * hop <= time < window * hop + SIZE:
                    inside[window].append((time, now, place, value))
                    if now > closed.get(window, now):
                        revised[window].add(now)
    found: dict[int, Result] = {}
    for window, at in closed.items():
        if rows := sorted(inside[window]):
            values = [row[-1] for row in rows]
            revision, changed = len(revised[window]), max(revised[window], default=at)
            ends = values[0], values[-1]
            found[window] = (len(rows), min(values), max(values), *ends, revision, changed)
    return found


def fold(sent: list[Sent], hop: int = SIZE) -> dict[int, Result]:
    watermark, now = -inf, 0
    rows: list[tuple[int, float, int, int, bool]] = []
    for place, (gap, time, own, value) in enumerate(sent):
        now += gap
        if time >= watermark - LATENESS:
            watermark = max(watermark, time)
            rows.append((time, value, now, place, own))
    time, value, arrival, row, own = (np.array(each) for each in zip(*rows, strict=True))
    one = np.zeros(len(time), np.int64)
    mine = own.astype(np.bool_)
    arrived = Arrived(one, time, value, arrival, row).at(mine)
    # As coarse as history gives it.
    progress = Progress(one, time // hop * hop, arrival)
    of = Hopping(0, hop, SIZE // hop, WINDOWS).closed(arrived, progress)
    columns = (of.count, of.min, of.max, of.first, of.last, of.revision, of.changed)
    rows_found = zip(*(each.tolist() for each in columns), strict=True)
    for start, window_end, *found in zip(*(each.tolist() for each in of.columns()), strict=True):
        inside = sorted(v for t, v, *_, o in rows if o and start <= t < window_end)
        ranks = [inside[ceil(len(inside) * percent / 100) - 1] for percent in (50, 90, 95, 99)]
        assert window_end == start + SIZE
        assert found[0] == 1
        assert found[4] == pytest.approx(sum(inside))
        spread = stdev(inside) if len(inside) > 1 else nan
        assert found[5] == pytest.approx(spread, nan_ok=True)
        assert found[6:10] == ranks
    return dict(zip((of.start // hop).tolist(), rows_found, strict=True))


#   arrives     1    2    3          9    9          20
#   event time  2    12   5 (late)   31   7 (too)    1
#   window      0    1    0          3    –          –
def test_a_late_reading_revises_its_window_and_one_that_is_too_late_does_not() -> None:
    sent: list[Sent] = [
        (1, 2, True, 1.0), (1, 12, True, 2.0), (1, 5, True, 9.0), (6, 31, False, 0.0),
        (0, 7, True, 50.0), (11, 1, True, 70.0),
    ]  # fmt: skip
    assert fold(sent) == {0: (2, 1.0, 9.0, 1.0, 9.0, 1, 3), 1: (1, 2.0, 2.0, 2.0, 2.0, 0, 9)}


one = st.tuples(
    st.integers(0, 3),
    st.integers(0, WINDOWS * SIZE + 9),
    st.sampled_from((True, True, False)),
    st.integers(-9, 9).map(float),
)
sent = st.lists(one, min_size=1, max_size=40)


@given(sent, st.booleans(), st.sampled_from((SIZE, SIZE // 2, SIZE // 5)))
def test_it_is_what_a_fold_over_arrivals_gives(drawn: list[Sent], shuffled: bool, hop: int) -> None:
    steady: list[Sent] = []
    for place, (gap, time, own, value) in enumerate(drawn):
        # Mostly forward, so that not everything is too late.
        steady.append((gap, min(time, 5 + 2 * place) if shuffled else time, own, value))
    assert fold(steady, hop) == by_hand(steady, hop)


together = st.lists(st.tuples(st.integers(0, 2), one), max_size=40)


LAGS = [  # the second device begins after the first has closed the window, and closes it after that
    (0, (0, 2, True, 1.0)), (0, (0, 3, True, 2.0)), (0, (0, 4, True, 3.0)),
    (0, (0, 11, False, 0.0)), (1, (0, 5, True, 9.0)), (1, (0, 12, False, 0.0)),
]  # fmt: skip


@given(together)
@example(LAGS)
def test_windows_of_devices_together(drawn: list[tuple[int, Sent]]) -> None:
    """At every instant: the pooled readings of what all have closed; what changes is a revision."""
    now = 0
    watermark: dict[int, float] = defaultdict(lambda: -inf)
    rows: list[tuple[int, int, float, int, int, bool]] = []
    seen: dict[int, dict[int, tuple[int, list[float]]]] = defaultdict(dict)
    for place, (device, (gap, time, own, value)) in enumerate(drawn):
        now += gap + 1
        forward = min(time, 5 + 2 * place)
        if forward < watermark[device] - LATENESS:
            continue
        watermark[device] = max(watermark[device], forward)
        rows.append((device, forward, value, now, place, own))
        columns = [np.array(each) for each in zip(*rows, strict=True)]
        arrived = Arrived(*columns[:5]).at(columns[5])
        progress = Progress(columns[0], columns[1], columns[3])
        of = Hopping(0, SIZE, 1, WINDOWS).closed(arrived, progress)
        expected: dict[int, tuple[int, list[float]]] = {}
        for window in range(WINDOWS):
            inside = [row for row in rows if row[5] and row[1] // SIZE == window]
            members = {row[0] for row in inside}
            if members and all(watermark[each] >= (window + 1) * SIZE for each in members):
                expected[window] = len(members), sorted(row[2] for row in inside)
        assert (of.start // SIZE).tolist() == list(expected)
        assert of.devices.tolist() == [members for members, _ in expected.values()]
        assert of.count.tolist() == [len(values) for _, values in expected.values()]
        assert of.sum.tolist() == pytest.approx([sum(values) for _, values in expected.values()])
        for window, revision in zip(expected, of.revision.tolist(), strict=True):
            assert max(seen[window], default=0) <= revision
            assert seen[window].setdefault(revision, expected[window]) == expected[window]
