"""The worker of users' functions: loads them, and runs them on what the server sends.

`python -P -m tocsin.ingest.functions.worker`, started by `tocsin.ingest.functions.process` in a
session of its own, with an empty environment. It ends with its stdin, and with the server.
"""

import contextlib
import ctypes
import importlib.metadata
import importlib.util
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import BinaryIO

import msgspec
import numpy as np

from tocsin.ingest import frames
from tocsin.ingest.functions import protocol
from tocsin.ingest.functions.calls import Messages, run_alerts, run_readings, told
from tocsin.ingest.functions.lines import Lines
from tocsin.ingest.functions.protocol import (
    Batch,
    Begun,
    Described,
    Load,
    Loaded,
    Ran,
    Said,
    Transitions,
)
from tocsin.ingest.functions.registration import AlertSeen, Function, registered

GROUP = "tocsin.functions"
NICENESS = 10
OPEN_FILES = 256
DOC_CHARACTERS = 200
LINES_S = 0.2
"""Between lines that are said within a call."""

_PR_SET_PDEATHSIG = 1


class Worker:
    """State: the functions, the names of series, what was printed and not said yet."""

    def __init__(self, replies: BinaryIO, lines: Lines) -> None:
        self._replies = replies
        self._lines = lines
        self._functions: dict[str, Function] = {}
        self._names: dict[int, tuple[str, str]] = {}
        self._running = ""
        self._home = os.getpid()
        self._lines_said_at = time.monotonic()
        lines.on_line = self._say_lines_soon

    def answer(self, body: frames.Body, columns: list[bytes]) -> None:
        """Do what the server asks for, and say `ok`."""
        match body.word:
            case protocol.LOAD:
                self._load(msgspec.msgpack.decode(body.value, type=Load))
            case protocol.READINGS:
                self._readings(msgspec.msgpack.decode(body.value, type=Batch), columns)
            case protocol.ALERTS:
                asked = msgspec.msgpack.decode(body.value, type=Transitions)
                alerts = [msgspec.msgpack.decode(each, type=AlertSeen) for each in asked.alerts]
                run_alerts(self._of(asked.functions), alerts, self._say)
            case word:
                raise LookupError(f"request {word!r}; expected load, readings or alerts")
        self._say_lines()
        frames.write(self._replies, frames.OK, None, [])

    def _of(self, names: list[str]) -> list[Function]:
        return [self._functions[name] for name in names if name in self._functions]

    def _readings(self, asked: Batch, columns: list[bytes]) -> None:
        self._names.update({series: (device, name) for series, device, name in asked.names})
        series, time, value, kind, late, row = columns
        messages = Messages(
            np.frombuffer(series, np.int32),
            np.frombuffer(time, np.float64),
            np.frombuffer(value, np.float64),
            np.frombuffer(kind, np.int8),
            np.frombuffer(late, np.int8),
            np.frombuffer(row, np.int32),
            self._names,
            asked.texts,
        )
        run_readings(self._of(asked.functions), messages, self._say)

    def _load(self, asked: Load) -> None:
        _limit(asked.memory_bytes)
        if asked.files:
            # Behind everything installed: a file of a user is no stand-in for a library.
            sys.path.append(str(Path(asked.files[0]).parent))
        for file in asked.files:
            path = Path(file)
            self._load_one(path.name, path.stem, lambda path=path: _import(path))
        for point in importlib.metadata.entry_points(group=GROUP):
            if point.name in asked.entry_points:
                self._load_one(point.name, point.name, point.load)

    def _load_one(self, source: str, prefix: str, load: Callable[[], object]) -> None:
        self._say(Begun(source))
        registered.clear()
        error: str | None = None
        try:
            load()
        except BaseException as raised:  # also SystemExit
            error = told(raised)
        found: dict[str, Function] = {}
        if error is None:
            for function in registered:
                function.name = f"{prefix}.{getattr(function.call, '__name__', 'function')}"
                if function.name in found or function.name in self._functions:
                    error = f"two functions have the name {function.name!r}; expected one"
                    found = {}
                    break
                found[function.name] = function
        self._functions |= found
        described = [
            Described(
                each.name,
                each.kind,
                each.devices.text,
                list(each.metrics),
                (each.call.__doc__ or "").strip().partition("\n")[0][:DOC_CHARACTERS],
            )
            for each in found.values()
        ]
        self._say(Loaded(source, described, error))

    def _say(self, said: Begun | Loaded | Ran) -> None:
        if os.getpid() != self._home:
            os._exit(0)  # a function forked, and its child came back from it
        self._say_lines()
        if isinstance(said, Begun):
            self._running = said.name
        frames.write(self._replies, frames.PROGRESS, said, [])

    def _say_lines_soon(self) -> None:
        """Within a call too, so that the last words of one that never comes back are heard. Only
        this thread writes frames."""
        if (
            time.monotonic() - self._lines_said_at >= LINES_S
            and threading.current_thread() is threading.main_thread()
            and os.getpid() == self._home
        ):
            self._say_lines()

    def _say_lines(self) -> None:
        self._lines_said_at = time.monotonic()
        lines, dropped = self._lines.take()
        if lines or dropped:
            frames.write(self._replies, frames.PROGRESS, Said(self._running, lines, dropped), [])


def _import(path: Path) -> ModuleType:
    name = f"functions.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} cannot be loaded; expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _limit(memory_bytes: int) -> None:
    """What the system lets this process have. Not on Windows."""
    try:
        import resource
    except ImportError:
        return
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (least, least))


def _die_with_the_server() -> None:
    """Also in the middle of a call that lets no other thread run. Linux only."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _read(stdin: BinaryIO, requests: SimpleQueue[tuple[frames.Body, list[bytes]]]) -> None:
    try:
        while (request := frames.read(stdin)) is not None:
            requests.put(request)
    finally:
        # What functions forked goes too: this process leads its group.
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(0)


def main() -> None:
    """Runs until stdin closes."""
    _die_with_the_server()
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    # The frames go through descriptors that nobody knows by their number, and no child inherits.
    replies, stdin = os.fdopen(os.dup(1), "wb"), os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    lines = Lines()
    sys.stdout = sys.stderr = lines
    logging.basicConfig(stream=lines, level=logging.INFO, format="%(levelname)s %(message)s")

    def alone() -> None:
        # A forked child must not write between the frames of its parent.
        os.dup2(nothing, replies.fileno())
        os.dup2(nothing, stdin.fileno())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=alone)
    requests: SimpleQueue[tuple[frames.Body, list[bytes]]] = SimpleQueue()
    threading.Thread(target=_read, args=(stdin, requests), daemon=True).start()
    worker = Worker(replies, lines)
    while True:
        worker.answer(*requests.get())


if __name__ == "__main__":
    main()
