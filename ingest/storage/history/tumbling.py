"""Results of tumbling windows from raw rows. Runs in worker processes only, as `parquet`."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.frames import Column
from tocsin.ingest.storage.history.parquet import cursor_in, raw_rows
from tocsin.ingest.storage.history.requests import TumblingQuery
from tocsin.ingest.windows.results import Arrived, Tumbling

MOST_READINGS = 2_000_000
"""Of one metric in the windows that are asked for: 64 MB of a worker."""


def windows(request: msgspec.Raw, columns: list[bytes]) -> tuple[int, list[Column]]:
    """Runs `TumblingQuery`."""
    asked = msgspec.msgpack.decode(request, type=TumblingQuery)
    tumbling = Tumbling(asked.start_us, asked.size_us, asked.count)
    waiting = Arrived(*_columns(columns[:4]))
    time, arrival = _columns(columns[4:])
    firsts = tumbling.firsts(time, arrival)
    readings = waiting
    if asked.raw:
        rows = raw_rows(Path(asked.folder), asked.raw, asked.without_arrival)
        judged = (
            "SELECT metric, value, epoch_us(least(time, arrival)) AS time,"  # noqa: S608 - quoted paths
            f" epoch_us(arrival) AS arrival, arrival_row AS row FROM ({rows})"
            " WHERE device = $device AND NOT late AND time >= make_timestamp($start)"
            " AND least(time, arrival) >= make_timestamp($start)"
        )
        values = {"device": asked.device, "start": asked.start_us}
        with cursor_in(asked.folder) as cursor:
            found: Any = cursor.execute(
                "SELECT least((time - $start) // $size, $count) AS place,"  # noqa: S608 - quoted paths
                f" min(arrival) AS arrival FROM ({judged}) GROUP BY place",
                {**values, "size": asked.size_us, "count": asked.count},
            )
            first: dict[str, NDArray[Any]] = found.fetchnumpy()
            place = np.ascontiguousarray(first["place"], np.int64)
            np.minimum.at(firsts, place, np.ascontiguousarray(first["arrival"], np.int64))
            found = cursor.execute(
                f"SELECT * FROM ({judged}) WHERE metric = $metric AND value IS NOT NULL"  # noqa: S608 - quoted paths
                f" AND time < $end LIMIT {MOST_READINGS + 1}",
                {
                    **values,
                    "metric": asked.metric,
                    "end": asked.start_us + asked.size_us * asked.count,
                },
            )
            own: dict[str, NDArray[Any]] = found.fetchnumpy()
        stored = Arrived(
            np.ascontiguousarray(own["time"], np.int64),
            np.ascontiguousarray(own["value"], np.float64),
            np.ascontiguousarray(own["arrival"], np.int64),
            np.ascontiguousarray(own["row"], np.int64),
        )
        readings = Arrived.joined(stored, waiting)
    if len(readings.time) > MOST_READINGS:
        return len(readings.time), []
    of = tumbling.closed(readings, firsts)
    return len(readings.time), [
        of.start, of.count, of.min, of.max, of.sum, of.first, of.last, of.revision, of.changed,
    ]  # fmt: skip


def _columns(columns: list[bytes]) -> list[Any]:
    """Whole numbers, but for the values, which are the second of four."""
    floats = 1 if len(columns) == 4 else -1
    return [
        np.frombuffer(each, np.float64 if place == floats else np.int64)
        for place, each in enumerate(columns)
    ]
