"""A subprocess that speaks lines of JSON: how the harness runs its load generators and viewers."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Any


class Child:
    """State: the process. Leaving the `with` block closes its stdin and waits for its end."""

    def __init__(self, module: str, **options: object) -> None:
        self._name = module
        arguments = [
            part
            for name, value in options.items()
            if value is not None and value is not False
            for part in (f"--{name}", *(() if value is True else (str(value),)))
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self, key: str) -> Any:
        """The next line's value of that key. Raises RuntimeError for an error or the end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        message = json.loads(line) if line else {"error": "it ended"}
        if key not in message:
            raise RuntimeError(f"{self._name}: {message.get('error', message)}; expected {key!r}")
        return message[key]

    def ask(self, key: str) -> Any:
        """Sends an empty line, which each of these programs answers."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.receive(key)

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
