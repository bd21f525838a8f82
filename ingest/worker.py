"""A worker process: reads tasks from stdin, runs them one at a time, replies on stdout.

`python -m tocsin.ingest.worker`, started by `tocsin.ingest.workers`. It ends with its stdin,
which closes when the server ends it and when the server dies, in the middle of a task too.
"""

import contextlib
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from queue import SimpleQueue
from typing import BinaryIO

import msgspec

from tocsin.ingest import frames

NICENESS = 10
"""Below the server's own priority by this much: a tenth of its share of a busy processor."""

Reply = tuple[object, Sequence[frames.Column]]
Task = Callable[[msgspec.Raw, list[bytes]], Reply | Generator[object, None, Reply]]

TASKS = {
    "backtest.run": "tocsin.ingest.backtest.task:run",
    "history.store": "tocsin.ingest.storage.history.parquet:store",
    "history.merge": "tocsin.ingest.storage.history.parquet:merge",
    "history.series": "tocsin.ingest.storage.history.parquet:series",
    "history.windows": "tocsin.ingest.storage.history.windows:windows",
    "worker.check": "tocsin.ingest.worker:check",
}
"""Every task there is, and the function that runs it, imported when first asked for.

A task takes the request, still encoded, and its columns; it returns a value that msgspec can
encode and the reply's columns. What it raises is the caller's WorkerTaskFailed. A task that takes
long may be a generator that yields how far it is and returns its reply.
"""


def check(request: msgspec.Raw, columns: list[bytes]) -> Reply:
    """Replies with what it got: shows that workers start and answer here (`tocsin doctor`)."""
    return {"request": msgspec.msgpack.decode(request), "bytes": [len(c) for c in columns]}, []


def find(name: str) -> Task:
    """The function of a task. Raises LookupError."""
    try:
        module, function = TASKS[name].split(":")
    except KeyError:
        raise LookupError(f"task {name!r}; expected one of {', '.join(TASKS)}") from None
    task: Task = getattr(importlib.import_module(module), function)
    return task


def main() -> None:
    """Runs until stdin closes."""
    # Whatever a person asks for here, the server that judges readings goes first.
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    replies = os.fdopen(os.dup(1), "wb")
    # What a task or a library prints must not get between the frames: it goes to stderr.
    os.dup2(2, 1)
    requests: SimpleQueue[tuple[frames.Body, list[bytes]]] = SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, requests), daemon=True).start()
    while True:
        body, columns = requests.get()
        try:
            value, result = complete(
                find(body.word)(body.value, columns),
                lambda progress: frames.write(replies, frames.PROGRESS, progress, []),
            )
        except Exception as error:
            traceback.print_exc()
            frames.write(replies, frames.ERROR, f"{type(error).__name__}: {error}", [])
        else:
            frames.write(replies, frames.OK, value, result)


def complete(
    begun: Reply | Generator[object, None, Reply], tell: Callable[[object], None]
) -> Reply:
    """The reply of a task; `tell` gets what it yields before."""
    if not isinstance(begun, Generator):
        return begun
    while True:
        try:
            progress = next(begun)
        except StopIteration as end:
            reply: Reply = end.value
            return reply
        tell(progress)


def _read(stdin: BinaryIO, requests: SimpleQueue[tuple[frames.Body, list[bytes]]]) -> None:
    try:
        while (request := frames.read(stdin)) is not None:
            requests.put(request)
    finally:
        # A reply is out before its requester closes stdin; a task that still runs has no
        # requester any more. It cannot be stopped otherwise, and every file it writes is
        # made under a temporary name.
        os._exit(0)


if __name__ == "__main__":
    main()
