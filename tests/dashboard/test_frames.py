"""Frames against a plain dictionary that shares no code with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.dashboard.stream.frames import Frame, FrameBuffer
from tocsin.ingest.outcome import Readings

Reading = tuple[int, float, float, bool]  # series, event time, value, late

reading = st.tuples(
    st.integers(0, 5), st.integers(0, 20).map(float), st.floats(-100, 100), st.booleans()
)
batches = st.lists(st.lists(reading, min_size=1, max_size=8), min_size=1, max_size=8)


def columns(readings: list[Reading], arrival: float) -> Readings:
    series, time, value, late = zip(*readings, strict=True)
    return Readings(
        np.array(series, np.int32),
        np.array(time),
        np.array(value),
        np.array(late, np.bool_),
        np.full(len(readings), arrival),
        np.arange(len(readings)),
    )


def frame_of(batches: list[list[Reading]]) -> Frame:
    buffer = FrameBuffer()
    for number, batch in enumerate(batches):
        buffer.add(columns(batch, 100.0 + number))
    return buffer.take()


def rows(frame: Frame) -> set[tuple[float, ...]]:
    fields = (frame.series, frame.time, frame.value, frame.low, frame.high, frame.count)
    return set(zip(*(column.tolist() for column in fields), strict=True))


def expected_rows(batches: list[list[Reading]]) -> set[tuple[float, ...]]:
    groups: dict[tuple[int, bool], list[Reading]] = {}
    for batch in batches:
        for each in batch:
            groups.setdefault((each[0], each[3]), []).append(each)
    found: set[tuple[float, ...]] = set()
    for (series, _), readings in groups.items():
        newest = readings[0]
        for each in readings:
            if each[1] >= newest[1]:
                newest = each
        values = [value for _, _, value, _ in readings]
        found.add((series, newest[1], newest[2], min(values), max(values), len(values)))
    return found


@given(batches)
def test_a_row_per_series_with_its_newest_value_and_extremes(batches: list[list[Reading]]):
    assert rows(frame_of(batches)) == expected_rows(batches)


@given(batches)
def test_the_mean_of_a_row_weighs_all_its_readings(batches: list[list[Reading]]):
    groups: dict[tuple[int, bool], list[float]] = {}
    for series, _, value, late in (each for batch in batches for each in batch):
        groups.setdefault((series, late), []).append(value)
    frame = frame_of(batches)
    means = [sum(groups[key]) / len(groups[key]) for key in sorted(groups)]
    assert frame.mean.tolist() == pytest.approx(means, abs=1e-9)


def test_the_mean_of_large_values_does_not_overflow():
    frame = frame_of([[(0, 1.0, 1.5e308, False), (0, 2.0, 1.5e308, False)]])
    assert frame.mean.tolist() == [1.5e308]


@given(batches, st.sets(st.integers(0, 5)))
def test_a_view_is_the_frame_of_its_readings_alone(batches: list[list[Reading]], wanted: set[int]):
    mask = np.array([series in wanted for series in range(6)])
    seen = frame_of(batches).only(mask)
    chosen = [[each for each in batch if each[0] in wanted] for batch in batches]
    assert rows(seen) == expected_rows(chosen)
    assert seen.arrived.tolist() == [len(batch) for batch in chosen]
    if any(chosen):
        first = next(number for number, batch in enumerate(chosen) if batch)
        assert seen.received_at == 100.0 + first


def test_a_spike_of_one_sample_is_seen():
    # series 0:  20 20 20 97 20 20     one frame
    frame = frame_of([[(0, float(t), 97.0 if t == 3 else 20.0, False)] for t in range(6)])
    assert rows(frame) == {(0, 5.0, 20.0, 20.0, 97.0, 6)}


def test_nothing_added_is_nothing_to_take():
    buffer = FrameBuffer()
    buffer.add(columns([(0, 1.0, 1.0, False)], 1.0))
    assert len(buffer.take()) == 1
    assert not buffer
    with pytest.raises(ValueError):
        buffer.take()
