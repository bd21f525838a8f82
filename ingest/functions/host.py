"""Feeds users' functions and takes in what they make, beside the pipeline and never in its way.

    on_outcome ──> queue ──> worker process ──> engine.derive (journal ∥ pipeline)
    on_committed ──────┘                  └───> engine.command (comments on alerts)

A reading was judged long before a function sees it. Whatever functions do, the queue drops its
oldest and counts them; a worker that is silent for longer than a call may take is killed, what it
forked too, and the function that was running rests.
"""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import Sequence

import structlog

from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import AlertCommand, Derived
from tocsin.ingest.frames import Column
from tocsin.ingest.functions import protocol
from tocsin.ingest.functions.ledger import FunctionsView, Ledger
from tocsin.ingest.functions.process import FunctionProcess, WorkerGone
from tocsin.ingest.functions.protocol import Load, Loaded, Progress, Ran, Said, Transitions
from tocsin.ingest.functions.queue import BY, FunctionQueue
from tocsin.ingest.functions.settings import FunctionSettings
from tocsin.ingest.functions.sources import GROUP, Stamp, function_files, stamp
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.storage.group_commit import JournalUnavailable

log = structlog.get_logger(__name__)

LOOK_S = 1.0
"""Between looks at the files."""
SETTLE_S = 0.1
"""Readings that turn nothing are told together; so long after one that functions want."""


class FunctionHost:
    """State: the queue, the ledger, the worker process if there is one, files that are left out."""

    def __init__(self, engine: Engine, settings: FunctionSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._now = engine.clock.now
        self.ledger = Ledger(settings)
        self._queue = FunctionQueue(settings, engine.pipeline.catalogue)
        self._process: FunctionProcess | None = None
        self._stamp: Stamp = ()
        self._left_out: set[str] = set()
        self._wake = asyncio.Event()
        self._settling: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._state = "none"
        self._faults = 0
        self._running = ""
        self._starts = self._lost = 0
        self._comments: list[tuple[str, str, str]] = []
        self._commit: asyncio.Future[int] | None = None

    def start(self) -> None:
        """Run what is in the folder, if anything is, from now on."""
        points = importlib.metadata.entry_points(group=GROUP) if self._settings.entry_points else ()
        self._points = sorted({point.name for point in points})
        if self._settings.folder is None and not self._points:
            return
        self._engine.on_outcome.append(self._on_outcome)
        self._engine.on_committed.append(self._on_committed)
        self._task = asyncio.create_task(self._run(), name="functions")

    async def stop(self) -> None:
        """End the worker at once; what waits for it is lost, and was judged long ago."""
        if self._settling:
            self._settling.cancel()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()

    def view(self) -> FunctionsView:
        queue = self._queue
        return FunctionsView(
            folder=None if self._settings.folder is None else str(self._settings.folder),
            worker=self._state,
            pid=self._process.pid if self._process else None,
            starts_total=self._starts,
            queued_readings=queue.readings,
            dropped_readings_total=queue.dropped_readings,
            dropped_alerts_total=queue.dropped_alerts,
            lost_readings_total=self._lost,
            sources=self.ledger.sources(),
            functions=self.ledger.functions(self._now()),
            log=list(self.ledger.log),
        )

    # -- what happens

    def _on_outcome(self, outcome: Outcome) -> None:
        queue = self._queue
        if not queue.wants_readings:
            return
        if outcome.readings is not None:
            queue.put_readings(outcome.readings)
            if queue.readings:
                self._wake.set()
        if outcome.waiting and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self._settle)

    def _settle(self) -> None:
        self._settling = None
        self._engine.settle()

    def _on_committed(self, outcome: Outcome) -> None:
        if outcome.alerts:
            self._queue.put_alerts(outcome.alerts)
            if self._queue.alerts:
                self._wake.set()

    # -- the worker

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception as error:
                # Ours to mend; the functions go on with a new worker.
                log.error("a fault beside users' functions", exc_info=error)
                await self._rest(f"a fault of the server: {error!r}")

    async def _turn(self) -> None:
        """Load what has changed, run what waits, and wait for more."""
        found = await asyncio.to_thread(stamp, self._settings.folder)
        if found != self._stamp:
            self._stamp, self._left_out, self._faults = found, set(), 0
            await self._end()
        if self._process is not None and self._process.ended:
            await self._rest("the worker ended between two calls")
        if self._process is None and not await self._load():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
                await asyncio.sleep(LOOK_S)
            return
        if not self._queue.readings and not self._queue.alerts:
            self._state = "idle"
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
        self._state = "busy"
        if self._queue.alerts:
            await self._run_alerts()
        if self._queue.readings:
            await self._run_readings()

    async def _load(self) -> bool:
        """Start a worker and load all there is; whether there is something to run."""
        files = [
            path
            for path in function_files(self._settings.folder)
            if path.name not in self._left_out
        ]
        points = [name for name in self._points if name not in self._left_out]
        if not files and not points:
            self._state = "none"
            self.ledger.finish()
            self._queue.want([])
            return False
        self._state = "starting"
        lost = {source.name: source.error for source in self.ledger.sources()}
        self.ledger.begin()
        for name in self._left_out:
            self.ledger.failed_to_load(name, lost.get(name) or "")
        self._running = ""
        try:
            self._process = await FunctionProcess.start(self._settings.folder, self._said)
            self._starts += 1
            await self._process.ask(
                protocol.LOAD,
                Load([str(path) for path in files], points, self._settings.memory_bytes),
                [],
                self._settings.load_s,
                self._on_progress,
            )
        except OSError as error:
            await self._rest(f"no process: {error}")
            return False
        except WorkerGone as gone:
            await self._end()
            if gone.running is None:
                await self._rest(str(gone))
                return False
            said = str(gone).replace("a call took", "it took")
            self._left_out.add(gone.running)
            self.ledger.failed_to_load(gone.running, f"{said}; not loaded until a file changes")
            return await self._load()
        self.ledger.finish()
        self._queue.want(self.ledger.described("reading", "readings", "alert"))
        return True

    async def _run_readings(self) -> None:
        names = self.ledger.ready(self._now(), "reading", "readings")
        parts = self._queue.take_readings()
        while names and parts:
            process = self._process
            if process is None:
                return
            batch, columns = self._queue.batch(parts, names, process.told)
            at = await self._ask(protocol.READINGS, batch, columns)
            if at is None:
                break
            # What the others have not seen yet, with a new worker.
            self._lost += len(columns[0])
            names = names[names.index(at) + 1 :] if at in names else []
            if names and not await self._load():
                return
        await self._committed()

    async def _run_alerts(self) -> None:
        names = self.ledger.ready(self._now(), "alert")
        alerts = self._queue.take_alerts()
        while names and alerts:
            at = await self._ask(protocol.ALERTS, Transitions(names, alerts), [])
            if at is None:
                return
            names = names[names.index(at) + 1 :] if at in names else []
            if names and not await self._load():
                return

    async def _ask(self, word: str, request: object, columns: Sequence[Column]) -> str | None:
        """Have it done: None, or which function the worker died of; empty: of none."""
        process = self._process
        if process is None:
            return ""
        try:
            await process.ask(word, request, columns, self._settings.budget_s, self._on_progress)
        except WorkerGone as gone:
            await self._end()
            if gone.running is None:
                await self._rest(str(gone))
                return ""
            log.warning("a function was stopped", function=gone.running, reason=str(gone))
            self.ledger.fault(gone.running, gone.how, str(gone), self._now())
            return gone.running
        finally:
            await self._comment()
        self._faults = 0
        return None

    def _on_progress(self, progress: Progress) -> None:
        match progress:
            case Loaded():
                self.ledger.loaded(progress)
                if progress.error:
                    log.warning("functions not loaded", file=progress.source, why=progress.error)
            case Said(name, lines, dropped):
                for line in lines:
                    self._say(name, line)
                if dropped:
                    self._say(name, f"… and {dropped} lines more, which were not kept")
            case Ran():
                self._take(progress)
            case protocol.Begun(name):
                self._running = name

    def _take(self, ran: Ran) -> None:
        """Journal and judge what a function made."""
        now = self._now()
        self.ledger.ran(ran, now)
        self._comments += [(ran.name, alert, text) for alert, text in ran.comments]
        if ran.rows:
            problems, self._commit = self._engine.derive(Derived(ran.name, ran.rows))
            count = sum(len(row.values) for row in ran.rows)
            self.ledger.derived(ran.name, count, problems, now)

    async def _committed(self) -> None:
        """While the disk is behind, functions wait, so that they do not add to it."""
        commit, self._commit = self._commit, None
        if commit is not None:
            await asyncio.wait([commit])

    async def _comment(self) -> None:
        comments, self._comments = self._comments, []
        for name, alert, text in comments:
            try:
                await self._engine.command(AlertCommand(alert, "comment", BY + name, text))
            except (KeyError, ValueError, JournalUnavailable) as error:
                self.ledger.derived(name, 0, [f"the comment was refused: {error}"], self._now())

    def _said(self, line: str) -> None:
        self._say(self._running, line)

    def _say(self, name: str, line: str) -> None:
        self.ledger.say(name, line, self._now())

    async def _rest(self, why: str) -> None:
        """The worker ended and no function is to blame: a new one, after a while."""
        await self._end()
        self._faults += 1
        pause = self._settings.pause_s * 2.0 ** min(self._faults - 1, 30)
        self._state = "paused"
        self._say("", why)
        await asyncio.sleep(min(pause, self._settings.longest_pause_s))

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end()
