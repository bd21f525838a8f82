"""A real `tocsin serve` process on free ports, for tests from the outside."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests import warm

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], within_s: float = 10.0) -> T:
    """What `look` gives as soon as it gives something; AssertionError naming `what` if never."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = look()
        if found is not None and found is not False:
            return found
        threading.Event().wait(0.02)
    raise AssertionError(f"not within {within_s} s: {what}")


class Server:
    """One data folder and the server process that runs on it, if any."""

    def __init__(
        self,
        data: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        program: Path | None = None,
        python: Path | None = None,
    ) -> None:
        """`program`: run this file instead of the package, for servers with a planted fault.
        `python`: another interpreter, with another installation."""
        self.data = data
        self.python = str(python or sys.executable)
        self.program = [str(program)] if program else ["-m", "tocsin"]
        self.flags = flags
        self.env = {**os.environ, "PYTHONFAULTHANDLER": "1", **(env or {})}
        self.mqtt = ("", 0)
        self.http = ""
        self.http_port = "0"
        self._warm = warm.AVAILABLE and program is None and python is None
        self._process: subprocess.Popen[bytes] | warm.Process | None = None
        self._log = data.parent / f"{data.name}.log"

    def start(self, within_s: float = 30.0) -> "Server":
        command = ["serve", "--data", str(self.data)]
        command += ["--mqtt", "127.0.0.1:0", "--http", f"127.0.0.1:{self.http_port}", *self.flags]
        with self._log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if self._warm:
                files = (nothing, log, log)
                self._process = warm.forking.start(command, Path.cwd(), self.env, files)
            else:
                self._process = subprocess.Popen(
                    [self.python, *self.program, *command],
                    stdin=nothing,
                    stdout=log,
                    stderr=log,
                    env=self.env,
                )
        try:
            holder = wait_for(f"server is up ({self._log})", self._holder, within_s)
        except AssertionError as error:
            if self._process.poll() is None:  # its log then says where it stands
                self._process.send_signal(signal.SIGABRT)
                self._process.wait(10)
                error.add_note(self.log()[-3000:])
            raise
        host, _, port = holder["mqtt"].rpartition(":")
        self.mqtt = (host, int(port))
        self.http = f"http://{holder['http']}"
        wait_for("dashboard answers", self._healthy)
        return self

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: as if the power went."""
        self._end(signal.SIGKILL)

    def stop(self, within_s: float = 10.0) -> float:
        """SIGTERM; gives the seconds until the process had ended."""
        began = time.monotonic()
        self._end(signal.SIGTERM, within_s)
        return time.monotonic() - began

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def get(self, path: str, **params: Any) -> Any:
        answer = httpx2.get(self.http + path, params=params)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return httpx2.request(method, self.http + path, json=body)

    def device(self, device: str) -> Any | None:
        answer = httpx2.get(f"{self.http}/api/devices/{device}")
        return answer.json() if answer.status_code == 200 else None

    @contextmanager
    def events(self, **params: str) -> Generator["Events"]:
        """The event stream, read by a thread."""
        reader = Events(f"{self.http}/api/stream", params)
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def client(self, name: str, **options: Any) -> Generator[mqtt.Client]:
        """A connected paho client with its loop running."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, **options)
        client.connect(*self.mqtt)
        client.loop_start()
        try:
            yield client
        finally:
            client.disconnect()
            client.loop_stop()

    def _holder(self) -> dict[str, Any] | None:
        assert self._process
        if self._process.poll() is not None:
            raise AssertionError(
                f"the server ended with {self._process.returncode}: {self.log()[-3000:]}"
            )
        try:
            holder: dict[str, Any] = json.loads((self.data / "lock").read_text())
        except (OSError, ValueError):
            return None
        return holder if holder["pid"] == self._process.pid else None

    def _healthy(self) -> bool:
        try:
            return httpx2.get(self.http + "/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def _end(self, how: signal.Signals, within_s: float = 10.0) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(within_s)
            self._process = None


class Events:
    """Server-sent events as they come in: (arrival by the monotonic clock, event, data)."""

    def __init__(self, url: str, params: Mapping[str, str]) -> None:
        self.seen: list[tuple[float, str, Any]] = []
        self._closing = False
        self._client = httpx2.Client(timeout=httpx2.Timeout(5, read=30))
        self._thread = threading.Thread(target=self._read, args=(url, dict(params)), daemon=True)
        self._thread.start()
        wait_for("hello", lambda: self.of("hello") or None)

    def of(self, event: str) -> list[Any]:
        return [data for _, name, data in list(self.seen) if name == event]

    def first(self, event: str, where: Callable[[Any], bool], within_s: float = 10.0) -> Any:
        return self.first_at(event, where, within_s)[1]

    def first_at(
        self, event: str, where: Callable[[Any], bool], within_s: float = 10.0
    ) -> tuple[float, Any]:
        """The first such event, seen already or still to come, and when it arrived."""

        def look() -> tuple[float, Any] | None:
            found = (
                (at, data) for at, name, data in list(self.seen) if name == event and where(data)
            )
            return next(found, None)

        return wait_for(f"a {event} event", look, within_s)

    def close(self) -> None:
        self._closing = True
        self._client.close()
        self._thread.join(5)

    def _read(self, url: str, params: dict[str, str]) -> None:
        event = ""
        try:
            with self._client.stream("GET", url, params=params) as answer:
                for line in answer.iter_lines():
                    if line.startswith("event:"):
                        event = line[6:].strip()
                    elif line.startswith("data:"):
                        self.seen.append((time.monotonic(), event, json.loads(line[5:])))
        except (httpx2.HTTPError, httpx2.StreamError, OSError, RuntimeError):
            if self._closing:
                return
        self.seen.append((time.monotonic(), "closed", None))
