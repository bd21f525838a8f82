"""/api/stream: the live stream, and what a viewer looks at."""

from functools import partial
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import Response
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from tocsin.dashboard.api.exchange import read_body
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.settings import Settings
from tocsin.dashboard.stream.hub import Hub
from tocsin.dashboard.users.holds import LoginHolds

PING_S = 15
"""Between comments on a quiet stream, so that nothing on the way takes it for dead."""


class ViewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose readings a viewer gets: all devices (`*`), or these."""

    devices: Literal["*"] | list[str] = "*"


class Stream:
    def __init__(self, hub: Hub, settings: Settings, holds: LoginHolds) -> None:
        self._hub = hub
        self._settings = settings
        self._holds = holds

    async def watch(
        self,
        request: Request,
        last_event_id: Annotated[str | None, Header()] = None,
        resume: Annotated[
            str | None, Query(alias="last_event_id", description="as the header, for a new stream")
        ] = None,
    ) -> Response:
        """Everything as it happens, as server-sent events.

        `hello`, then the state (`devices`, `rules`, `alert`, `status`), then what happens:
        `readings` ten times a second, `alert`, `presence`, `devices` and `rules` at once,
        `status` once a second. `id` is `{boot}.{seq}`; who comes back with the last one misses no
        `alert` and no `presence`.
        """
        if self._hub.full:
            self._hub.refuse()
            raise HTTPException(503, "too many viewers, or stopping", {"retry-after": "5"})
        token: str | None = request.state.token
        events = self._hub.watch(
            request.state.transport,
            last_event_id or resume,
            partial(self._holds.hold, token) if token else None,
        )
        return ViewerResponse(
            events,
            ping=PING_S,
            sep="\n",
            send_timeout=self._settings.send_timeout_s,
            headers={"cache-control": "no-store"},
        )

    async def set_view(self, stream_id: str, request: Request) -> Response:
        """Changes which devices' readings a stream brings, from the next frame on."""
        body = await read_body(request, ViewBody)
        devices = None if body.devices == "*" else frozenset(body.devices)
        try:
            self._hub.set_view(stream_id, devices)
        except KeyError:
            raise HTTPException(404, f"stream {stream_id[:50]!r} is not open") from None
        return Response(status_code=204)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/stream", tags=["stream"], default_response_class=Response)
        events = {
            200: {
                "description": "Server-sent events",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            }
        }
        router.get("", responses={**answers(None, 503), **events})(self.watch)
        router.put(
            "/{stream_id}/view",
            status_code=204,
            responses=answers(None, 404, 422, status=204),
            openapi_extra=takes(ViewBody),
        )(self.set_view)
        return router


class ViewerResponse(EventSourceResponse):
    """A viewer that takes nothing for too long is cut; that is no fault to be logged."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            scope["state"]["transport"].abort()
            # Until uvicorn knows: it logs a response that ends early on an open connection.
            while (await receive())["type"] != "http.disconnect":
                pass
