"""GET /api/topics: messages that nothing claims as a device's."""

from collections.abc import Callable
from datetime import datetime

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.openapi import answers
from tocsin.dashboard.views import time_of
from tocsin.ingest.refusals import UnclaimedTopic


class Topic(msgspec.Struct, frozen=True):
    """A topic of which no format and no `[[topic]]` pattern knows the device."""

    topic: str
    count: int
    last_at: datetime
    preview: str


class Topics:
    def __init__(self, unclaimed: Callable[[], list[UnclaimedTopic]]) -> None:
        self._unclaimed = unclaimed

    async def list_topics(self) -> Response:
        return Json(
            [Topic(t.topic, t.count, time_of(t.last_at), t.preview) for t in self._unclaimed()]
        )

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/topics", tags=["topics"], default_response_class=Response)
        router.get("", responses=answers(list[Topic]))(self.list_topics)
        return router
