"""The worker process of users' functions, as the server has it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tocsin.ingest import frames
from tocsin.ingest.functions.protocol import (
    LINE_CHARACTERS,
    REPLY_LIMIT_BYTES,
    SAYS_S,
    Begun,
    Progress,
    Said,
)

_STDERR_BYTES = 4096
_STDERR_PAUSE_S = 0.05
"""So much at once, and then a pause: who writes a gigabyte past our streams waits for us, and not
we for it; then its call takes too long."""
_SLICE_BYTES = 256 << 10
_END_S = 5.0

# What a library needs to find the system. Nothing else: secrets are in the environment.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SYSTEMROOT")
# A pool of threads for each array would take address space, and the processors of the server.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_decode = msgspec.msgpack.Decoder(Progress).decode


class WorkerGone(RuntimeError):
    """The worker is no more, or had to go. `running` is what it was at, if anything."""

    def __init__(self, how: Literal["hung", "crashed"], running: str | None, said: str) -> None:
        super().__init__(said)
        self.how: Literal["hung", "crashed"] = how
        self.running = running


class FunctionProcess:
    """Owns a worker process and its pipes. `said` gets what is written to its stderr, by line."""

    def __init__(self, process: asyncio.subprocess.Process, said: Callable[[str], None]) -> None:
        self._process = process
        self._said = said
        self._killed = False
        self._listening = asyncio.create_task(self._listen(), name="stderr of functions")
        self.told: set[int] = set()  # series that it knows the names of

    @classmethod
    async def start(cls, folder: Path | None, said: Callable[[str], None]) -> "FunctionProcess":
        """Raises OSError when the system gives no process."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "tocsin.ingest.functions.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={**kept, **ONE_THREAD},
                cwd=folder or Path("/"),
            ),
            said,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def ask(
        self,
        word: str,
        request: object,
        columns: Sequence[frames.Column],
        silent_s: float,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Send a request and wait for its end; the worker may be silent for `silent_s` between two
        signs of life. Raises WorkerGone, and then it is killed.
        """
        running: str | None = None
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(silent_s + _END_S):
                await self._send(word, request, columns)
            deadline = clock() + silent_s + 2 * SAYS_S
            while True:
                async with asyncio.timeout_at(deadline):
                    body = await self._receive()
                if body.word != frames.PROGRESS:
                    return
                progress = _decode(body.value)
                if not isinstance(progress, Said):  # who prints for ever hangs too
                    deadline = clock() + silent_s + 2 * SAYS_S
                if isinstance(progress, Begun):
                    running = progress.name
                on_progress(progress)
        except TimeoutError:
            self.kill()
            said = f"a call took longer than {silent_s:g} s; its worker was killed"
            raise WorkerGone("hung", running, said) from None
        except (EOFError, OSError) as error:
            self.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._process.wait()
            said = f"its worker ended with status {self._process.returncode}"
            raise WorkerGone("crashed", running, said) from error
        except (msgspec.DecodeError, ValueError) as error:
            self.kill()
            raise WorkerGone("crashed", running, f"its worker spoke nonsense: {error}") from error
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, and what it forked."""
        if not self._killed:
            self._killed = True  # once: later the number may be another's
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it and wait until it is gone."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def _send(self, word: str, request: object, columns: Sequence[frames.Column]) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise EOFError("worker without stdin")
        stdin.write(frames.head(word, request, columns))
        for column in columns:
            rest = memoryview(column.tobytes())
            while rest:
                stdin.write(rest[:_SLICE_BYTES])
                rest = rest[_SLICE_BYTES:]
                await stdin.drain()
        await stdin.drain()

    async def _receive(self) -> frames.Body:
        stdout = self._process.stdout
        if stdout is None:
            raise EOFError("worker without stdout")
        length = frames.body_length(await stdout.readexactly(frames.LENGTH.size))
        if length > REPLY_LIMIT_BYTES:
            raise ValueError(f"frame of {length} bytes; expected at most {REPLY_LIMIT_BYTES}")
        body = frames.parse(await stdout.readexactly(length))
        if body.sizes:
            raise ValueError("columns in a reply; expected none")
        return body

    async def _listen(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (said := await stderr.read(_STDERR_BYTES)):
            for line in said.decode(errors="replace").splitlines()[:20]:
                if line.strip():
                    self._said(line[:LINE_CHARACTERS])
            await asyncio.sleep(_STDERR_PAUSE_S)
