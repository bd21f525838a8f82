"""Worker processes: what takes long or may hang runs there, never on the event loop.

A thread cannot be killed and holds the interpreter's lock; a process can, and its memory goes
with it. Workers are started when needed, killed on cancel and on deadline, and end when idle.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
import numpy as np
import structlog

from tocsin.ingest import frames

T = TypeVar("T")
Lane = Literal["query", "write", "backtest"]
OnProgress = Callable[[msgspec.Raw], None]

_log = structlog.get_logger(__name__)

# A pipe takes 64 KiB at a time: a larger slice would only be copied into asyncio's buffer.
_SLICE_BYTES = 256 << 10
_STDERR_KEPT_BYTES = 4096


class WorkerError(RuntimeError):
    """A task did not give a result."""


class WorkerTaskFailed(WorkerError):
    """The task raised; its worker lives. `reason` is what it said, without its name."""

    def __init__(self, task: str, said: str) -> None:
        super().__init__(f"{task}: {said}")
        self.reason = said.partition(": ")[2] or said


class WorkerCrashed(WorkerError):
    """The worker ended within the task; the next task gets a new one."""


class WorkerDeadline(WorkerError):
    """The task took too long; its worker was killed."""


class WorkersBusy(WorkerError):
    """Too many tasks wait already."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How many workers, how long, how many may wait."""

    queries: int = 2
    """Processes that answer people: charts, previews. On two cores more would only get in
    each other's way."""
    writes: int = 1
    """Processes that store: one, so that files are written in order."""
    waiting: int = 64
    """Tasks that may wait for a process, per lane; the next is refused with WorkersBusy."""
    backtests: int = 1
    """Processes that judge the past, at a lower priority than the server."""
    query_deadline_s: float = 15.0
    """A chart that takes longer is of no use to the person who asked."""
    write_deadline_s: float = 120.0
    backtest_deadline_s: float = 120.0
    """Twice what the largest should take."""
    idle_s: float = 60.0
    """A worker without a task for this long ends and gives its memory back, about 95 MB."""
    write_idle_s: float = 5.0
    """The same for those that store. A checkpoint a minute would keep one for ever; to start one
    takes 0.4 s of a processor."""


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Tasks and processes since the start."""

    running: int
    waiting: int
    processes: int
    started: int
    tasks: int
    failed: int
    crashed: int
    killed: int
    refused: int


class _Lane:
    """Owns the idle workers of one kind of task and the places of the busy ones."""

    def __init__(self, size: int, deadline_s: float, idle_s: float):
        self.deadline_s = deadline_s
        self.idle_s = idle_s
        self.places = asyncio.Semaphore(size)
        self.idle: list[_Worker] = []
        self.waiting = 0
        self.running = 0


class Workers:
    """Owns all worker processes."""

    def __init__(self, settings: WorkerSettings | None = None):
        settings = settings or WorkerSettings()
        self._settings = settings
        self._lanes: dict[Lane, _Lane] = {
            "query": _Lane(settings.queries, settings.query_deadline_s, settings.idle_s),
            "write": _Lane(settings.writes, settings.write_deadline_s, settings.write_idle_s),
            "backtest": _Lane(settings.backtests, settings.backtest_deadline_s, settings.idle_s),
        }
        self._ending: set[asyncio.Task[None]] = set()
        self._alive: set[_Worker] = set()
        self._closed = False
        self._started = self._tasks = self._failed = 0
        self._crashed = self._killed = self._refused = 0

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
        """The reply of `task` (a name in `tocsin.ingest.worker.TASKS`) as `reply`, and its columns.

        `columns` are C-contiguous arrays that stay unchanged until this returns. A cancelled
        caller's worker is killed. After a task that needs much memory `retire` ends its worker,
        which would keep it. `on_progress` gets, in msgpack, what the task says of how far it is.
        Raises WorkerError.
        """
        place = self._lanes[lane]
        if self._closed or place.waiting >= self._settings.waiting:
            self._refused += 1
            reason = "the server is stopping" if self._closed else f"{place.waiting} tasks wait"
            raise WorkersBusy(f"{task} refused: {reason}")
        place.waiting += 1
        try:
            await place.places.acquire()
        finally:
            place.waiting -= 1
        place.running += 1
        try:
            limit_s = place.deadline_s if deadline_s is None else deadline_s
            body, result = await self._run(
                place, task, request, columns, limit_s, retire, on_progress
            )
        finally:
            place.running -= 1
            place.places.release()
        if body.word == frames.ERROR:
            self._failed += 1
            raise WorkerTaskFailed(task, msgspec.msgpack.decode(body.value, type=str))
        return msgspec.msgpack.decode(body.value, type=reply), result

    def stats(self, lane: Lane | None = None) -> WorkerStats:
        """Of all lanes; with `lane`, what runs and waits is that of it alone."""
        lanes = [self._lanes[lane]] if lane else self._lanes.values()
        return WorkerStats(
            running=sum(lane.running for lane in lanes),
            waiting=sum(lane.waiting for lane in lanes),
            processes=len(self._alive),
            started=self._started,
            tasks=self._tasks,
            failed=self._failed,
            crashed=self._crashed,
            killed=self._killed,
            refused=self._refused,
        )

    async def close(self, within_s: float | None = None) -> None:
        """Ends all workers: the idle ones by closing their stdin, the busy ones by force, and
        after `within_s` whoever is left."""
        self._closed = True
        idle = [worker for lane in self._lanes.values() for worker in lane.idle]
        for lane in self._lanes.values():
            lane.idle.clear()
        workers = list(self._alive)
        for worker in workers:
            self._end(worker, kill=worker not in idle)
        if self._ending:
            await asyncio.wait(self._ending, timeout=within_s)
        for worker in workers:
            if worker.process.returncode is None:
                worker.kill()
        await asyncio.gather(*self._ending)

    async def _run(
        self,
        lane: _Lane,
        task: str,
        request: object,
        columns: Sequence[frames.Column],
        deadline_s: float,
        retire: bool,
        on_progress: OnProgress | None,
    ) -> tuple[frames.Body, list[bytes]]:
        self._tasks += 1
        worker: _Worker | None = None
        try:
            async with asyncio.timeout(deadline_s):
                worker = await self._take(lane)
                body, result = await worker.ask(task, request, columns, on_progress)
        except TimeoutError:
            self._kill(worker)
            raise WorkerDeadline(f"{task} took longer than {deadline_s:g} s") from None
        except (EOFError, OSError) as error:
            if worker is None:
                raise WorkerCrashed(f"{task}: no worker process: {error}") from error
            self._crashed += 1
            # Not killed: Popen.kill polls, which takes the exit status from under asyncio.
            await self._end(worker)
            raise WorkerCrashed(f"{task}: its worker ended: {worker.last_words()}") from error
        except BaseException:
            self._kill(worker)
            raise
        if retire or self._closed:
            self._end(worker)
        else:
            self._give_back(lane, worker)
        return body, result

    async def _take(self, lane: _Lane) -> "_Worker":
        if lane.idle:
            worker = lane.idle.pop()
            worker.awake()
            return worker
        worker = _Worker(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the folder the server was started in is not to be imported from
                "-m",
                "tocsin.ingest.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C in the terminal is for the server, which ends its workers in order.
                start_new_session=True,
            )
        )
        self._started += 1
        self._alive.add(worker)

        def died() -> None:
            # Within a task its caller is told, by the end of stdout.
            if worker in lane.idle:
                lane.idle.remove(worker)
                self._crashed += 1
                self._end(worker)

        worker.on_end(died)
        return worker

    def _give_back(self, lane: _Lane, worker: "_Worker") -> None:
        def end_idle() -> None:
            lane.idle.remove(worker)
            self._end(worker)

        lane.idle.append(worker)
        worker.doze(lane.idle_s, end_idle)

    def _kill(self, worker: "_Worker | None") -> None:
        if worker is not None:
            self._killed += 1
            self._end(worker, kill=True)

    def _end(self, worker: "_Worker", *, kill: bool = False) -> asyncio.Task[None]:
        self._alive.discard(worker)
        if kill:
            worker.kill()
        ending = asyncio.ensure_future(worker.end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending


class _Worker:
    """Owns one process, its pipes, and the task that carries its stderr to the log."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self._stderr = b""
        self._listening = asyncio.ensure_future(self._listen())
        self._timer: asyncio.TimerHandle | None = None

    async def ask(
        self,
        task: str,
        request: object,
        columns: Sequence[frames.Column],
        on_progress: OnProgress | None,
    ) -> tuple[frames.Body, list[bytes]]:
        """Sends a task and waits for its reply. Raises EOFError or OSError when it ends."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None:
            raise EOFError("worker without pipes; expected stdin and stdout")
        stdin.write(frames.head(task, request, columns))
        for column in columns:
            rest = column.view(np.uint8).data
            while rest:
                stdin.write(rest[:_SLICE_BYTES])
                rest = rest[_SLICE_BYTES:]
                await stdin.drain()
        await stdin.drain()
        while True:
            prefix = await stdout.readexactly(frames.LENGTH.size)
            body = frames.parse(await stdout.readexactly(frames.body_length(prefix)))
            if body.word != frames.PROGRESS:
                break
            if on_progress is not None:
                on_progress(body.value)
        return body, [await stdout.readexactly(size) for size in body.sizes]

    def on_end(self, died: Callable[[], None]) -> None:
        """Calls `died` when the process has closed its stderr, as its end does."""
        self._listening.add_done_callback(lambda _: died())

    def doze(self, idle_s: float, end_idle: Callable[[], None]) -> None:
        """Calls `end_idle` after `idle_s` unless it is `awake` before."""
        self._timer = asyncio.get_running_loop().call_later(idle_s, end_idle)

    def awake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def last_words(self) -> str:
        """How it ended, for the error: exit status and the end of its stderr."""
        said = self._stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return f"status {self.process.returncode}, stderr {said!r}"

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        """Closes stdin, which ends a worker without a task, and waits until it is gone."""
        self.awake()
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            self.kill()
            await self.process.wait()
        await self._listening

    async def _listen(self) -> None:
        stderr = self.process.stderr
        while stderr is not None and (said := await stderr.read(_STDERR_KEPT_BYTES)):
            self._stderr = (self._stderr + said)[-_STDERR_KEPT_BYTES:]
            _log.warning(
                "worker wrote to stderr",
                pid=self.process.pid,
                text=said.decode(errors="replace").rstrip(),
            )
