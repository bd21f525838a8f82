"""A subprocess that speaks lines of JSON: how load generators and viewers are run."""

import json
import select
import subprocess
import sys
from types import TracebackType
from typing import Any

END_S = 10.0


class Child:
    """State: the process. Leaving the `with` block closes its stdin and waits for its end."""

    def __init__(self, module: str, **options: object) -> None:
        self._name = module.rpartition(".")[2]
        arguments = [
            part
            for name, value in options.items()
            if value is not None and value is not False
            for part in (f"--{name}", *(() if value is True else (str(value),)))
        ]
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C reaches whoever started it alone, who ends it.
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def receive(self, key: str, within_s: float = 60.0) -> Any:
        """The next line's value of that key. Raises RuntimeError for an error, silence, the end."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], within_s)[0]:
            raise RuntimeError(f"{self._name}: no {key!r} within {within_s:.0f} s")
        line = self._process.stdout.readline()
        message = json.loads(line) if line else {"error": "it ended"}
        if key not in message:
            raise RuntimeError(f"{self._name}: {message.get('error', message)}")
        return message[key]

    def ask(self, key: str, within_s: float = 60.0) -> Any:
        """Sends an empty line, which each of these programs answers."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; what it said last is received below
        return self.receive(key, within_s)

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
        try:
            self._process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
