"""Writes, merges and queries the Parquet files of history. Runs in worker processes only: the
server never imports DuckDB, whose memory would stay with it.

    raw            device, metric VARCHAR · time TIMESTAMP (UTC, µs) · value DOUBLE · late BOOLEAN
                   · arrival TIMESTAMP · arrival_row INTEGER · text VARCHAR
    minute, hour   device, metric VARCHAR · time TIMESTAMP · min, max, sum DOUBLE · count BIGINT

A boolean is 0 or 1. Where a device sent a text, `text` is what it said and `value` is NULL; else
the other way round. Rollups are of the numbers: where there were texts only, `count` is 0.

Each file is sorted by device, metric and time, so that the statistics of its row groups lead a
query to the few that hold its series. Any Parquet reader can open them. Readings with the same
`arrival` and `arrival_row` came together, as the metrics of one message do; these two are the order
in which the server judged them. Files of before there were these columns are read as if each
reading had arrived at its event time, with an `arrival_row` of -1.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.frames import Column
from tocsin.ingest.storage.files import DISK
from tocsin.ingest.storage.history.index import Stored
from tocsin.ingest.storage.history.requests import MergeFiles, Query, Store

SPILL = "spill"
UNFINISHED = ".unfinished"

_DAY_US = 86_400_000_000

# Small groups: a chart of one series decodes one or two, and a group still fills a zstd block.
_FORMAT = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480"

_WITHOUT_TEXTS = "SELECT *, NULL::VARCHAR AS text FROM rows_to_store"
_WITH_TEXTS = (
    "SELECT * REPLACE (CASE WHEN text IS NULL THEN value END AS value, text::VARCHAR AS text)"
    " FROM rows_to_store"
)


def store(request: msgspec.Raw, columns: list[bytes]) -> tuple[list[Stored], list[Column]]:
    """Runs `Store`."""
    asked = msgspec.msgpack.decode(request, type=Store)
    code = np.frombuffer(columns[0], np.int32)
    time_us = np.round(np.frombuffer(columns[1], np.float64) * 1e6).astype(np.int64)
    value = np.frombuffer(columns[2], np.float64)
    late = np.frombuffer(columns[3], np.bool_)
    arrival_us = np.round(np.frombuffer(columns[4], np.float64) * 1e6).astype(np.int64)
    row = np.frombuffer(columns[5], np.int32)

    # Codes in the order of the names, so that sorting rows sorts numbers.
    names = sorted(range(len(asked.devices)), key=lambda i: (asked.devices[i], asked.metrics[i]))
    rank = np.empty(len(names), np.int32)
    rank[names] = np.arange(len(names), dtype=np.int32)
    devices = np.array([asked.devices[i] for i in names], dtype=object)
    metrics = np.array([asked.metrics[i] for i in names], dtype=object)
    ranked = rank[code]
    is_text, said = np.array(asked.is_text, np.bool_), np.array(asked.texts, dtype=object)

    folder = Path(asked.folder)
    stored: list[Stored] = []
    for part in parts(time_us):
        rows = part[np.lexsort((time_us[part], ranked[part]))]
        newest_us = int(time_us[rows].max())
        path = f"raw/{day_of(newest_us)}/{asked.suffix}"
        columns_of_file = {
            "device": devices[ranked[rows]],
            "metric": metrics[ranked[rows]],
            "time": time_us[rows].astype("datetime64[us]"),
            "value": value[rows],
            "late": late[rows],
            "arrival": arrival_us[rows].astype("datetime64[us]"),
            "arrival_row": row[rows],
        }
        texts = np.flatnonzero(is_text[code[rows]])
        if len(texts):
            text = np.full(len(rows), None, dtype=object)
            text[texts] = said[value[rows[texts]].astype(np.intp)]
            columns_of_file["text"] = text
        selected = _WITH_TEXTS if len(texts) else _WITHOUT_TEXTS
        with cursor_in(asked.folder) as cursor:
            cursor.register("rows_to_store", columns_of_file)
            stored.append(_write(cursor, folder, path, selected, raw=True))
            cursor.unregister("rows_to_store")
    return stored, []


def parts(time_us: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Row numbers of the newest UTC day, of the day before, and of all older ones.

    By day, so that a chart of another day need not open the file; at most three, so that a
    device with a broken clock cannot make a thousand.
    """
    day = time_us // _DAY_US
    age = np.minimum(day.max(initial=0) - day, 2)
    for part in range(3):
        rows = np.flatnonzero(age == part)
        if len(rows):
            yield rows


def merge(request: msgspec.Raw, columns: list[bytes]) -> tuple[list[Stored], list[Column]]:
    """Runs `MergeFiles`."""
    asked = msgspec.msgpack.decode(request, type=MergeFiles)
    folder = Path(asked.folder)
    source = _source(folder, asked.inputs)
    rows = raw_rows(folder, asked.inputs, asked.without_arrival)
    if not asked.raw:
        rows = (
            "SELECT device, metric, time, min(min) AS min, max(max) AS max,"  # noqa: S608 - quoted paths
            f" sum(sum) AS sum, sum(count)::BIGINT AS count FROM {source} GROUP BY ALL"
        )
    wanted = [(asked.output, rows, asked.raw)]
    for level, output in (("minute", asked.minute), ("hour", asked.hour)):
        rows = (
            f"SELECT device, metric, date_trunc('{level}', time) AS time, min(value) AS min,"  # noqa: S608 - quoted paths
            f" max(value) AS max, sum(value) AS sum, count(value) AS count FROM {source}"
            " GROUP BY ALL"
        )
        wanted.append((output, rows, False))
    with cursor_in(asked.folder) as cursor:
        stored = [
            _write(cursor, folder, output, f"{rows} ORDER BY device, metric, time", raw=raw)
            for output, rows, raw in wanted
            if output is not None
        ]
    return stored, []


def series(request: msgspec.Raw, columns: list[bytes]) -> tuple[None, list[Column]]:
    """Runs `Query`."""
    asked = msgspec.msgpack.decode(request, type=Query)
    folder = Path(asked.folder)
    rows: list[str] = []
    condition = (
        "WHERE device = $device AND metric = $metric"
        " AND time >= make_timestamp($start) AND time < make_timestamp($end)"
    )
    if asked.raw:
        rows.append(
            "SELECT time, value AS min, value AS max, value AS sum, 1 AS count"  # noqa: S608 - quoted paths
            f" FROM {_source(folder, asked.raw)} {condition} AND value IS NOT NULL"
        )
    if asked.rollup:
        rows.append(
            f"SELECT time, min, max, sum, count FROM {_source(folder, asked.rollup)} {condition}"  # noqa: S608 - quoted paths
            " AND count > 0"
        )
    query = (
        "SELECT (epoch_us(time) - $start) // $width AS bucket, min(min) AS min, max(max) AS max,"  # noqa: S608 - quoted paths
        " sum(sum) AS sum, sum(count)::BIGINT AS count"
        f" FROM ({' UNION ALL '.join(rows)}) GROUP BY bucket"
    )
    values = {
        "device": asked.device,
        "metric": asked.metric,
        "start": asked.start_us,
        "end": asked.start_us + asked.width_us * asked.count,
        "width": asked.width_us,
    }
    with cursor_in(asked.folder) as cursor:
        # A result is columns of numpy, or of pandas for types that are not asked for here.
        result: Any = cursor.execute(query, values)
        found: dict[str, NDArray[Any]] = result.fetchnumpy()
    return None, [
        np.ascontiguousarray(found["bucket"], np.int64),
        np.ascontiguousarray(found["min"], np.float64),
        np.ascontiguousarray(found["max"], np.float64),
        np.ascontiguousarray(found["sum"], np.float64),
        np.ascontiguousarray(found["count"], np.int64),
    ]


def raw_rows(folder: Path, paths: Sequence[str], without_arrival: Sequence[str]) -> str:
    """A query for all columns of raw files, of which some do not say when their rows arrived, and
    some have no column for texts."""
    newer = [path for path in paths if path not in without_arrival]
    columns = "device, metric, time, value, late, text"
    every: list[str] = []
    for some, arrival in (
        (newer, "arrival, arrival_row"),
        (without_arrival, "time AS arrival, -1::INTEGER AS arrival_row"),
    ):
        if some:
            every.append(
                f"SELECT {columns}, {arrival} FROM (FROM {_source(folder, some)}"  # noqa: S608 - quoted paths
                " UNION ALL BY NAME SELECT NULL::VARCHAR AS text WHERE false)"
            )
    return " UNION ALL ".join(every)


def day_of(time_us: int) -> str:
    """The UTC day of a time, as in a partition's name."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%d")


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """The database of this process: nothing is in it but settings."""
    database = duckdb.connect(
        config={
            # The other core is the server's. A merge of 4,000,000 rows took 5.0 s with one
            # thread and 3.8 s with two; with 256 MB it leaves 90 MB behind, with 512 MB 400.
            "threads": 1,
            "memory_limit": "256MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    database.execute("SET GLOBAL parquet_metadata_cache = true").fetchall()
    return database


@cache
def _spill_into(folder: str) -> None:
    """What does not fit into memory goes beside the files, not into the working directory."""
    _database().execute(f"SET GLOBAL temp_directory = {_quoted(Path(folder) / SPILL)}").fetchall()


def cursor_in(folder: str) -> closing[duckdb.DuckDBPyConnection]:
    """A connection for one task: what the task leaves half done goes with it."""
    _spill_into(folder)
    return closing(_database().cursor())


def _write(
    cursor: duckdb.DuckDBPyConnection, folder: Path, path: str, rows: str, *, raw: bool
) -> Stored:
    """Writes the result of query `rows` to `path`; when this returns it is on disk, whole."""
    target = folder / path
    for missing in (target.parent.parent, target.parent):
        if not missing.exists():
            missing.mkdir(exist_ok=True)
            DISK.sync_folder(missing.parent)
    unfinished = target.with_name(target.name + UNFINISHED)
    cursor.execute(f"COPY ({rows}) TO {_quoted(unfinished)} ({_FORMAT})").fetchall()
    fd = DISK.open(unfinished)
    try:
        DISK.fdatasync(fd)
    finally:
        DISK.close(fd)
    DISK.rename(unfinished, target)
    DISK.sync_folder(target.parent)
    arrival = "arrival" if raw else "time"
    start_us, end_us, first_us, last_us, count = cursor.execute(
        "SELECT epoch_us(min(time)), epoch_us(max(time)),"  # noqa: S608 - quoted paths
        f" epoch_us(min({arrival})), epoch_us(max({arrival})), count(*)"
        f" FROM {_source(folder, [path])}"
    ).fetchall()[0]
    if not count:
        raise ValueError(f"{target} has no rows; expected some")
    arrived = (first_us / 1e6, last_us / 1e6) if raw else None
    return Stored(path, start_us / 1e6, end_us / 1e6, count, target.stat().st_size, arrived)


def _source(folder: Path, paths: Sequence[str]) -> str:
    files = ", ".join(_quoted(folder / path) for path in paths)
    return f"read_parquet([{files}], union_by_name = true)"


def _quoted(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"
