"""POST /api/rules/preview: what a rule would have done with the readings that are stored."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from tocsin.dashboard.api.exchange import problem, read_body, read_time, unprocessable, user_of
from tocsin.dashboard.api.rules import rule_of
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.views import time_of
from tocsin.ingest.alerts.alert import State
from tocsin.ingest.backtest import preparation
from tocsin.ingest.backtest.preparation import RangeError
from tocsin.ingest.backtest.report import Change, Report, Subject
from tocsin.ingest.backtest.request import Progress
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate
from tocsin.ingest.workers import WorkerError, WorkerTaskFailed

DEFAULT_SPAN_S = 86_400.0

OnProgress = Callable[[Progress], None]


class Backtests(Protocol):
    """What the engine does for a preview."""

    def backtest_scope(
        self, rules: list[CheckedRule], start: float, end: float
    ) -> preparation.Scope: ...

    def backtest(
        self, scope: preparation.Scope, on_progress: OnProgress
    ) -> Coroutine[Any, Any, Report]: ...


class PreviewBody(msgspec.Struct, frozen=True):
    """A rule, in force or not, and a range of arrival times (RFC 3339; by default the last day)."""

    rule: Rule
    start: str | None = msgspec.field(default=None, name="from")
    end: str | None = msgspec.field(default=None, name="to")


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`PreviewBody` with a rule that may be wrong."""

    rule: dict[str, Any]
    start: str | None = msgspec.field(default=None, name="from")
    end: str | None = msgspec.field(default=None, name="to")


class ChangeView(msgspec.Struct, frozen=True):
    """A transition that an alert would have gone through at `at`."""

    at: datetime
    id: str
    state: State
    began_at: datetime
    value: float | None
    message: str
    revision: int


class SubjectView(msgspec.Struct, frozen=True):
    """What the rule would have done on one device. Of `changes_total` transitions the first ones
    are listed."""

    device: str
    rang: int
    flaps: int
    in_alarm_s: float
    in_alarm: bool
    changes_total: int
    changes: list[ChangeView]


class ReportView(msgspec.Struct, frozen=True):
    """What the rule would have done: `readings` of `devices` were judged, `subjects` are the
    devices with an alert, those where it rang most often first."""

    start: datetime = msgspec.field(name="from")
    end: datetime = msgspec.field(name="to")
    readings: int
    devices: int
    rang: int
    subjects: list[SubjectView]


class PreviewLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the answer: any number with `progress`, then one with `report` or `error`."""

    progress: Progress | None = None
    report: ReportView | None = None
    error: str | None = None


class Previews:
    """Owns the preview that runs for each person: a new one takes the place of the last."""

    def __init__(self, backtests: Backtests, clock: Callable[[], float]) -> None:
        self._backtests = backtests
        self._clock = clock
        self._running: dict[str, asyncio.Task[Report]] = {}

    async def preview(self, request: Request) -> Response:
        """Judges the readings that arrived from `from` to `to` by a rule, as if it had been put in
        force at `from`. Nothing is changed and nobody is told.

        The answer comes line by line, each a JSON object: `{"progress": {"readings", "of"}}` any
        number of times, then `{"report": {…}}` or `{"error": "…"}`. It ends at once when the
        connection is closed, or when the same person asks for another.
        """
        body = await read_body(request, _Body)
        rule = rule_of(body.rule, ["body", "rule"])
        end = self._clock() if body.end is None else read_time(["body", "to"], body.end)
        start = (
            end - DEFAULT_SPAN_S if body.start is None else read_time(["body", "from"], body.start)
        )
        try:
            scope = self._backtests.backtest_scope([validate(rule)], start, end)
        except RangeError as error:
            raise unprocessable(problem(["body", error.field], error.message)) from None
        except RuleError as error:
            raise unprocessable(
                problem(["body", "rule", error.field], error.message, error.column)
            ) from None
        user = user_of(request)

        def begin(on_progress: OnProgress) -> asyncio.Task[Report]:
            if before := self._running.get(user):
                before.cancel()
            task = asyncio.ensure_future(self._backtests.backtest(scope, on_progress))
            self._running[user] = task
            task.add_done_callback(lambda _: self._forget(user, task))
            return task

        return PreviewResponse(begin)

    def _forget(self, user: str, task: asyncio.Task[Report]) -> None:
        if self._running.get(user) is task:
            del self._running[user]

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/rules", tags=["rules"], default_response_class=Response)
        described = answers(PreviewLine, 422)
        content: dict[str, Any] = described[200]["content"]
        content[PreviewResponse.media_type] = content.pop("application/json")
        router.post("/preview", responses=described, openapi_extra=takes(PreviewBody))(self.preview)
        return router


class PreviewResponse(Response):
    """Lines as the work goes on; of what it says of its progress the newest is sent."""

    media_type = "application/x-ndjson"

    def __init__(self, begin: Callable[[OnProgress], asyncio.Task[Report]]) -> None:
        super().__init__(None, 200, {"cache-control": "no-store"})
        del self.headers["content-length"]
        self._begin = begin
        self._progress: Progress | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        news = asyncio.Event()

        def note(progress: Progress) -> None:
            self._progress = progress
            news.set()

        work = self._begin(note)
        gone = asyncio.ensure_future(_closed(receive))
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            while not work.done():
                waiting = asyncio.ensure_future(news.wait())
                await asyncio.wait({work, gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if gone.done():
                    return
                if not work.done() and news.is_set():
                    news.clear()
                    await send(_line(PreviewLine(progress=self._progress), more=True))
            await send(_line(_conclusion(work), more=False))
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


def _conclusion(work: asyncio.Task[Report]) -> PreviewLine:
    if work.cancelled():
        return PreviewLine(error="another preview of yours took its place")
    match work.exception():
        case None:
            return PreviewLine(report=_view(work.result()))
        case WorkerTaskFailed() as error:
            return PreviewLine(error=error.reason)
        case WorkerError() as error:
            return PreviewLine(error=str(error))
        case BaseException() as error:
            raise error


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _line(line: PreviewLine, *, more: bool) -> dict[str, Any]:
    body = msgspec.json.encode(line) + b"\n"
    return {"type": "http.response.body", "body": body, "more_body": more}


def _view(report: Report) -> ReportView:
    return ReportView(
        time_of(report.start),
        time_of(report.end),
        report.readings,
        report.devices,
        report.rang,
        [_view_subject(subject) for subject in report.subjects],
    )


def _view_subject(subject: Subject) -> SubjectView:
    return SubjectView(
        subject.device,
        subject.rang,
        subject.flaps,
        subject.in_alarm_s,
        subject.in_alarm,
        subject.changes_total,
        [_view_change(change) for change in subject.changes],
    )


def _view_change(change: Change) -> ChangeView:
    return ChangeView(
        time_of(change.at),
        change.id,
        change.state,
        time_of(change.began_at),
        change.value,
        change.message,
        change.revision,
    )
