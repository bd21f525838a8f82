"""…/api/maintenance: times in which alarms are out of service."""

import secrets
from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, problem, read_body, unprocessable, user_of
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.views import MaintenanceView, view_maintenance
from tocsin.devices.timestamps import parse_timestamp
from tocsin.ingest.alerts.book import MAX_NOTE, AlertBook
from tocsin.ingest.alerts.maintenance import Maintenance

Plan = Callable[[Maintenance], Awaitable[None]]
Cancel = Callable[[str, str], Awaitable[None]]


class MaintenanceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices and rules (globs), until when, and from when on if not from now on. Times are
    RFC 3339, or seconds since the epoch."""

    devices: str
    end: str | float
    start: str | float | None = None
    rules: str = "*"
    note: str = ""


class MaintenanceWindows:
    """`plan` and `cancel` are done when they are on disk."""

    def __init__(
        self,
        alerts: Callable[[], AlertBook],
        plan: Plan,
        cancel: Cancel,
        clock: Callable[[], float],
    ) -> None:
        self._alerts = alerts
        self._plan = plan
        self._cancel = cancel
        self._clock = clock

    async def list_windows(self) -> Response:
        """The windows that are not over, in the order in which they begin."""
        return Json([view_maintenance(plan) for plan in self._alerts().maintenance()])

    async def plan_window(self, request: Request) -> Response:
        """Plan a window; alarms of its devices and rules are out of service while it runs."""
        body = await read_body(request, MaintenanceBody)
        if len(body.note) > MAX_NOTE:
            raise unprocessable(
                problem(["body", "note"], f"has {len(body.note)} characters; at most {MAX_NOTE}")
            )
        start = self._clock() if body.start is None else _time("start", body.start)
        plan = Maintenance(
            secrets.token_hex(4),
            body.devices,
            start,
            _time("end", body.end),
            user_of(request),
            body.rules,
            body.note,
        )
        try:
            await self._plan(plan)
        except ValueError as error:
            raise unprocessable(problem(["body"], str(error))) from None
        return Json(view_maintenance(plan), 201)

    async def cancel_window(self, window_id: str, request: Request) -> Response:
        """End a window before its time; alarms are in service again."""
        try:
            await self._cancel(window_id, user_of(request))
        except KeyError:
            raise HTTPException(404, f"maintenance {window_id[:200]!r} is not known") from None
        return Response(status_code=204)

    def router(self) -> APIRouter:
        router = APIRouter(
            prefix="/api/maintenance", tags=["maintenance"], default_response_class=Response
        )
        router.get("", responses=answers(list[MaintenanceView]))(self.list_windows)
        router.post(
            "",
            status_code=201,
            responses=answers(MaintenanceView, 422, 503, status=201),
            openapi_extra=takes(MaintenanceBody),
        )(self.plan_window)
        router.delete(
            "/{window_id}", status_code=204, responses=answers(None, 404, 503, status=204)
        )(self.cancel_window)
        return router


def _time(key: str, text: str | float) -> float:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise unprocessable(problem(["body", key], str(error))) from None
