"""…/api/zones: the zones that rules ask for, and changing those that do not come from a file."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, problem, read_body, unprocessable, user_of
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.views import time_of
from tocsin.ingest.geo.zone import Zone, ZoneError, zone_of
from tocsin.ingest.geo.zone_set import API, ZoneEntry, ZoneSet

PutZone = Callable[[Zone, str], Awaitable[None]]
DeleteZone = Callable[[str, str], Awaitable[None]]


class ZoneBody(msgspec.Struct, frozen=True):
    """A GeoJSON Feature: a Point with `radius_m` in its properties, a Polygon or a MultiPolygon."""

    geometry: dict[str, Any]
    type: str = "Feature"
    properties: dict[str, Any] | None = None


class ZoneView(msgspec.Struct, frozen=True):
    """A zone: its GeoJSON Feature, where it comes from, who made it what it is and when, and the
    rules that name it."""

    name: str
    source: str
    updated_by: str
    updated_at: datetime | None
    rules: list[str]
    feature: dict[str, Any]


class Zones:
    """`zones` gives the set there is, `readers_of` the rules that name one; `put_zone` and
    `delete_zone` are done when on disk."""

    def __init__(
        self,
        zones: Callable[[], ZoneSet],
        readers_of: Callable[[str], list[str]],
        put_zone: PutZone,
        delete_zone: DeleteZone,
    ) -> None:
        self._zones = zones
        self._readers_of = readers_of
        self._put_zone = put_zone
        self._delete_zone = delete_zone

    async def list_zones(self) -> Response:
        return Json([self._view(entry) for entry in self._zones().entries()])

    async def get_zone(self, name: str) -> Response:
        return Json(self._view(self._entry(name)))

    async def put_zone(self, name: str, request: Request) -> Response:
        """Creates or replaces a zone; every device is judged anew, where it was last. The name may
        be left out of the properties."""
        try:
            zone = zone_of(await read_body(request, dict[str, Any]), name)
        except ZoneError as error:
            raise unprocessable(problem(["body", *error.place], error.message)) from None
        self._refuse_file_zone(name)
        try:
            await self._put_zone(zone, user_of(request))
        except ZoneError as error:
            raise unprocessable(problem(["body"], error.message)) from None
        return Json(self._view(self._entry(name)))

    async def delete_zone(self, name: str, request: Request) -> Response:
        """Deletes a zone that no rule names."""
        self._entry(name)
        self._refuse_file_zone(name)
        if readers := self._readers_of(name):
            some = ", ".join(readers[:10])
            raise HTTPException(409, f"zone {name!r} is named by the rules {some}")
        try:
            await self._delete_zone(name, user_of(request))
        except KeyError:
            raise _unknown(name) from None
        except ZoneError as error:
            raise HTTPException(409, error.message) from None
        return Response(status_code=204)

    def _entry(self, name: str) -> ZoneEntry:
        entry = self._zones().get(name)
        if entry is None:
            raise _unknown(name)
        return entry

    def _view(self, entry: ZoneEntry) -> ZoneView:
        return ZoneView(
            name=entry.zone.name,
            source=entry.source,
            updated_by=entry.updated_by,
            updated_at=time_of(entry.updated_at),
            rules=self._readers_of(entry.zone.name),
            feature=entry.zone.feature(),
        )

    def _refuse_file_zone(self, name: str) -> None:
        entry = self._zones().get(name)
        if entry is not None and entry.source != API:
            raise HTTPException(
                409, f"zone {name!r} comes from {entry.source}; it can be changed there only"
            )

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/zones", tags=["zones"], default_response_class=Response)
        router.get("", responses=answers(list[ZoneView]))(self.list_zones)
        router.get("/{name}", responses=answers(ZoneView, 404))(self.get_zone)
        router.put(
            "/{name}",
            responses=answers(ZoneView, 409, 422, 503),
            openapi_extra=takes(ZoneBody),
        )(self.put_zone)
        router.delete(
            "/{name}", status_code=204, responses=answers(None, 404, 409, 503, status=204)
        )(self.delete_zone)
        return router


def _unknown(name: str) -> HTTPException:
    return HTTPException(404, f"zone {name[:200]!r} does not exist")
