"""Mosquitto as an independent broker: started on a free port, stopped and started again at will."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Mosquitto:
    """A Mosquitto of this test alone. `log` is everything it said so far."""

    def __init__(self, program: str, folder: Path, *config: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._program = program
        self._log = folder / f"mosquitto-{self.port}.log"
        self._config = folder / f"mosquitto-{self.port}.conf"
        lines = (f"listener {self.port} 127.0.0.1", f"log_dest file {self._log}", "user root")
        self._config.write_text("\n".join((*lines, *config, "")))
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        self._process = subprocess.Popen([self._program, "-c", str(self._config)])
        wait_until(self._listens)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(5.0)
            self._process = None

    def pause(self) -> None:
        """It hangs: its sockets are open and it does nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def wait_until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not true within {within_s} s"
        time.sleep(0.01)


@contextmanager
def mosquittos(folder: Path) -> Generator[Callable[..., Mosquitto]]:
    """What starts a Mosquitto with these lines of configuration; all of them end with the block."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
    program = program or shutil.which("mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed")
    brokers: list[Mosquitto] = []

    def start(*config: str) -> Mosquitto:
        brokers.append(Mosquitto(program, folder, *(config or ("allow_anonymous true",))))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()
