"""What storage costs: `python -m benchmarks.storage [FOLDER]`, on the disk of FOLDER.

Journal: CPU per append and commits a second, with one device that waits for each ack, and with
batches as the broker makes them under load. History: a flush of 500,000 rows, and a day of one
series at 1 Hz to 1,000 points, with a cold worker, before and after roll-up and merge.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import numpy as np
import psutil

from tocsin.devices.message import Message
from tocsin.ingest.outcome import Readings
from tocsin.ingest.storage.history.history import History, Rows
from tocsin.ingest.storage.journal import Journal
from tocsin.ingest.workers import Workers

MIDNIGHT = 1_700_006_400.0
PAYLOAD = b'{"temp_c":21.5,"bar":1013.25,"rpm":1200,"on":true}'


def messages(count: int) -> list[Message]:
    return [Message(f"boiler-{n}", f"devices/boiler-{n}/telemetry", PAYLOAD) for n in range(count)]


async def journal(folder: Path, title: str, batch: int, in_flight: int, seconds: float) -> None:
    """Appends of `batch` messages with at most `in_flight` of them unacknowledged."""
    journal = Journal.open(folder / title.replace(" ", "-"))
    records, waiting = messages(batch), asyncio.Semaphore(in_flight)
    await journal.append(records, 0.0)
    began, cpu = time.perf_counter(), time.process_time()
    until = began + seconds
    while time.perf_counter() < until:
        await waiting.acquire()
        journal.append(records, 1.0).add_done_callback(lambda _: waiting.release())
    for _ in range(in_flight):
        await waiting.acquire()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    stats = journal.stats()
    await journal.close()
    print(
        f"journal, {title}: {stats.appends / took:,.0f} appends/s,"
        f" {stats.appends * batch / took:,.0f} messages/s, {stats.commits / took:,.0f} commits/s,"
        f" commit p50 {stats.p50_ms:.3f} p99 {stats.p99_ms:.3f} ms,"
        f" CPU {cpu / stats.appends * 1e6:.1f} µs an append"
    )


async def timed(title: str, times: int, work: Callable[[int], Awaitable[object]]) -> None:
    taken: list[float] = []
    for number in range(times):
        began = time.perf_counter()
        await work(number)
        taken.append(time.perf_counter() - began)
    note = f", median of {times}" if times > 1 else ""
    print(f"history, {title}: {median(taken) * 1e3:.1f} ms{note}")


async def lag(largest: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        largest[0] = max(largest[0], time.perf_counter() - before - 0.001)


async def history(folder: Path) -> None:
    workers = Workers()
    history = History(folder / "history", workers)
    rng = np.random.default_rng(1)
    rows = 500_000
    times = MIDNIGHT - 86_400 + np.sort(rng.random(rows)) * 60
    flush = Readings(
        rng.integers(0, 2_000, rows).astype(np.int32),
        times,
        rng.normal(50, 3, rows),
        np.zeros(rows, np.bool_),
        times,
        np.zeros(rows, np.intp),
    )

    def names(series: int) -> tuple[str, str]:
        return f"boiler-{series // 4}", f"metric_{series % 4}"

    began = time.perf_counter()
    columns = Rows.of(flush, names)
    print(f"history, columns of 500,000 rows: {(time.perf_counter() - began) * 1e3:.1f} ms")

    async def store(_: int) -> None:
        await history.store(columns, history.covered() + 1)

    await timed("store 500,000 rows, cold worker", 1, store)
    largest = [0.0]
    watch = asyncio.ensure_future(lag(largest))
    await timed("store 500,000 rows", 5, store)
    watch.cancel()
    print(f"history, longest hold of the event loop meanwhile: {largest[0] * 1e3:.1f} ms")

    devices = 100
    for hour in range(24):
        times = MIDNIGHT + hour * 3600 + np.arange(3600.0)
        series = np.repeat(np.arange(devices, dtype=np.int32), 3600)
        readings = Readings(
            series,
            np.tile(times, devices),
            rng.normal(50, 3, len(series)),
            np.zeros(len(series), np.bool_),
            np.tile(times, devices),
            series.astype(np.intp),
        )
        await history.store(
            Rows.of(readings, lambda series: (f"pump-{series}", "temp_c")), 10 + hour
        )

    async def day(title: str, points: int, times: int) -> None:
        async def chart(number: int) -> None:
            found = await history.series(
                f"pump-{7 + number}", "temp_c", MIDNIGHT, MIDNIGHT + 86_400, points
            )
            assert found.count.sum() == 86_400

        await timed(f"a day at 1 Hz to {points} points, {title}", times, chart)

    await day("24 files, cold worker", 1_000, 1)
    await day("24 files", 1_000, 9)
    began = time.perf_counter()
    await history.maintain(MIDNIGHT + 86_400 * 1.2)
    await history.maintain(MIDNIGHT + 86_400 * 2.5)
    print(f"history, roll-up and merge of 11,640,000 rows: {time.perf_counter() - began:.1f} s")
    await day("rolled up", 1_000, 9)
    await day("raw rows", 5_000, 9)
    stats = history.stats()
    print(
        f"history, {stats.raw_rows:,} raw rows in {stats.bytes / 1e6:.0f} MB, {stats.files} files"
    )
    server = psutil.Process()
    memory = [child.memory_info().rss / 1e6 for child in server.children()]
    print(
        f"resident: server {server.memory_info().rss / 1e6:.0f} MB,"
        f" workers {', '.join(f'{size:.0f}' for size in memory)} MB"
    )
    await workers.close()


async def main(folder: Path) -> None:
    await journal(folder, "one device waiting for each ack", 1, 1, 2.0)
    await journal(folder, "1,000 single appends in flight", 1, 1_000, 2.0)
    await journal(folder, "batches of 100, 4 in flight", 100, 4, 2.0)
    await history(folder)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        asyncio.run(main(Path(name)))
