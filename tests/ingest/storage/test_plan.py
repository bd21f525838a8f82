"""What history does next, and that it comes to an end, loses nothing, and stays in its bounds."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.storage.history.index import File, Index, Level, Stored
from tocsin.ingest.storage.history.plan import (
    DAY_S,
    HOUR_S,
    Expire,
    HistorySettings,
    Merge,
    Roll,
    Step,
    next_step,
)

NOW = 1_700_000_000.0
SETTINGS = HistorySettings(merge_rows=1_000, fan_in=4, unrolled_files=5)


def file(
    number: int,
    age_s: float,
    *,
    level: Level = "raw",
    rows: int = 100,
    rolled: bool = True,
    day: str = "day",
    size: int = 10,
) -> File:
    end = NOW - age_s
    return File(
        level, day, number, number, Stored(f"{level}-{number}", end - 60, end, rows, size), rolled
    )


def index(*files: File) -> Index:
    return Index(files=files)


def test_an_hour_is_rolled_up_when_it_is_over() -> None:
    fresh = [file(n, age_s=5 * HOUR_S + n, rolled=False) for n in range(3)]
    current = file(9, age_s=1, rolled=False)
    assert next_step(index(*fresh, current), NOW, SETTINGS) == Roll(tuple(fresh))
    assert next_step(index(current), NOW, SETTINGS) is None


def test_many_flushes_are_rolled_up_before_their_hour_is_over() -> None:
    flushes = [file(n, age_s=1, rolled=False) for n in range(5)]
    assert next_step(index(*flushes[:4]), NOW, SETTINGS) is None
    assert next_step(index(*flushes), NOW, SETTINGS) == Roll(tuple(flushes))


def test_a_step_has_bounded_rows() -> None:
    flushes = [file(n, age_s=5 * HOUR_S, rolled=False, rows=400) for n in range(5)]
    assert next_step(index(*flushes), NOW, SETTINGS) == Roll(tuple(flushes[:2]))
    huge = file(1, age_s=5 * HOUR_S, rolled=False, rows=9_000)
    assert next_step(index(huge), NOW, SETTINGS) == Roll((huge,))


def test_what_is_not_rolled_up_does_not_expire() -> None:
    old = file(1, age_s=30 * DAY_S, rolled=False)
    assert next_step(index(old), NOW, SETTINGS) == Roll((old,))
    rolled = msgspec.structs.replace(old, rolled=True)
    assert next_step(index(rolled), NOW, SETTINGS) == Expire((rolled,))


@pytest.mark.parametrize(
    ("level", "kept", "gone"), [("raw", 6.9, 7.1), ("minute", 89.0, 91.0), ("hour", 89.0, 91.0)]
)
def test_age(level: Level, kept: float, gone: float) -> None:
    young, old = file(1, kept * DAY_S, level=level), file(2, gone * DAY_S, level=level, day="other")
    assert next_step(index(young, old), NOW, SETTINGS) == Expire((old,))


def test_too_many_bytes_cost_the_oldest_raw_rows_first() -> None:
    raw = [file(n, (6 - n) * DAY_S, size=100, day=f"{n}") for n in range(5)]
    minutes = [file(n, (60 - n) * DAY_S, level="minute", size=20, day=f"{n}") for n in range(5)]
    small = replace(SETTINGS, bytes=400)
    assert next_step(index(*raw, *minutes), NOW, small) == Expire((raw[0], raw[1]))
    # Rollups are not given for fresh rows, which are the larger part and can go next.
    fresh = [file(n, 1, rolled=False, size=300) for n in range(2)]
    assert next_step(index(*fresh, *minutes), NOW, small) == Roll(tuple(fresh))
    smaller = replace(SETTINGS, bytes=90)
    assert next_step(index(*minutes), NOW, smaller) == Expire((minutes[0],))


def test_a_straggler_does_not_have_a_day_rewritten() -> None:
    day = file(1, 3 * DAY_S, rows=800)
    late = file(2, 3 * DAY_S, rows=3)
    assert next_step(index(day, late), NOW, SETTINGS) is None
    another = file(3, 3 * DAY_S, rows=4)
    assert next_step(index(day, late, another), NOW, SETTINGS) is None
    third = file(4, 3 * DAY_S, rows=4)
    assert next_step(index(day, late, another, third), NOW, SETTINGS) == Merge(
        (late, another, third)
    )


raw_files = st.builds(
    file,
    number=st.integers(1, 10**6),
    age_s=st.floats(0, 20 * DAY_S),
    rows=st.integers(1, 1_500),
    size=st.integers(1, 500),
    rolled=st.booleans(),
    day=st.sampled_from(("a", "b")),
)
levels: st.SearchStrategy[Level] = st.sampled_from(("minute", "hour"))
rollup_files = st.builds(
    file,
    number=st.integers(1, 10**6),
    age_s=st.floats(0, 200 * DAY_S),
    level=levels,
    rows=st.integers(1, 1_500),
    size=st.integers(1, 500),
)


def carried_out(step: Step, index: Index, number: int) -> Index:
    """The index after `step`, as History makes it."""
    kept = [one for one in index.files if one not in step.files]
    if not isinstance(step, Expire):
        one, stored = step.files[0], [each.stored for each in step.files]
        rows, size = sum(each.rows for each in stored), sum(each.bytes for each in stored)
        start, end = min(each.start for each in stored), max(each.end for each in stored)

        def result(level: Level, rows: int, size: int) -> File:
            made = Stored(f"{level}-{number}", start, end, rows, size)
            return File(level, one.partition, number, number, made)

        kept.append(result(one.level, rows, size))
        if isinstance(step, Roll):
            kept += [result("minute", rows // 60 + 1, size // 10), result("hour", 1, 1)]
    return msgspec.structs.replace(index, files=tuple(kept))


@given(
    st.lists(raw_files, max_size=12, unique_by=lambda file: file.first),
    st.lists(rollup_files, max_size=8, unique_by=lambda file: (file.level, file.first)),
)
def test_steps_end_and_leave_history_within_its_bounds(
    raw: list[File], rollups: list[File]
) -> None:
    settings = replace(SETTINGS, bytes=2_000)
    state = index(*raw, *rollups)
    for number in range(2_000_000, 2_000_200):
        step = next_step(state, NOW, settings)
        if step is None:
            break
        assert set(step.files) <= set(state.files)
        if not isinstance(step, Expire):
            assert len({(each.level, each.partition) for each in step.files}) == 1
            assert len(step.files) == 1 or sum(each.stored.rows for each in step.files) <= 1_000
        else:
            assert all(each.rolled for each in step.files)
        state = carried_out(step, state, number)
    else:
        pytest.fail("200 steps and no end")
    assert sum(each.stored.bytes for each in state.files) <= 2_000
    for each in state.files:
        days = settings.raw_days if each.level == "raw" else settings.rollup_days
        assert not each.rolled or each.stored.end >= NOW - days * DAY_S
