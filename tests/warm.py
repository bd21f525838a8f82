"""Commands of Tocsin in processes of their own that need not import it first.

A process that has imported Tocsin once waits for what to run, and forks: what runs is a process as
any other, which can be killed, with all the code that `python -m tocsin` runs, after imports that
took three quarters of a start. `scripts/test --long` starts everything from nothing, as do the
tests of starting itself, and so does a system without fork.
"""

import atexit
import contextlib
import faulthandler
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

AVAILABLE = sys.platform == "linux" and os.environ.get("LONG_TESTS") != "long"
"""Not on macOS: its libraries do not survive a fork."""
START_S = 60.0


class Process:
    """A forked command. As a Popen: `poll`, `wait`, `send_signal`, `pid`, `returncode`."""

    def __init__(self, said: int) -> None:
        """`said`: a pipe that gives the process id, and the exit status when it has ended."""
        self._said = os.fdopen(said, "rb", buffering=0)
        self.pid = int(self._line(START_S))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._said], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = int(self._line(timeout))
            self._said.close()
        return self.returncode

    def send_signal(self, how: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _line(self, timeout: float | None) -> bytes:
        if not select.select([self._said], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("tocsin", timeout or 0.0)
        line = self._said.readline()
        if not line:
            raise AssertionError("the process that forks has ended")
        return line


class Forking:
    """State: the process that forks, started with the first command."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None

    def start(
        self,
        arguments: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    ) -> Process:
        """`python -m tocsin …` with `files` as its stdin, stdout and stderr."""
        control = self._control = self._control or _begin()
        asked = {"arguments": list(arguments), "folder": str(folder), "env": dict(env)}
        line = json.dumps(asked).encode()
        gives, takes = os.pipe()
        try:
            given = [*(each.fileno() for each in files), takes]
            socket.send_fds(control, [len(line).to_bytes(4)], given)
            control.sendall(line)
        finally:
            os.close(takes)
        return Process(gives)


def _begin() -> socket.socket:
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            cwd=Path(__file__).parents[1],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


forking = Forking()


def run(
    arguments: Sequence[str], folder: Path, env: Mapping[str, str], typed: str, within_s: float
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command. AssertionError where it does not end."""
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        stdin.write(typed.encode())
        stdin.seek(0)
        process = forking.start(arguments, folder, env, (stdin, out, err))
        try:
            status = process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
        wrote, said = (_text(each) for each in (out, err))
        if status is None:
            raise AssertionError(f"it did not end within {within_s} s: {wrote}{said}")
        return status, wrote, said


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


# -- the process that forks ----------------------------------------------------------------------


def _serve(control: socket.socket) -> bool:
    """Forks for whoever asks, until nobody can; whether this is a fork, which is to run."""
    wakes, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, _wake)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that is for the commands
    running: dict[int, int] = {}  # where to say the exit status, by process id
    while True:
        ready, _, _ = select.select([control, wakes], [], [])
        if wakes in ready:
            os.read(wakes, 1024)
            for pid, ended in _ended(running):
                tell = running.pop(pid)
                with contextlib.suppress(BrokenPipeError):  # nobody waits for it
                    os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(ended))
                os.close(tell)
        if control not in ready:
            continue
        size, given, _, _ = socket.recv_fds(control, 4, 4)
        if not size:
            return False
        asked = json.loads(control.recv(int.from_bytes(size), socket.MSG_WAITALL))
        tell = given.pop()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            control.detach()
            for number, each in enumerate(given):
                os.dup2(each, number)
            os.closerange(3, 1024)
            os.chdir(asked["folder"])
            os.environ.clear()
            os.environ.update(asked["env"])
            time.tzset()
            if asked["env"].get("PYTHONFAULTHANDLER"):
                faulthandler.enable()
            sys.path[0] = asked["folder"]
            sys.argv = ["tocsin", *asked["arguments"]]
            return True
        for each in given:
            os.close(each)
        running[pid] = tell
        os.write(tell, b"%d\n" % pid)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """What matters is that the wake-up pipe is written to."""


def _ended(running: Mapping[int, int]) -> list[tuple[int, int]]:
    found = [os.waitpid(pid, os.WNOHANG) for pid in running]
    return [(pid, status) for pid, status in found if pid]


if __name__ == "__main__":
    import gc

    import tocsin.cli
    import tocsin.running  # pyright: ignore[reportUnusedImport] - the server with all its parts

    # What is here is nobody's garbage: a collection in a fork would copy all of it.
    gc.freeze()
    if _serve(socket.socket(fileno=int(sys.argv[1]))):
        tocsin.cli.main()
