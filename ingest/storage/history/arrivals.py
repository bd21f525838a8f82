"""Raw rows of some series in the order in which they arrived. Runs where no server is.

A slice of about `SLICE_READINGS` is read and put in order at a time, so that a week costs no more
memory than an hour.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.backtest.readings import NO_READINGS, StoredReadings
from tocsin.ingest.storage.history.parquet import cursor_in, raw_rows

SLICE_READINGS = 500_000
"""About 21 MB as columns, and 60 while they are put in order."""

_BUCKETS = 4096  # of arrival times, which slices are made of
_FEW = 50  # names that are compared one by one, which spares whole row groups


class Arrivals:
    """Owns a connection with the series of interest. To be used in a `with` block."""

    def __init__(
        self,
        folder: str,
        files: Sequence[str],
        older: Sequence[str],
        without_arrival: Sequence[str],
        names: Sequence[tuple[str, str]],
        is_text: Sequence[bool],
        texts: Sequence[str],
    ) -> None:
        """Rows of `files`, and of `older` for `newest_before`, of the series that `names` gives as
        device and metric. The values of one that `is_text` are places in `texts`.
        """
        devices, metrics = [device for device, _ in names], [metric for _, metric in names]
        self._cursor_in = cursor_in(folder)
        self._rows, self._older = (
            raw_rows(Path(folder), paths, [path for path in without_arrival if path in paths])
            if paths
            else ""
            for paths in (files, older)
        )
        self._series = {
            "device": np.array(devices, dtype=object),
            "metric": np.array(metrics, dtype=object),
            "is_text": np.array(is_text, np.bool_),
            "series": np.arange(len(devices), dtype=np.int32),
        }
        self._texts = {
            "text": np.array([*texts, None], dtype=object),
            "code": np.arange(len(texts) + 1, dtype=np.float64),
        }
        self._few = "".join(
            f" AND {name} IN ({', '.join(map(_quoted, sorted(few)))})"
            for name, few in (("device", set(devices)), ("metric", set(metrics)))
            if len(few) <= _FEW
        )

    def __enter__(self) -> "Arrivals":
        self._cursor: duckdb.DuckDBPyConnection = self._cursor_in.__enter__()
        self._cursor.register("series_of_interest", self._series)
        self._cursor.register("texts_of_interest", self._texts)
        return self

    def __exit__(self, *error: object) -> None:
        self._cursor.unregister("series_of_interest")
        self._cursor.unregister("texts_of_interest")
        self._cursor_in.__exit__(*error)

    def slices(self, since_us: int, end_us: int) -> list[tuple[int, int, int]]:
        """Parts [begin, end) of [since, end) with how many rows each has, in order."""
        if not self._rows or not len(self._series["device"]):
            return []
        width_us = max(-(-(end_us - since_us) // _BUCKETS), 1)
        found = self._fetch(
            "SELECT (epoch_us(arrival) - $since) // $width AS bucket, count(*) AS count",
            "",
            "GROUP BY bucket ORDER BY bucket",
            since_us,
            end_us,
            width=width_us,
        )
        slices: list[tuple[int, int, int]] = []
        begin_us, rows = since_us, 0
        counts = zip(found["bucket"].tolist(), found["count"].tolist(), strict=True)
        for bucket, count in counts:
            if rows and rows + count > SLICE_READINGS:
                here_us = since_us + bucket * width_us
                slices.append((begin_us, here_us, rows))
                begin_us, rows = here_us, 0
            rows += count
        if rows:
            slices.append((begin_us, end_us, rows))
        return slices

    def between(self, begin_us: int, end_us: int) -> StoredReadings:
        """The rows that arrived in [begin, end), in no order."""
        some_texts = len(self._texts["text"]) > 1
        found = self._fetch(
            f"SELECT series, {'coalesce(value, code)' if some_texts else 'value'} AS value, late,"
            " epoch_us(time) AS time, epoch_us(arrival) AS arrival, arrival_row",
            "LEFT JOIN texts_of_interest USING (text)" if some_texts else "",
            "",
            begin_us,
            end_us,
        )
        return StoredReadings(
            np.ascontiguousarray(found["series"], np.int32),
            np.ascontiguousarray(found["time"], np.int64),
            np.ascontiguousarray(found["value"], np.float64),
            np.ascontiguousarray(found["late"], np.bool_),
            np.ascontiguousarray(found["arrival"], np.int64),
            np.ascontiguousarray(found["arrival_row"], np.int32),
        )

    def newest_before(self, since_us: int, start_us: int) -> StoredReadings:
        """The newest reading that arrived before `since` of each series of which none arrived from
        then until `start`, in no order. Those that were late are left out.
        """
        if not self._older or not len(self._series["device"]):
            return NO_READINGS
        known = self._fetch("SELECT DISTINCT series", "", "", since_us, start_us)["series"]
        missing = np.setdiff1d(self._series["series"], known)
        if not len(missing):
            return NO_READINGS
        self._cursor.register("missing_series", {"series": missing})
        some_texts = len(self._texts["text"]) > 1
        found = self._fetch(
            "SELECT series, epoch_us(arg_max(time, least(time, arrival))) AS time,"
            " epoch_us(arg_max(arrival, least(time, arrival))) AS arrival,"
            f" arg_max({'coalesce(value, code)' if some_texts else 'value'},"
            " least(time, arrival)) AS value",
            "JOIN missing_series USING (series)"
            + (" LEFT JOIN texts_of_interest USING (text)" if some_texts else ""),
            "AND NOT late GROUP BY series",
            0,
            since_us,
            older=True,
        )
        self._cursor.unregister("missing_series")
        series = np.ascontiguousarray(found["series"], np.int32)
        return StoredReadings(
            series,
            np.ascontiguousarray(found["time"], np.int64),
            np.ascontiguousarray(found["value"], np.float64),
            np.zeros(len(series), np.bool_),
            np.ascontiguousarray(found["arrival"], np.int64),
            np.full(len(series), -1, np.int32),
        )

    def _fetch(
        self,
        select: str,
        joined: str,
        behind: str,
        since_us: int,
        end_us: int,
        *,
        older: bool = False,
        **values: int,
    ) -> dict[str, NDArray[Any]]:
        """Raises OSError, also for a file that is not there any more."""
        rows = self._older if older else self._rows
        if not rows:
            return {"series": np.empty(0, np.int32)}
        query = (
            f"{select} FROM (SELECT *, value IS NULL AS is_text FROM ({rows}))"  # noqa: S608 - quoted
            f" JOIN series_of_interest USING (device, metric, is_text) {joined}"
            " WHERE arrival >= make_timestamp($since) AND arrival < make_timestamp($end)"
            f"{self._few} {behind}"
        )
        # A result is columns of numpy, or of pandas for types that are not asked for here.
        try:
            result: Any = self._cursor.execute(query, {"since": since_us, "end": end_us, **values})
            return result.fetchnumpy()
        except duckdb.IOException as error:
            raise OSError(f"raw rows cannot be read: {error}") from error


def _quoted(name: str) -> str:
    text = name.replace("'", "''")
    return f"'{text}'"
