"""Results of windows from raw rows. Runs in worker processes only, as `parquet`."""

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np

from tocsin.ingest.frames import Column
from tocsin.ingest.storage.history.parquet import cursor_in, raw_rows
from tocsin.ingest.storage.history.requests import Grid, WindowsQuery
from tocsin.ingest.windows.results import Arrived, Hopping, Integers, Progress
from tocsin.ingest.windows.sessions import Session


def windows(request: msgspec.Raw, columns: list[bytes]) -> tuple[int, list[Column]]:
    """Runs `WindowsQuery`."""
    asked = msgspec.msgpack.decode(request, type=WindowsQuery)
    shape = asked.shape
    # How far a device was is looked at as finely as windows can end.
    if isinstance(shape, Grid):
        kind = Hopping(shape.start_us, shape.hop_us, shape.panes, shape.count)
        step, until = shape.hop_us, asked.end_us
    else:
        kind = Session(shape.gap_us, shape.since_us, shape.until_us)
        step, until = 1, asked.end_us + shape.gap_us
    device, time, value, arrival, row, *waiting = columns
    readings = Arrived(
        _integers(device), _integers(time), np.frombuffer(value), _integers(arrival), _integers(row)
    )
    readings = readings.at(readings.time < asked.end_us)
    rows = [_integers(each) for each in waiting]
    if asked.raw:
        with cursor_in(asked.folder) as cursor:
            stored, progress = _stored(cursor, asked, step, until)
        readings = Arrived.joined(stored, readings)
        rows = [np.concatenate(both) for both in zip(progress, rows, strict=True)]
    count = max(len(readings.time), len(rows[0]))
    if count > asked.most:
        return count, []
    results = kind.closed(readings, Progress(*rows))
    return count, [np.ascontiguousarray(each[: asked.most_windows]) for each in results.columns()]


def _stored(
    cursor: duckdb.DuckDBPyConnection, asked: WindowsQuery, step: int, until: int
) -> tuple[Arrived, list[Integers]]:
    """Readings of the metric; and of all, by device and step of time, when the first arrived."""
    rows = raw_rows(Path(asked.folder), asked.raw, asked.without_arrival)
    judged = (
        "SELECT list_position($devices, device) - 1 AS place, metric, value,"  # noqa: S608 - quoted paths
        " epoch_us(least(time, arrival)) AS time,"
        f" epoch_us(arrival) AS arrival, arrival_row AS row FROM ({rows})"
        " WHERE device IN (SELECT unnest($devices)) AND NOT late"
        " AND time >= make_timestamp($start) AND least(time, arrival) >= make_timestamp($start)"
    )
    values = {"devices": asked.devices, "start": asked.start_us, "most": asked.most + 1}
    found: Any = cursor.execute(
        f"SELECT * FROM ({judged}) WHERE metric = $metric AND value IS NOT NULL"  # noqa: S608 - quoted paths
        " AND time < $end LIMIT $most",
        {**values, "metric": asked.metric, "end": asked.end_us},
    )
    own = found.fetchnumpy()
    columns: list[Any] = [
        np.ascontiguousarray(own[name], np.float64 if name == "value" else np.int64)
        for name in ("place", "time", "value", "arrival", "row")
    ]
    found = cursor.execute(
        "SELECT place, least(time - (time - $start) % $step, $until) AS since,"  # noqa: S608 - quoted paths
        f" min(arrival) AS arrival FROM ({judged}) GROUP BY place, since LIMIT $most",
        {**values, "step": step, "until": until},
    )
    far = found.fetchnumpy()
    return Arrived(*columns), [
        np.ascontiguousarray(far[name], np.int64) for name in ("place", "since", "arrival")
    ]


def _integers(column: bytes) -> Integers:
    return np.frombuffer(column, np.int64)
