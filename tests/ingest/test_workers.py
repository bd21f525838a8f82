"""Worker processes: real ones, stopped and killed with signals where they shall hang or crash."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import uvloop
from structlog.testing import capture_logs

from tocsin.ingest import frames
from tocsin.ingest.workers import (
    WorkerCrashed,
    WorkerDeadline,
    Workers,
    WorkersBusy,
    WorkerSettings,
    WorkerTaskFailed,
)

Reply = dict[str, Any]


async def check(workers: Workers, **request: object) -> Reply:
    return (await workers.call("worker.check", request, Reply))[0]


def processes() -> list[psutil.Process]:
    """The workers of this process."""
    return [
        child for child in psutil.Process().children() if "tocsin.ingest.worker" in child.cmdline()
    ]


async def none_left(workers: Workers) -> None:
    """Returns when no worker is counted any more."""
    async with asyncio.timeout(10):
        while workers.stats().processes:  # noqa: ASYNC110 - processes end outside the loop
            await asyncio.sleep(0.001)


async def hanging(workers: Workers) -> psutil.Process:
    """The one worker, started and stopped: the next task gets no reply."""
    await check(workers)
    (process,) = processes()
    process.send_signal(signal.SIGSTOP)
    return process


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_task_takes_columns_and_its_worker_is_used_again(new_loop: Any) -> None:
    async def main() -> None:
        workers = Workers()
        columns = [np.arange(300_000, dtype=np.float64), np.zeros(0, np.int32), np.ones(3, bool)]
        for _ in range(2):
            reply, _ = await workers.call("worker.check", {"a": 1}, Reply, columns=columns)
            assert reply == {"request": {"a": 1}, "bytes": [2_400_000, 0, 3]}
        assert (workers.stats().started, workers.stats().processes) == (1, 1)
        (process,) = processes()
        await workers.close()
        assert not process.is_running()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())


async def test_no_more_processes_than_places_and_no_longer_queue_than_allowed() -> None:
    workers = Workers(WorkerSettings(queries=2, waiting=3))
    calls = [asyncio.ensure_future(check(workers, n=n)) for n in range(7)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert [n for n, result in enumerate(done) if isinstance(result, WorkersBusy)] == [5, 6]
    assert [result["request"] for result in done if isinstance(result, dict)] == [
        {"n": n} for n in range(5)
    ]
    stats = workers.stats()
    assert (stats.started, stats.refused, stats.running, stats.waiting) == (2, 2, 0, 0)
    await workers.close()
    with pytest.raises(WorkersBusy, match="the server is stopping"):
        await check(workers)


async def test_what_a_task_raises_is_told_and_its_worker_lives() -> None:
    workers = Workers()
    with capture_logs() as logs:
        with pytest.raises(WorkerTaskFailed, match=r"LookupError: task 'no.such'; expected one of"):
            await workers.call("no.such", None, type(None))
        with pytest.raises(WorkerTaskFailed, match=r"history\.series: ValidationError"):
            await workers.call("history.series", {"folder": 5}, type(None))
        await check(workers)
        assert (workers.stats().started, workers.stats().failed) == (1, 2)
        await workers.close()
    said = "".join(entry["text"] for entry in logs)
    assert "Traceback" in said
    assert "ValidationError" in said


async def test_a_crash_is_reported_and_the_next_task_gets_a_new_worker() -> None:
    workers = Workers()
    process = await hanging(workers)
    call = asyncio.ensure_future(check(workers))
    await asyncio.sleep(0)
    process.kill()
    with pytest.raises(WorkerCrashed, match=r"worker\.check: its worker ended: status -9"):
        await call
    assert await check(workers, again=True) == {"request": {"again": True}, "bytes": []}
    assert (workers.stats().started, workers.stats().crashed) == (2, 1)
    await workers.close()


async def test_a_worker_that_died_while_idle_is_replaced() -> None:
    workers = Workers()
    await check(workers)
    (process,) = processes()
    process.kill()
    await none_left(workers)
    assert await check(workers) == {"request": {}, "bytes": []}
    assert workers.stats().crashed == 1
    await workers.close()


async def test_a_task_past_its_deadline_is_killed() -> None:
    workers = Workers()
    process = await hanging(workers)
    with pytest.raises(WorkerDeadline, match=r"worker\.check took longer than 0\.05 s"):
        await workers.call("worker.check", {}, Reply, deadline_s=0.05)
    assert await check(workers) == {"request": {}, "bytes": []}
    assert workers.stats().killed == 1
    await workers.close()
    assert not process.is_running()


async def test_a_cancelled_task_is_killed_and_its_place_is_free() -> None:
    workers = Workers(WorkerSettings(queries=1))
    process = await hanging(workers)
    call = asyncio.ensure_future(check(workers))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await check(workers) == {"request": {}, "bytes": []}
    await workers.close()
    assert not process.is_running()


async def test_closing_ends_a_task_that_hangs() -> None:
    workers = Workers()
    process = await hanging(workers)
    call = asyncio.ensure_future(check(workers))
    await asyncio.sleep(0)
    await workers.close()
    assert not process.is_running()
    with pytest.raises(WorkerCrashed):
        await call


async def test_an_idle_worker_ends() -> None:
    workers = Workers(WorkerSettings(idle_s=0.01))
    await check(workers)
    await none_left(workers)
    await check(workers)
    assert (workers.stats().started, workers.stats().crashed) == (2, 0)
    await workers.close()


async def test_a_worker_that_stores_ends_sooner_than_one_that_answers() -> None:
    workers = Workers(WorkerSettings(write_idle_s=0.01))
    await check(workers)
    await workers.call("worker.check", {"n": 1}, Reply, lane="write")
    async with asyncio.timeout(10):
        while workers.stats().processes > 1:  # noqa: ASYNC110 - processes end outside the loop
            await asyncio.sleep(0.001)
    assert workers.stats().started == 2
    await workers.close()


async def test_a_worker_that_retires_answers_and_ends() -> None:
    workers = Workers()
    reply, _ = await workers.call("worker.check", {"n": 1}, Reply, retire=True)
    assert reply["request"] == {"n": 1}
    assert (workers.stats().processes, workers.stats().crashed) == (0, 0)
    await workers.close()


SERVER = """
import asyncio, psutil
from tocsin.ingest.workers import Workers
async def main():
    await Workers().call("worker.check", {}, dict)
    print(psutil.Process().children()[0].pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_a_worker_ends_when_the_server_is_killed(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert server.stdout is not None
    worker = psutil.Process(int(server.stdout.readline()))
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    _, alive = psutil.wait_procs([worker], timeout=10)
    assert not alive


def test_a_frame_survives_the_pipe_and_a_cut_one_is_the_end() -> None:
    pipe = io.BytesIO()
    columns = [np.arange(5, dtype=np.int32), np.zeros(0)]
    frames.write(pipe, "task", {"device": "d"}, columns)
    whole = pipe.getvalue()
    parsed = frames.read(io.BytesIO(whole))
    assert parsed is not None
    body, received = parsed
    assert (body.word, bytes(body.value)) == ("task", b"\x81\xa6device\xa1d")
    assert received == [columns[0].tobytes(), b""]
    for length in range(len(whole)):
        assert frames.read(io.BytesIO(whole[:length])) is None


def test_an_absurd_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="frame of 4294967295 bytes"):
        frames.read(io.BytesIO(b"\xff\xff\xff\xff"))
    with pytest.raises(ValueError, match="columns of"):
        frames.parse(b"\x93\xa1t\xc0\x91\xce\x7f\xff\xff\xff")
