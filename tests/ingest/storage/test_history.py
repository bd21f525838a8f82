"""History against a plain-Python oracle, through roll-ups, merges, retention and power cuts."""

import asyncio
import contextlib
import itertools
import math
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.devices.message import Message
from tocsin.ingest import frames
from tocsin.ingest.outcome import Readings
from tocsin.ingest.storage.files import DISK, DiskFiles
from tocsin.ingest.storage.history import parquet
from tocsin.ingest.storage.history.history import (
    Grid,
    History,
    HistoryCorrupt,
    HistorySettings,
    Rows,
    Series,
)
from tocsin.ingest.storage.journal import Journal, JournalSettings
from tocsin.ingest.storage.snapshots import Snapshots
from tocsin.ingest.worker import complete, find
from tocsin.ingest.workers import Lane, OnProgress, Workers, WorkerTaskFailed

T = TypeVar("T")

MIDNIGHT = 1_700_006_400.0  # 2023-11-15T00:00:00Z
HOUR_S = 3600.0
DAY_S = 86_400.0
FOR_EVER = 36_500.0  # days, beyond the device clocks of 1970
SERIES = [("boiler-1", "temp_c"), ("boiler-1", "pressure"), ("boiler-10", "temp_c"), ("µ'x", "a.b")]

Reading = tuple[int, float, float]  # series, event time, value (whole, so that sums are exact)


def rows(readings: Sequence[Reading]) -> Rows:
    columns = Readings(
        np.array([series for series, _, _ in readings], np.int32),
        np.array([time for _, time, _ in readings], np.float64),
        np.array([value for _, _, value in readings], np.float64),
        np.array([index % 5 == 0 for index in range(len(readings))], np.bool_),
        np.full(len(readings), MIDNIGHT),
        np.arange(len(readings)),
    )
    return Rows.of(columns, lambda series: SERIES[series])


def buckets(series: Series) -> list[tuple[float, float, float, int] | None]:
    """(min, max, sum, count) per bucket, None where it is empty."""
    columns = zip(series.min, series.max, series.sum, series.count, strict=True)
    return [(low, high, total, int(n)) if n else None for low, high, total, n in columns]


def oracle(
    readings: Sequence[Reading], series: int, grid: Grid
) -> list[tuple[float, float, float, int] | None]:
    inside: list[list[float]] = [[] for _ in range(grid.count)]
    for owner, time, value in readings:
        bucket = math.floor((round(time * 1e6) - grid.start_us) / grid.width_us)
        if owner == series and 0 <= bucket < grid.count:
            inside[bucket].append(value)
    return [(min(v), max(v), sum(v), len(v)) if v else None for v in inside]


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    await workers.close()


class InProcess(Workers):
    """Runs tasks here, at once: what they do to the disk can then be cut off at every step."""

    async def call(
        self,
        task: str,
        request: object,
        reply: type[T],
        *,
        columns: Sequence[frames.Column] = (),
        lane: Lane = "query",
        deadline_s: float | None = None,
        retire: bool = False,
        on_progress: OnProgress | None = None,
    ) -> tuple[T, list[bytes]]:
        def tell(progress: object) -> None:
            if on_progress is not None:
                on_progress(msgspec.Raw(msgspec.msgpack.encode(progress)))

        encoded = msgspec.Raw(msgspec.msgpack.encode(request))
        begun = find(task)(encoded, [column.tobytes() for column in columns])
        value, result = complete(begun, tell)
        answer = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=reply)
        return answer, [column.tobytes() for column in result]


async def assert_as_the_oracle(
    history: History, readings: Sequence[Reading], start: float, end: float, points: int
) -> None:
    for series, (device, metric) in enumerate(SERIES):
        found = await history.series(device, metric, start, end, points)
        assert buckets(found) == oracle(readings, series, found.grid)


def some_readings(rng: random.Random, now: float, count: int) -> list[Reading]:
    """Mostly new, some late by hours, a few by days or with a clock of 1970."""
    lateness = (0.0, 0.0, 0.0, 0.0, 2 * HOUR_S, 30 * HOUR_S, 5 * DAY_S, now)
    return [
        (
            rng.randrange(len(SERIES)),
            max(now - rng.random() * 300 - rng.choice(lateness) * rng.random(), 0.0),
            float(rng.randrange(-50, 1000)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_buckets_are_those_of_the_oracle(tmp_path: Path, seed: int) -> None:
    """Whatever is rolled up or merged by then, from raw rows, minutes or hours."""
    rng = random.Random(seed)
    settings = HistorySettings(FOR_EVER, FOR_EVER, unrolled_files=3, fan_in=3, merge_rows=300)
    history = History(tmp_path, InProcess(), settings)
    now, readings = MIDNIGHT + 5 * HOUR_S, list[Reading]()
    for position in range(1, 13):
        batch = some_readings(rng, now, rng.randrange(60))
        await history.store(rows(batch), position)
        readings += batch
        now += rng.choice((60.0, 600.0, HOUR_S, 20 * HOUR_S))
        if rng.random() < 0.4:
            await history.maintain(now)
        for span in (300.0, 40 * HOUR_S, now):
            points = rng.choice((1, 10, 500))
            await assert_as_the_oracle(history, readings, max(now - span, 0.0), now, points)
    assert history.covered() == 12
    assert history.stats().raw_rows == len(readings)
    await history.maintain(now + 3 * DAY_S)
    assert history.stats().steps > 3
    again = History(tmp_path, InProcess(), settings)
    await assert_as_the_oracle(again, readings, MIDNIGHT - DAY_S, now, 50)


class PowerCut(OSError):
    pass


class CutDisk(DiskFiles):
    """The power goes at the operation with number `at`: it and all later ones do not happen."""

    def __init__(self, at: int) -> None:
        self.left = at

    def _power(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise PowerCut("the power is off")

    def create(self, path: Path) -> int:
        self._power()
        return super().create(path)

    def open(self, path: Path) -> int:
        self._power()
        return super().open(path)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        self._power()
        return super().write(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        self._power()
        super().fdatasync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._power()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._power()
        super().unlink(path)

    def sync_folder(self, folder: Path) -> None:
        self._power()
        super().sync_folder(folder)


def parquet_files(folder: Path) -> int:
    return len([path for path in folder.rglob("*") if ".parquet" in path.name])


async def test_a_power_cut_at_any_step_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flushes, roll-ups, merges and expiry, with the power cut at every single step of each.

    A restart finds each row once, and nothing else on the disk; then it does the rest.
    """
    rng = random.Random(7)
    midnight, noon = MIDNIGHT, MIDNIGHT + 12 * HOUR_S
    batches = [
        [(n % 4, rng.choice((midnight, noon)) - rng.random() * 600, float(n)) for n in range(40)]
        for _ in range(3)
    ]
    everything = [reading for batch in batches for reading in batch]
    settings = HistorySettings(fan_in=2)

    async def store(history: History) -> None:
        position = history.covered() + 1
        await history.store(rows(batches[position - 1]), position)

    async def roll(history: History) -> None:
        await history.maintain(noon + HOUR_S)

    async def expire(history: History) -> None:
        await history.maintain(noon + 8 * DAY_S)

    async def check(folder: Path) -> None:
        history = History(folder, InProcess(), settings)
        there = [reading for batch in batches[: history.covered()] for reading in batch]
        assert parquet_files(folder) == history.stats().files
        # Buckets of 30 s, of minutes, and of hours.
        for points in (2_000, 1_000, 20):
            found = await history.series(*SERIES[2], midnight - HOUR_S, noon, points)
            assert buckets(found) == oracle(there, 2, found.grid)

    cuts = 0
    healthy = tmp_path / "healthy"
    await store(History(healthy, InProcess(), settings))
    for number, step in enumerate((store, roll, store, roll, expire)):
        for at in itertools.count():
            folder = tmp_path / f"{number}-{at}"
            shutil.copytree(healthy, folder)
            disk = CutDisk(at)
            monkeypatch.setattr(parquet, "DISK", disk)
            with contextlib.suppress(PowerCut):
                await step(History(folder, InProcess(), settings, disk))
            monkeypatch.setattr(parquet, "DISK", DISK)
            await check(folder)
            if disk.left >= 0:
                healthy = folder
                break
            cuts += 1
    assert cuts > 100
    complete = History(healthy, InProcess(), settings)
    assert (complete.covered(), complete.stats().raw_rows) == (3, 0)
    found = await complete.series(*SERIES[0], midnight - HOUR_S, noon, 20)
    assert buckets(found) == oracle(everything, 0, found.grid)


async def test_what_is_covered_is_not_stored_again(tmp_path: Path) -> None:
    history = History(tmp_path, InProcess())
    await history.store(rows([(0, MIDNIGHT, 1.0)]), 10)
    await history.store(rows([(0, MIDNIGHT, 1.0)]), 10)
    await history.store(rows([]), 25)
    again = History(tmp_path, InProcess())
    assert (again.covered(), again.stats().raw_rows) == (25, 1)


async def test_old_rows_go_and_their_rollups_answer(tmp_path: Path) -> None:
    history = History(tmp_path, InProcess())
    readings: list[Reading] = [(0, MIDNIGHT + n * 10.0, float(n)) for n in range(720)]
    await history.store(rows(readings), 1)
    fine = await history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 600, 600)
    assert fine.grid.width_us == 1_000_000
    await history.maintain(MIDNIGHT + 8 * DAY_S)
    assert history.stats().raw_rows == 0
    coarse = await history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 600, 600)
    assert coarse.grid.width_us == 60_000_000
    assert buckets(coarse) == oracle(readings, 0, coarse.grid)
    newer = await history.series(*SERIES[0], MIDNIGHT + 4 * DAY_S, MIDNIGHT + 4 * DAY_S + 60, 60)
    assert newer.grid.width_us == 1_000_000
    await history.maintain(MIDNIGHT + 91 * DAY_S)
    assert history.stats().files == 0
    assert parquet_files(tmp_path) == 0
    empty = await history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 600, 600)
    assert (empty.grid.width_us, empty.count.sum()) == (3_600_000_000, 0)


async def test_a_folder_of_format_1_is_read_and_its_rows_arrived_at_their_event_times(
    tmp_path: Path,
) -> None:
    """Its raw files have no `arrival`; they merge with those that have."""
    import duckdb

    settings = HistorySettings(fan_in=2)
    history = History(tmp_path, InProcess(), settings)
    before: list[Reading] = [(0, MIDNIGHT - 60 + n, float(n)) for n in range(3)]
    await history.store(rows(before), 1)
    (file,) = (tmp_path / "raw").glob("*/*")
    newer = file.rename(tmp_path / "newer.parquet")
    columns = "SELECT * EXCLUDE (arrival, arrival_row)"
    duckdb.execute(f"COPY ({columns} FROM '{newer}') TO '{file}' (FORMAT parquet)")
    newer.unlink()
    index = msgspec.json.decode((tmp_path / "index.json").read_bytes())
    index["format"] = 1
    del index["files"][0]["stored"]["arrived"]
    (tmp_path / "index.json").write_bytes(msgspec.json.encode(index))

    history = History(tmp_path, InProcess(), settings)
    after: list[Reading] = [(0, MIDNIGHT - 50, 7.0)]
    await history.store(rows(after), 2)
    for _ in range(2):
        await assert_as_the_oracle(history, before + after, MIDNIGHT - 60, MIDNIGHT, 60)
        await history.maintain(MIDNIGHT + 2 * HOUR_S)
    assert parquet_files(tmp_path) == 3, "rolled up and merged"
    found = duckdb.execute(
        "SELECT epoch(arrival - time), arrival_row FROM read_parquet(?) ORDER BY time",
        [f"{tmp_path}/raw/*/*.parquet"],
    ).fetchall()
    assert found == [(0.0, -1)] * 3 + [(50.0, 0)]


async def test_others_can_read_the_files(tmp_path: Path) -> None:
    history = History(tmp_path, InProcess())
    await history.store(rows([(3, MIDNIGHT + 0.25, 2.0), (0, MIDNIGHT - 1, 1.0)]), 1)
    import duckdb

    query = "SELECT device, metric, time::VARCHAR, value, late FROM read_parquet(?) ORDER BY time"
    found = duckdb.execute(query, [f"{tmp_path}/raw/*/*.parquet"]).fetchall()
    assert found == [
        ("boiler-1", "temp_c", "2023-11-14 23:59:59", 1.0, False),
        ("µ'x", "a.b", "2023-11-15 00:00:00.25", 2.0, True),
    ]
    days = sorted(path.parent.name for path in (tmp_path / "raw").glob("*/*"))
    assert days == ["2023-11-14", "2023-11-15"]


TEXT = 2  # of SERIES


def with_texts(readings: Sequence[Reading], texts: Sequence[str]) -> Rows:
    """Rows in which the values of one series are codes of `texts`."""
    columns = Readings(
        np.array([series for series, _, _ in readings], np.int32),
        np.array([time for _, time, _ in readings], np.float64),
        np.array([value for _, _, value in readings], np.float64),
        np.zeros(len(readings), np.bool_),
        np.full(len(readings), MIDNIGHT),
        np.arange(len(readings)),
    )
    return Rows.of(columns, SERIES.__getitem__, lambda series: series == TEXT, texts)


@pytest.mark.parametrize("rolled", [False, True])
async def test_texts_are_stored_as_they_were_said_and_are_in_no_figure(
    tmp_path: Path, rolled: bool
) -> None:
    settings = HistorySettings(FOR_EVER, FOR_EVER, unrolled_files=2, fan_in=2, merge_rows=300)
    history = History(tmp_path, InProcess(), settings)
    said = [(TEXT, MIDNIGHT + 1, 3.0), (0, MIDNIGHT + 2, 5.0), (TEXT, MIDNIGHT + 3, 1.0)]
    await history.store(with_texts(said, ["", "RUN", "", "ERR é"]), 1)
    await history.store(with_texts([(TEXT, MIDNIGHT + 61, 0.0)], ["IDLE"]), 2)
    # The same metric as a number, which it became.
    await history.store(rows([(TEXT, MIDNIGHT + 62, 7.0)]), 3)
    if rolled:
        await history.maintain(MIDNIGHT + DAY_S)
        assert len(list((tmp_path / "raw").glob("*/*"))) < 3
    import duckdb

    query = "SELECT metric, value, text FROM read_parquet(?) WHERE device = ? ORDER BY time"
    found = duckdb.execute(query, [f"{tmp_path}/raw/*/*.parquet", SERIES[TEXT][0]]).fetchall()
    assert found == [
        ("temp_c", None, "ERR é"), ("temp_c", None, "RUN"), ("temp_c", None, "IDLE"),
        ("temp_c", 7.0, None),
    ]  # fmt: skip
    minutes = await history.series(*SERIES[TEXT], MIDNIGHT, MIDNIGHT + 120, 2)
    assert buckets(minutes) == [None, (7.0, 7.0, 7.0, 1)]
    assert np.isnan([minutes.min[0], minutes.max[0]]).all()
    minutes = await history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 120, 2)
    assert buckets(minutes) == [(5.0, 5.0, 5.0, 1), None]


async def test_a_damaged_index_is_refused_and_a_missing_file_is_said(tmp_path: Path) -> None:
    history = History(tmp_path, InProcess())
    await history.store(rows([(0, MIDNIGHT, 1.0)]), 1)
    (stored,) = (tmp_path / "raw").glob("*/*")
    stored.unlink()
    again = History(tmp_path, InProcess())
    assert again.missing == [str(stored.relative_to(tmp_path))]
    assert (again.covered(), again.stats().files) == (1, 0)
    index = tmp_path / "index.json"
    newer = index.read_bytes().replace(b'"format": 2', b'"format": 3')
    for content, reason in ((newer, "format 3; expected 1 to 2"), (b"{", "truncated")):
        index.write_bytes(content)
        with pytest.raises(HistoryCorrupt, match=reason):
            History(tmp_path, InProcess())


async def test_a_chart_keeps_the_files_it_reads(tmp_path: Path, workers: Workers) -> None:
    """A merge during a query leaves the old files until the query is done."""
    history = History(tmp_path, workers, HistorySettings(fan_in=2))
    readings: list[Reading] = [(0, MIDNIGHT + n, float(n)) for n in range(100)]
    await history.store(rows(readings[:50]), 1)
    await history.store(rows(readings[50:]), 2)
    writer = psutil.Process().children()
    await history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 10, 10)
    (reader,) = [child for child in psutil.Process().children() if child not in writer]

    reader.send_signal(signal.SIGSTOP)
    chart = asyncio.ensure_future(history.series(*SERIES[0], MIDNIGHT, MIDNIGHT + 100, 100))
    await asyncio.sleep(0)
    old = set((tmp_path / "raw").glob("*/*"))
    await history.maintain(MIDNIGHT + HOUR_S)
    assert set((tmp_path / "raw").glob("*/*")) > old
    reader.send_signal(signal.SIGCONT)
    found = await chart
    assert buckets(found) == oracle(readings, 0, found.grid)
    assert len(set((tmp_path / "raw").glob("*/*"))) == 1


async def test_a_store_that_fails_covers_nothing_and_may_be_repeated(
    tmp_path: Path, workers: Workers
) -> None:
    history = History(tmp_path, workers)
    two_days: list[Reading] = [(0, MIDNIGHT, 1.0), (0, MIDNIGHT - 1, 1.0)]
    (tmp_path / "raw").mkdir()
    in_the_way = tmp_path / "raw" / "2023-11-14"
    in_the_way.write_text("no folder")
    with pytest.raises(WorkerTaskFailed, match="Error"):
        await history.store(rows(two_days), 1)
    assert history.covered() == 0
    assert parquet_files(tmp_path) == 0
    in_the_way.unlink()
    await history.store(rows(two_days), 1)
    assert (history.covered(), history.stats().raw_rows) == (1, 2)


class SlowNames(DiskFiles):
    """Its renames wait for the test."""

    def __init__(self) -> None:
        self.renaming, self.may_rename = threading.Event(), threading.Event()

    def rename(self, source: Path, target: Path) -> None:
        self.renaming.set()
        assert self.may_rename.wait(10)
        super().rename(source, target)


async def test_a_store_cancelled_at_its_last_step_says_that_it_stored(tmp_path: Path) -> None:
    """Else its caller would keep the rows and store them again."""
    disk = SlowNames()
    history = History(tmp_path, InProcess(), files=disk)
    stored: list[int] = []

    async def flush() -> None:
        await history.store(rows([(0, MIDNIGHT, 1.0)]), 1)
        stored.append(history.covered())
        await asyncio.sleep(0)
        stored.append(-1)

    flushing = asyncio.ensure_future(flush())
    assert await asyncio.to_thread(disk.renaming.wait, 10)
    flushing.cancel()
    await asyncio.sleep(0)
    disk.may_rename.set()
    with pytest.raises(asyncio.CancelledError):
        await flushing
    assert stored == [1]
    assert History(tmp_path, InProcess()).stats().raw_rows == 1


def test_the_server_does_not_import_duckdb() -> None:
    imports = (
        "import sys, tocsin.ingest.workers, tocsin.ingest.storage.history.history;"
        "print('duckdb' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"


async def test_an_hour_of_load_leaves_journal_and_history_within_their_bounds(
    tmp_path: Path, workers: Workers
) -> None:
    """30 devices of 4 metrics at 1 Hz, the bounds a hundredth of what an hour at 100 × has.

    Every simulated minute, as the server does: flush, snapshot, trim, maintain.
    """
    journal_bound, history_bound, segment_bytes = 700_000, 400_000, 200_000
    devices = [f"boiler-{n}" for n in range(30)]
    names = [(device, metric) for device in devices for metric in ("a", "b", "c", "d")]
    payload = b'{"a": 21.5, "b": 1013.25, "c": 0.25, "d": 17.5}'
    rng = np.random.default_rng(1)
    journal = Journal.open(tmp_path / "journal", JournalSettings(segment_bytes=segment_bytes))
    history = History(tmp_path / "history", workers, HistorySettings(bytes=history_bound))
    snapshots = Snapshots(tmp_path / "snapshots")
    largest_journal = largest_history = 0
    for second in range(3600):
        at = MIDNIGHT + second
        ack = journal.append(
            [Message(device, f"devices/{device}/telemetry", payload) for device in devices], at
        )
        if second % 60 < 59:
            continue
        through = await ack
        time = np.repeat(np.arange(at - 59, at + 1), len(names))
        series = np.tile(np.arange(len(names), dtype=np.int32), 60)
        late = np.zeros(len(time), np.bool_)
        row = series.astype(np.intp)
        flushed = Readings(series, time, rng.normal(50, 3, len(time)), late, time, row)
        await history.store(Rows.of(flushed, names.__getitem__), through)
        kept = snapshots.save(through, at, [b"state"])
        journal.trim(min(kept, history.covered()))
        largest_journal = max(largest_journal, journal.stats().bytes)
        await history.maintain(at)
        largest_history = max(largest_history, history.stats().bytes)
    await journal.close()

    assert journal.stats().appends == 3600
    assert segment_bytes < largest_journal <= journal_bound
    assert history_bound / 2 < largest_history <= history_bound
    on_disk = [path.stat().st_size for path in (tmp_path / "history").rglob("*.parquet")]
    assert sum(on_disk) == history.stats().bytes
    hour = await history.series(*names[0], MIDNIGHT, MIDNIGHT + HOUR_S, 1)
    assert (hour.count.tolist(), hour.through) == ([3600], 3600)


@given(
    st.floats(0, 4e9),
    st.floats(0.001, 4e8),
    st.integers(1, 10_000),
    st.sampled_from([0.0, 60.0, 3600.0]),
)
def test_a_grid_covers_its_range_with_about_the_points_asked_for(
    start: float, span: float, points: int, finest_s: float
) -> None:
    grid = Grid.over(start, start + span, points, finest_s)
    assert grid.start_us <= round(start * 1e6)
    assert grid.end_us >= round((start + span) * 1e6)
    assert grid.count <= points + 2
    assert grid.start_us % grid.width_us == 0
    assert grid.width_us >= finest_s * 1e6
    for unit_us in (60_000_000, 3_600_000_000, 86_400_000_000):
        assert grid.width_us < unit_us or grid.width_us % unit_us == 0 or unit_us > 60_000_000


@pytest.mark.parametrize(
    ("start", "end", "points", "reason"),
    [
        (5.0, 5.0, 10, "a start before its end"),
        (math.nan, 5.0, 10, "a start before its end"),
        (0.0, math.inf, 10, "a start before its end"),
        (0.0, 5.0, 0, "expected 1 to 10000"),
        (0.0, 5.0, 10_001, "expected 1 to 10000"),
    ],
)
def test_a_range_that_is_none_is_refused(
    start: float, end: float, points: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Grid.over(start, end, points)


readings = st.lists(st.tuples(st.just(0), st.floats(90, 210), st.integers(-9, 9).map(float)))


@given(readings, readings)
def test_rows_not_yet_stored_are_added(stored: list[Reading], fresh: list[Reading]) -> None:
    grid = Grid.over(100.0, 200.0, 10)
    series = Series.empty(grid, 5)
    for part in (stored, fresh):
        time, value = (np.array([row[column] for row in part], np.float64) for column in (1, 2))
        series = series.with_rows(time, value)
    assert buckets(series) == oracle([*stored, *fresh], 0, grid)
    means = [None if math.isnan(mean) else mean for mean in series.avg]
    assert means == [b and b[2] / b[3] for b in buckets(series)]
    assert series.time.tolist() == [100.0 + 10 * n for n in range(10)]
