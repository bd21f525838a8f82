"""`tocsin functions test`: runs users' functions as a server would, and shows what they make."""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import typer

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.facts import Derived
from tocsin.ingest.functions import protocol
from tocsin.ingest.functions.process import FunctionProcess, WorkerGone
from tocsin.ingest.functions.protocol import Described, Load, Loaded, Progress, Ran, Said
from tocsin.ingest.functions.queue import FunctionQueue
from tocsin.ingest.functions.registration import AlertSeen
from tocsin.ingest.functions.settings import FunctionSettings
from tocsin.ingest.functions.sources import function_files
from tocsin.ingest.outcome import Readings
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.settings import Settings
from tocsin.refusal import Refusal

SHOWN = 20
"""Results of one function that are shown."""
MESSAGES_AT_ONCE = 1_000


class FunctionTest:
    """State: the functions that were loaded, what each did, and what went wrong."""

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings = settings
        self._pipeline = Pipeline(Settings(), Decoder())
        self._now = time.time()
        self._functions: list[Described] = []
        self._problems: dict[str, list[str]] = defaultdict(list)
        self._lines: dict[str, list[str]] = defaultdict(list)
        self._made: dict[str, list[str]] = defaultdict(list)
        self._calls: dict[str, int] = defaultdict(int)
        self._seconds: dict[str, float] = defaultdict(float)
        self._process: FunctionProcess | None = None
        self._files: list[Path] = []

    async def run(self, files: Sequence[Path], messages: Sequence[Message] | None) -> bool:
        """Load and run them; whether all went well. `messages`: one for each function, if None."""
        try:
            left, found = list(files), False
            while left and not found:
                found = await self._load(left)
            given = self._read(messages or ())
            for described in self._functions:
                if described.kind == "alert":
                    await self._alert(described)
                elif messages is None:
                    await self._readings(described, self._read([_some_message(described)]))
                else:
                    await self._readings(described, given)
        finally:
            if self._process:
                await self._process.end()
        self._show(files)
        return not self._problems

    async def _load(self, files: list[Path]) -> bool:
        """Load the files; where one hangs or crashes, take it out of them and say False."""
        await self._start()
        paths = [str(file.resolve()) for file in files]
        try:
            await self._ask(
                protocol.LOAD,
                Load(paths, [], self._settings.memory_bytes),
                self._settings.load_s,
            )
        except WorkerGone as gone:
            name = gone.running or files[0].name
            self._problems[name].append(str(gone).replace("a call took", "it took"))
            files[:] = [file for file in files if file.name != name]
            self._functions.clear()
            return False
        self._files = files
        return True

    def _read(self, messages: Sequence[Message]) -> list[Readings]:
        """Messages as a server takes them in, a second of a busy one at a time."""
        parts: list[Readings | None] = []
        for first in range(0, len(messages), MESSAGES_AT_ONCE):
            self._now += 0.001
            taken = messages[first : first + MESSAGES_AT_ONCE]
            parts.append(self._pipeline.feed(taken, self._now).readings)
            parts.append(self._pipeline.settle(self._now).readings)
        return [part for part in parts if part is not None]

    async def _alert(self, described: Described) -> None:
        alert = msgspec.Raw(msgspec.msgpack.encode(_some_alert(described, self._now)))
        request = protocol.Transitions([described.name], [alert])
        await self._call(described, protocol.ALERTS, request, ())

    async def _readings(self, described: Described, given: Sequence[Readings]) -> None:
        queue = FunctionQueue(self._settings, self._pipeline.catalogue)
        queue.want([described])
        for readings in given:
            queue.put_readings(readings)
            while (parts := queue.take_readings()) and self._process:
                request, columns = queue.batch(parts, [described.name], self._process.told)
                if not await self._call(described, protocol.READINGS, request, columns):
                    return

    async def _call(self, described: Described, word: str, request: object, columns: Any) -> bool:
        """Whether the worker came back; if not, there is a new one."""
        try:
            await self._ask(word, request, self._settings.budget_s, columns)
        except WorkerGone as gone:
            self._problems[described.name].append(str(gone))
            functions, self._functions = self._functions, []
            await self._load(self._files)
            self._functions = functions
            return False
        return True

    async def _start(self) -> None:
        if self._process:
            await self._process.end()
        said = self._lines[""].append
        self._process = await FunctionProcess.start(self._settings.folder, said)

    async def _ask(self, word: str, request: object, silent_s: float, columns: Any = ()) -> None:
        if self._process is None:
            raise RuntimeError("no worker")
        await self._process.ask(word, request, columns, silent_s, self._on_progress)

    def _on_progress(self, progress: Progress) -> None:
        match progress:
            case Loaded(source, functions, error):
                self._functions += functions
                if error and error not in self._problems.get(source, []):  # it is loaded again
                    self._problems[source].append(error)
            case Said(name, lines, dropped):
                self._lines[name] += lines
                if dropped:
                    self._lines[name].append(f"… and {dropped} lines more")
            case Ran():
                self._take(progress)
            case _:
                pass

    def _take(self, ran: Ran) -> None:
        self._calls[ran.name] += ran.calls
        self._seconds[ran.name] += ran.seconds
        if ran.error:
            times = f" ({ran.errors} times)" if ran.errors > 1 else ""
            self._problems[ran.name].append(ran.error + times)
        self._made[ran.name] += [f"comment: {text}" for _, text in ran.comments]
        for row in ran.rows:
            for metric, value in row.values.items():
                self._made[ran.name].append(f"{row.device}  {metric} = {json.dumps(value)}")
        if ran.rows:
            self._now += 0.001
            outcome = self._pipeline.feed([Derived(ran.name, ran.rows)], self._now)
            self._problems[ran.name] += dict.fromkeys(outcome.problems)
            if not self._problems[ran.name]:
                del self._problems[ran.name]

    def _show(self, files: Sequence[Path]) -> None:
        for file in files:
            typer.echo(file.name)
            _indented(self._problems.get(file.name, []), "  problem: ")
            _indented(self._lines.get(file.name, []), "  | ")
            for each in self._functions:
                if each.name.rpartition(".")[0] == file.stem:
                    self._show_one(each)
        _indented(self._lines.get("", []), "| ")
        count = sum(len(problems) for problems in self._problems.values())
        functions = (
            "1 function" if len(self._functions) == 1 else f"{len(self._functions)} functions"
        )
        typer.echo(f"{functions}, {f'{count} problems' if count else 'no problem'}")

    def _show_one(self, each: Described) -> None:
        calls, made = self._calls[each.name], self._made[each.name]
        metrics = f" with {', '.join(each.metrics)}" if each.metrics else ""
        cost = f", {self._seconds[each.name] / calls * 1e6:.0f} µs each" if calls else ""
        typer.echo(f"  {each.name}  ({each.kind}: {each.devices}{metrics})")
        typer.echo(f"    {calls} calls{cost}")
        _indented(made[:SHOWN], "    → ")
        if len(made) > SHOWN:
            typer.echo(f"    → … and {len(made) - SHOWN} more")
        _indented(self._lines.get(each.name, []), "    | ")
        _indented(self._problems.get(each.name, []), "    problem: ")


def run_function_test(path: Path, given: Path | None, settings: FunctionSettings) -> bool:
    """Test the functions of a file or a folder; whether all went well. Raises Refusal."""
    if path.is_dir():
        files = function_files(path)
    elif path.is_file() and path.suffix == ".py":
        files = [path]
    else:
        raise Refusal(f"{path}: expected a Python file or a folder of them that is there")
    if not files:
        raise Refusal(f"{path}: no Python file in it; expected one at least")
    messages = None if given is None else read_messages(given)
    test = FunctionTest(settings)
    sys.stdout.flush()
    return asyncio.run(test.run(files, messages))


def read_messages(file: Path) -> list[Message]:
    """Messages from JSON lines, each an object of a device's metrics and `device`.

    Raises Refusal for the first line that is none.
    """
    messages: list[Message] = []
    try:
        lines = file.read_text().splitlines()
    except (OSError, ValueError) as error:
        raise Refusal(f"--input {file}: cannot be read: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said: object = json.loads(line)
        except ValueError as error:
            raise Refusal(f"--input {file}, line {number}: no JSON: {error}") from None
        fields = cast("dict[str, object]", said) if isinstance(said, dict) else {}
        device = fields.pop("device", None)
        if not isinstance(device, str) or not device or set(device) & set("/+#"):
            raise Refusal(
                f"--input {file}, line {number}: expected an object with a device and its metrics,"
                ' as in {"device": "boiler-1", "temp_c": 21.5}'
            )
        messages.append(Message("test", f"devices/{device}/telemetry", json.dumps(fields).encode()))
    return messages


def _some_message(function: Described) -> Message:
    """One that the function is called for."""
    device = function.devices.replace("*", "1").replace("?", "1")
    values = dict.fromkeys(function.metrics or ["value"], 1.0)
    return Message("test", f"devices/{device}/telemetry", json.dumps(values).encode())


def _some_alert(function: Described, now: float) -> AlertSeen:
    subject = function.devices.replace("*", "1").replace("?", "1")
    return AlertSeen(
        id="0000000000000000",
        rule="test",
        subject=subject,
        device=subject,
        severity="warning",
        state="active",
        active=True,
        acknowledged=False,
        value=1.0,
        message=f"test on {subject}",
        event="holds",
        began_at=now,
        raised_at=now,
        cleared_at=None,
        revision=1,
    )


def _indented(lines: Sequence[str], prefix: str) -> None:
    for line in lines:
        typer.echo(prefix + line.replace("\n", "\n" + " " * len(prefix)))
