"""GET /api/broker: the MQTT broker's clients, limits and refusals."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.openapi import answers

ReportBroker = Callable[[int], Mapping[str, Any]]

MOST_CLIENTS = 1_000


class BrokerReport:
    """`report(n)` is the report with at most n clients."""

    def __init__(self, report: ReportBroker) -> None:
        self._report = report

    async def get_broker(self) -> Response:
        """Clients with what waits for them and what was dropped; every limit; the last refusals."""
        return Json(self._report(MOST_CLIENTS))

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/broker", tags=["broker"], default_response_class=Response)
        router.get("", responses=answers(dict[str, Any]))(self.get_broker)
        return router
