"""Rows: readings on their way to the disk, as columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.frames import Column
from tocsin.ingest.outcome import Readings


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings as columns of one length n, in any order.

    `code` int32 index into `devices` and `metrics`, which name the series; `time` float64 event
    time in seconds; `value` float64; `late` bool; `arrival` float64 and `row` int32 as in
    `Readings`. A series costs its names once, not per row: 500,000 rows of 2,000 series are
    16.5 MB of columns and 0.1 MB of names. Where `is_text` of the series, its values are places in
    `texts`.
    """

    devices: list[str]
    metrics: list[str]
    is_text: list[bool]
    texts: list[str]
    code: NDArray[np.int32]
    time: NDArray[np.float64]
    value: NDArray[np.float64]
    late: NDArray[np.bool_]
    arrival: NDArray[np.float64]
    row: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)

    @classmethod
    def of(
        cls,
        readings: Readings,
        names: Callable[[int], tuple[str, str]],
        is_text: Callable[[int], bool] = lambda _: False,
        texts: Sequence[str] = (),
    ) -> "Rows":
        """The rows of `readings`. `names` gives device and metric of a series; the values of one
        that `is_text` are codes of `texts`."""
        if not len(readings.series):
            return cls([], [], [], [], *_columns(readings.series, readings.value, readings))
        present = np.zeros(int(readings.series.max()) + 1, np.bool_)
        present[readings.series] = True
        code = np.cumsum(present, dtype=np.int32) - 1
        series: list[int] = np.flatnonzero(present).tolist()
        named = [names(each) for each in series]
        of_texts = [is_text(each) for each in series]
        code, value = code[readings.series], readings.value
        said: list[str] = []
        if any(of_texts):
            here = np.array(of_texts)[code]
            used, place = np.unique(value[here].astype(np.intp), return_inverse=True)
            codes: list[int] = used.tolist()
            said = [texts[each] for each in codes]
            value = value.copy()
            value[here] = place
        return cls(
            [device for device, _ in named],
            [metric for _, metric in named],
            of_texts,
            said,
            *_columns(code, value, readings),
        )

    def columns(self) -> "tuple[Column, ...]":
        return self.code, self.time, self.value, self.late, self.arrival, self.row


def _columns(code: NDArray[np.int32], value: NDArray[np.float64], readings: Readings) -> "_Columns":
    return (
        np.ascontiguousarray(code, np.int32),
        np.ascontiguousarray(readings.time),
        np.ascontiguousarray(value),
        np.ascontiguousarray(readings.late),
        np.ascontiguousarray(readings.arrival),
        np.ascontiguousarray(readings.row, np.int32),
    )


_Columns = tuple[
    NDArray[np.int32],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.float64],
    NDArray[np.int32],
]
