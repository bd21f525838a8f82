"""What became of each function: calls, errors, pauses; and what they said last."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from tocsin.ingest.functions.protocol import Described, Loaded, Ran
from tocsin.ingest.functions.settings import FunctionSettings

FORGIVEN_S = 600.0
"""After so long without a fault the next pause is a short one again."""


class Line(msgspec.Struct, frozen=True):
    """What a function printed or logged; `function` is empty where nobody knows which."""

    at: float
    function: str
    text: str


class SourceView(msgspec.Struct, frozen=True):
    """A file or an entry point, and why it could not be loaded, if so."""

    name: str
    error: str | None


class FunctionView(msgspec.Struct, frozen=True):
    """A function. Totals count since the start of the server, seconds are those within calls.

    `state`: `running`, or `paused` until `paused_until` because it hung or ended its worker.
    `readings_total` is what it made, `refused_total` what of it was refused.
    """

    name: str
    kind: str
    devices: str
    metrics: list[str]
    doc: str
    state: str
    paused_until: float | None
    calls_total: int
    seconds_total: float
    errors_total: int
    timeouts_total: int
    crashes_total: int
    readings_total: int
    comments_total: int
    refused_total: int
    last_error: str | None
    last_error_at: float | None


class FunctionsView(msgspec.Struct, frozen=True):
    """Users' functions as a whole. `worker`: `none` (nothing to run), `starting`, `idle`, `busy`,
    or `paused` after it ended by itself. Totals count since the start of the server.
    """

    folder: str | None
    worker: str
    pid: int | None
    starts_total: int
    queued_readings: int
    dropped_readings_total: int
    dropped_alerts_total: int
    lost_readings_total: int
    sources: list[SourceView]
    functions: list[FunctionView]
    log: list[Line]


NO_FUNCTIONS = FunctionsView(None, "none", None, 0, 0, 0, 0, 0, [], [], [])


@dataclass(slots=True)
class _Account:
    """What is known of a function."""

    described: Described
    loaded: bool = True
    calls: int = 0
    seconds: float = 0.0
    errors: int = 0
    hung: int = 0
    crashed: int = 0
    readings: int = 0
    comments: int = 0
    refused: int = 0
    error: str | None = None
    error_at: float | None = None
    faults: int = 0
    fault_at: float = float("-inf")
    paused_until: float = field(default=float("-inf"))


class Ledger:
    """State: an account of each function, the sources, the newest lines. Times are engine times."""

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings = settings
        self._accounts: dict[str, _Account] = {}
        self._sources: dict[str, str | None] = {}
        self.log: deque[Line] = deque(maxlen=settings.log_lines)

    def begin(self) -> None:
        """A new worker loads everything anew."""
        self._sources = {}
        for account in self._accounts.values():
            account.loaded = False

    def finish(self) -> None:
        """All is loaded that can be; what is not there any more is forgotten."""
        self._accounts = {name: each for name, each in self._accounts.items() if each.loaded}

    def loaded(self, source: Loaded) -> None:
        self._sources[source.source] = source.error
        for described in source.functions:
            account = self._accounts.setdefault(described.name, _Account(described))
            account.described, account.loaded = described, True

    def failed_to_load(self, source: str, why: str) -> None:
        self._sources[source] = why

    def ran(self, ran: Ran, at: float) -> None:
        if account := self._accounts.get(ran.name):
            account.calls += ran.calls
            account.seconds += ran.seconds
            account.errors += ran.errors
            account.comments += len(ran.comments)
            if ran.error is not None:
                account.error, account.error_at = ran.error, at

    def derived(self, name: str, readings: int, problems: Sequence[str], at: float) -> None:
        if account := self._accounts.get(name):
            account.readings += max(readings - len(problems), 0)
            account.refused += len(problems)
            if problems:
                account.error, account.error_at = problems[-1], at

    def fault(self, name: str, how: str, said: str, at: float) -> float:
        """A function hung or brought its worker down; it rests: until when."""
        account = self._accounts.get(name)
        if account is None:
            return at
        if at - account.fault_at > FORGIVEN_S:
            account.faults = 0
        account.fault_at = at
        account.faults += 1
        account.hung += how == "hung"
        account.crashed += how == "crashed"
        account.error, account.error_at = said, at
        pause = self._settings.pause_s * 2.0 ** min(account.faults - 1, 30)
        account.paused_until = at + min(pause, self._settings.longest_pause_s)
        return account.paused_until

    def say(self, function: str, text: str, at: float) -> None:
        self.log.append(Line(at, function, text))

    def ready(self, at: float, *kinds: str) -> list[str]:
        """The functions of these kinds that may run now, in order of their loading."""
        return [
            name
            for name, account in self._accounts.items()
            if account.loaded and account.described.kind in kinds and account.paused_until <= at
        ]

    def described(self, *kinds: str) -> list[Described]:
        """The functions of these kinds, paused or not."""
        return [
            each.described
            for each in self._accounts.values()
            if each.loaded and each.described.kind in kinds
        ]

    def sources(self) -> list[SourceView]:
        return [SourceView(name, error) for name, error in self._sources.items()]

    def functions(self, at: float) -> list[FunctionView]:
        return [
            FunctionView(
                name,
                each.described.kind,
                each.described.devices,
                each.described.metrics,
                each.described.doc,
                "paused" if each.paused_until > at else "running",
                each.paused_until if each.paused_until > at else None,
                each.calls,
                round(each.seconds, 6),
                each.errors,
                each.hung,
                each.crashed,
                each.readings,
                each.comments,
                each.refused,
                each.error,
                each.error_at,
            )
            for name, each in self._accounts.items()
        ]
