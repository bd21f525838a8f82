"""…/api/channels and /api/deliveries: who is told of alerts, and what became of that."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, read_body
from tocsin.dashboard.delivery_views import ChannelView, DeliveryView, view_channel, view_delivery
from tocsin.dashboard.openapi import answers, takes
from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.delivery.receipt import Receipt


class RedriveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which dead deliveries to send again: those of a channel, of an alert, or all."""

    channel: str | None = None
    alert: str | None = None


class Redriven(msgspec.Struct, frozen=True):
    """How many wait again. What found no room in the backlog stays dead."""

    count: int


class Deliveries:
    """`wake` is called when something waits again; `clock` gives engine time."""

    def __init__(
        self, outbox: Outbox, wake: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._outbox = outbox
        self._wake = wake
        self._clock = clock

    async def list_channels(self) -> Response:
        """The channels of the settings and how they do."""
        return Json([view_channel(backlog) for backlog in self._outbox.backlogs.values()])

    async def list_deliveries(
        self,
        channel: str | None = None,
        alert: str | None = None,
        state: Receipt | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """Receipts, the newest first."""
        found = await self._outbox.deliveries(
            channel=channel, alert=alert, state=state, limit=limit
        )
        return Json([view_delivery(delivery) for delivery in found])

    async def redrive(self, request: Request) -> Response:
        """Send dead deliveries again, at most 1,000 of them, under the same keys."""
        body = await read_body(request, RedriveBody, empty=b"{}")
        if body.channel is not None and body.channel not in self._outbox.channels:
            raise HTTPException(404, f"channel {body.channel[:200]!r} does not exist")
        count = await self._outbox.redrive(body.channel, body.alert, self._clock())
        self._wake()
        return Json(Redriven(count))

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api", tags=["deliveries"], default_response_class=Response)
        router.get("/channels", responses=answers(list[ChannelView]))(self.list_channels)
        router.get("/deliveries", responses=answers(list[DeliveryView], 422))(self.list_deliveries)
        router.post(
            "/deliveries/redrive",
            responses=answers(Redriven, 404, 422, 503),
            openapi_extra=takes(RedriveBody, required=False),
        )(self.redrive)
        return router
