"""What the harness needs of a server under test."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar

START_S = 60.0
STOP_S = 10.0


class Missing(Exception):
    """A peer is not on this machine; the report says so, with the reason."""


class Server(ABC):
    """One or more processes that serve MQTT, and perhaps a stream for viewers.

    State: the processes by name, a temporary folder, the ports. A context manager.
    """

    name: ClassVar[str]
    configuration: ClassVar[str]
    """What the report states about how it was set up."""

    def __init__(self) -> None:
        self.port = free_port()
        self.http_port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="tocsin-bench-")

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self.processes.items()}

    @property
    def stream_url(self) -> str | None:
        """Where viewers connect, for servers that have viewers."""
        return None

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """The version that is installed. Raises Missing."""

    @abstractmethod
    def start(self) -> None:
        """Starts all processes; returns when all ports accept connections."""

    def received(self) -> int | None:
        """Messages the part behind the broker has taken in, where it counts them."""
        return None

    def run(self, name: str, *command: str | Path, cwd: Path | None = None, port: int) -> None:
        """Starts a process of this server and waits until it listens on the port."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=output,
                stderr=output,
                cwd=cwd,
                start_new_session=True,
            )
        self.processes[name] = process
        self.wait(name, port)

    def wait(self, name: str, port: int) -> None:
        """Waits until the process listens on the port."""
        process = self.processes[name]
        deadline = time.monotonic() + START_S
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text().strip()
                last = (log or "it said nothing").splitlines()[-1]
                raise RuntimeError(f"{name} does not listen on {port}: {last}")
            time.sleep(0.05)

    def __enter__(self) -> "Server":
        try:
            self.start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _end_group(process.pid)
        self._folder.cleanup()


def _end_group(leader: int) -> None:
    """Ends what a process started in its session and left behind."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
