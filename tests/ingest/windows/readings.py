"""Readings for property tests of windows, and which of them a window holds, found by sorting."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tocsin.ingest.snapshot import decode, encode
from tocsin.ingest.windows.spec import WindowSpec

Reading = tuple[int, float, float]  # series, time, value

SPECS = (
    WindowSpec(3.0, 1.0),
    WindowSpec(10.0, 0.5),
    WindowSpec.tumbling(4.0),
    WindowSpec.hopping(1.0),
    WindowSpec.hopping(70.0),
)


class TakesMany(Protocol):
    def update(
        self, series: NDArray[np.int32], time: NDArray[np.float64], value: NDArray[np.float64]
    ) -> None: ...


def unique_batches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Consecutive readings in batches without two of one series."""
    batches: list[list[Reading]] = []
    for reading in readings:
        if not batches or any(reading[0] == other[0] for other in batches[-1]):
            batches.append([])
        batches[-1].append(reading)
    return batches


def feed(panes: TakesMany, batch: Sequence[Reading]) -> None:
    series, time, value = zip(*batch, strict=True)
    panes.update(np.array(series, np.int32), np.array(time), np.array(value))


def rows_inside(
    spec: WindowSpec, readings: Sequence[Reading]
) -> dict[int, list[tuple[float, int, float]]]:
    """By series: time, place of arrival and value of the readings in the window, in that order."""
    by_series: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
    for arrival, (series, time, value) in enumerate(readings):
        by_series[series].append((time, arrival, value))
    inside: dict[int, list[tuple[float, int, float]]] = {}
    for series, rows in by_series.items():
        rows.sort()
        end = (math.floor(rows[-1][0] / spec.slide_s) + 1) * spec.slide_s
        begin = end - math.ceil(spec.size_s / spec.slide_s - 1e-9) * spec.slide_s
        inside[series] = [row for row in rows if row[0] >= begin - 1e-9]
    return inside


def inside_of(spec: WindowSpec, readings: Sequence[Reading]) -> dict[int, list[float]]:
    """By series: the values in the window."""
    found = rows_inside(spec, readings)
    return {series: [value for *_, value in rows] for series, rows in found.items()}


# Quarter seconds and whole values: exact in binary, so that results can be equal.
readings = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.one_of(st.integers(0, 80), st.integers(0, 4000)).map(lambda quarter: quarter / 4),
        st.integers(-50, 50).map(float),
    ),
    min_size=1,
    max_size=60,
)


def stored(state: Any) -> Any:
    """What comes back out of a snapshot with `state` in it."""
    return decode(encode({"state": state}))["state"]
