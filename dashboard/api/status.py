"""/api/status, /healthz and /metrics: how the server does."""

from collections.abc import Callable
from typing import Literal

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.openapi import answers
from tocsin.dashboard.status import Status


class Health(msgspec.Struct, frozen=True):
    """Sent whenever the process serves at all, with 200 unless it stops: what is `troubled` still
    judges and rings. `journal` is `failing` while a disk is full.
    `troubles` names background work that failed at its last try, `failures_total` counts batches
    that could not be judged. What was said of it is in /api/status."""

    status: Literal["ok", "troubled", "stopping"]
    journal: str
    troubles: list[str]
    failures_total: int


class Statuses:
    def __init__(self, status: Callable[[], Status], registry: CollectorRegistry) -> None:
        self._status = status
        self._registry = registry

    async def get_status(self) -> Response:
        """The same object as the `status` event."""
        return Json(self._status())

    async def get_health(self) -> Response:
        status = self._status()
        troubles = [trouble.work for trouble in status.troubles]
        state = "troubled" if troubles or status.journal.state != "ok" else "ok"
        if status.stopping:
            state = "stopping"
        health = Health(state, status.journal.state, troubles, status.failures_total)
        return Json(health, 503 if status.stopping else 200)

    async def get_metrics(self) -> Response:
        """Prometheus text."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def router(self) -> APIRouter:
        router = APIRouter(tags=["status"], default_response_class=Response)
        router.get("/api/status", responses=answers(Status))(self.get_status)
        router.get("/healthz", responses=answers(Health))(self.get_health)
        text = {
            "description": "Prometheus text",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
        router.get("/metrics", responses={200: text})(self.get_metrics)
        return router
