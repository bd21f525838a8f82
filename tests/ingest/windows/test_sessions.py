"""Closed sessions and their revisions, against a plain fold that cuts anew at every instant."""

from collections import defaultdict
from math import inf
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.windows.results import Arrived, Progress
from tocsin.ingest.windows.sessions import Session

GAP, LATENESS = 6, 15
Row = tuple[int, int, int, bool, int, float]  # device, event time, arrival, own, place, value
Result = tuple[int, int, int, int, float, float, float, float, int]
Sent = tuple[int, int, int, bool, float]  # device, so long after the one before, event time, own


def rows_of(sent: list[Sent]) -> list[Row]:
    """What was not too late."""
    now = 0
    watermark: dict[int, float] = defaultdict(lambda: -inf)
    rows: list[Row] = []
    for place, (device, gap, time, own, value) in enumerate(sent):
        now += gap
        if time >= watermark[device] - LATENESS:
            watermark[device] = max(watermark[device], time)
            rows.append((device, time, now, own, place, value))
    return rows


def cut(rows: list[Row]) -> list[list[Row]]:
    """Sessions of rows in any order, oldest first."""
    sessions: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (row[1], row[2], row[4])):
        if sessions and row[1] - sessions[-1][-1][1] < GAP:
            sessions[-1].append(row)
        else:
            sessions.append([row])
    return sessions


def is_closed(session: list[Row], rows: list[Row]) -> bool:
    """Whether each device that is in it has reached the end of what it has in it."""
    return all(
        any(
            row[0] == device
            and row[1] >= max(mine[1] for mine in session if mine[0] == device) + GAP
            for row in rows
        )
        for device in {row[0] for row in session}
    )


def by_hand(rows: list[Row]) -> list[Result]:
    found: list[Result] = []
    instants = sorted({row[2] for row in rows})
    for session in cut([row for row in rows if row[3]]):
        if not is_closed(session, rows):
            continue
        closed = min(
            now
            for now in instants
            for device in {row[0] for row in session}
            for part in cut([row for row in rows if row[3] and row[2] <= now and row[0] == device])
            if {row[4] for row in part} <= {row[4] for row in session}
            and is_closed(part, [row for row in rows if row[2] <= now])
        )
        values = [row[5] for row in session]
        found.append(
            (
                session[0][1], session[-1][1] + GAP, len({row[0] for row in session}),
                len(values), min(values), max(values), values[0], values[-1],
                len({row[2] for row in session if row[2] > closed}),
            )
        )  # fmt: skip
    return found


def fold(rows: list[Row], since: int = 0, until: int = 1000) -> list[Result]:
    device, time, arrival, own, place = (
        np.array([row[column] for row in rows], np.int64) for column in range(5)
    )
    value = np.array([row[5] for row in rows])
    mine = own.astype(np.bool_) & (time >= since - GAP)
    arrived = Arrived(device, time, value, arrival, place).at(mine)
    of = Session(GAP, since, until).closed(arrived, Progress(device, time, arrival))
    columns = (of.start, of.end, of.devices, of.count, of.min, of.max, of.first, of.last)
    return list(zip(*(each.tolist() for each in (*columns, of.revision)), strict=True))


#   arrives     1    2         3           4           5
#   event time  2    8 (=2+6)  14          5 (late)    11
#   session     [2,8)          [8,14)      [2,14)      [2,17): open again, 14 is in it now
def test_a_late_reading_joins_two_sessions_and_may_open_what_was_closed() -> None:
    sent: list[Sent] = [
        (0, 1, 2, True, 1.0), (0, 1, 8, True, 2.0), (0, 1, 14, True, 3.0),
        (0, 1, 5, True, 9.0), (0, 1, 11, True, 4.0), (0, 1, 20, False, 0.0),
    ]  # fmt: skip
    rows = rows_of(sent)
    assert [each[:2] + each[-1:] for each in fold(rows[:2])] == [(2, 8, 0)]
    assert [each[:2] + each[-1:] for each in fold(rows[:3])] == [(2, 8, 0), (8, 14, 0)]
    assert [each[:2] + each[-1:] for each in fold(rows[:4])] == [(2, 14, 1)]
    assert fold(rows[:5]) == []
    assert fold(rows) == [(2, 20, 1, 5, 1.0, 9.0, 1.0, 3.0, 3)]


def test_what_arrives_at_the_instant_of_closing_is_in_it() -> None:
    sent: list[Sent] = [
        (0, 1, 2, True, 1.0), (0, 1, 8, False, 0.0), (0, 0, 5, True, 2.0),  # up to 11, not to 8
        (0, 1, 3, True, 3.0), (0, 1, 20, False, 0.0),
    ]  # fmt: skip
    assert fold(rows_of(sent)) == [(2, 11, 1, 3, 1.0, 3.0, 1.0, 2.0, 0)]


@pytest.mark.parametrize(
    ("since", "until", "starts"),
    [(0, 30, [2, 20]), (2, 20, [2]), (3, 30, [20]), (7, 30, [20]), (13, 20, [])],
)
def test_sessions_that_begin_in_the_range_are_whole(
    since: int, until: int, starts: list[int]
) -> None:
    rows = rows_of([(0, 1, time, True, 1.0) for time in (2, 7, 12, 20, 25, 40)])
    assert [each[0] for each in fold(rows, since, until)] == starts


def sent(devices: int) -> st.SearchStrategy[list[Sent]]:
    return st.lists(
        st.tuples(
            st.integers(0, devices - 1),
            st.integers(0, 3),
            st.integers(0, 60),
            st.sampled_from((True, True, False)),
            st.integers(-9, 9).map(float),
        ),
        min_size=1,
        max_size=40,
    )


@given(sent(1), st.booleans())
def test_it_is_what_cutting_anew_at_every_instant_gives(drawn: list[Sent], steady: bool) -> None:
    rows = rows_of(forward(drawn) if steady else drawn)
    assert fold(rows) == by_hand(rows)


@given(sent(3), st.randoms(use_true_random=False))
def test_sessions_of_devices_together(drawn: list[Sent], random: Random) -> None:
    rows = rows_of(forward(drawn))
    expected = by_hand(rows)
    random.shuffle(rows)
    assert fold(rows) == expected


def forward(drawn: list[Sent]) -> list[Sent]:
    """Mostly so, so that not everything is too late."""
    return [
        (device, gap, min(time, 5 + 2 * place), own, value)
        for place, (device, gap, time, own, value) in enumerate(drawn)
    ]
