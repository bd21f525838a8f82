"""`python -m tocsin …` as a person runs it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import warm

PATIENCE_S = 60.0
"""A command that takes longer hangs. They take about a second each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit status and what it wrote."""

    status: int
    out: str
    err: str

    def refusal(self) -> str:
        """The one line of a refusal, without `tocsin: `; AssertionError if it was none."""
        assert self.status == 2, f"exit status {self.status}: {self.out}{self.err}"
        assert "Traceback" not in self.err
        [line] = [line for line in self.err.splitlines() if not line.startswith("{")]  # the log
        assert line.startswith("tocsin: ")
        return line.removeprefix("tocsin: ")


def _environment(folder: Path, more: dict[str, str] | None = None) -> dict[str, str]:
    """Without settings from the environment of the tests."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TOCSIN_")}
    return clean | {"COLUMNS": "200", "XDG_DATA_HOME": str(folder / "share"), **(more or {})}


def start(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """The command, started from nothing and running in `folder`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments],
        cwd=folder,
        env=_environment(folder, env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], typed: str = "") -> Outcome:
    """Wait for the end, `typed` being its standard input; a command that hangs is killed."""
    try:
        out, err = process.communicate(typed, PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end within {PATIENCE_S} s: {out}{err}") from None
    return Outcome(process.returncode, out, err)


def run(folder: Path, *arguments: str, typed: str = "") -> Outcome:
    """The command, in a process that has its imports already where there can be such."""
    if not warm.AVAILABLE:
        return finish(start(folder, *arguments), typed)
    return Outcome(*warm.run(arguments, folder, _environment(folder), typed, PATIENCE_S))
