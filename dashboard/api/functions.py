"""GET /api/functions: users' functions, what they did, and what they said last."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.openapi import answers
from tocsin.dashboard.views import time_of
from tocsin.ingest.functions.ledger import FunctionsView, SourceView


class FunctionState(msgspec.Struct, frozen=True):
    """A function. Totals count since the start of the server.

    `state` is `running`, or `paused` until `paused_until` because a call of it hung or ended the
    worker. `readings_total` counts what it made, `refused_total` what of that was refused.
    """

    name: str
    kind: str
    devices: str
    metrics: list[str]
    doc: str
    state: str
    paused_until: datetime | None
    calls_total: int
    seconds_total: float
    errors_total: int
    timeouts_total: int
    crashes_total: int
    readings_total: int
    comments_total: int
    refused_total: int
    last_error: str | None
    last_error_at: datetime | None


class LogLine(msgspec.Struct, frozen=True):
    """What a function printed or logged."""

    time: datetime
    function: str
    text: str


class FunctionReport(msgspec.Struct, frozen=True):
    """`worker` is `none`, `starting`, `idle`, `busy` or `paused`. `dropped_…`: waited too long in
    the queue; `lost_readings_total`: were with a worker that had to be killed. `sources` are files
    and entry points, with why they could not be loaded; `log` is oldest first.
    """

    folder: str | None
    worker: str
    starts_total: int
    queued_readings: int
    dropped_readings_total: int
    dropped_alerts_total: int
    lost_readings_total: int
    sources: list[SourceView]
    functions: list[FunctionState]
    log: list[LogLine]


class Functions:
    def __init__(self, view: Callable[[], FunctionsView]) -> None:
        self._view = view

    async def get_functions(self) -> Response:
        view = self._view()
        return Json(
            FunctionReport(
                folder=view.folder,
                worker=view.worker,
                starts_total=view.starts_total,
                queued_readings=view.queued_readings,
                dropped_readings_total=view.dropped_readings_total,
                dropped_alerts_total=view.dropped_alerts_total,
                lost_readings_total=view.lost_readings_total,
                sources=view.sources,
                functions=[
                    msgspec.convert(
                        {
                            **msgspec.structs.asdict(each),
                            "paused_until": time_of(each.paused_until),
                            "last_error_at": time_of(each.last_error_at),
                        },
                        FunctionState,
                    )
                    for each in view.functions
                ],
                log=[LogLine(time_of(line.at), line.function, line.text) for line in view.log],
            )
        )

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix="/api/functions", tags=["functions"], default_response_class=Response
        )
        router.get("", responses=answers(FunctionReport))(self.get_functions)
        return router
