"""GET /api/devices…: devices and their series."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

import msgspec
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import (
    Json,
    problem,
    read_body,
    read_time,
    unprocessable,
    user_of,
)
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.views import Device, time_of, view_device
from tocsin.devices.tags import TagError, check_tags
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.storage.history.series import Series
from tocsin.ingest.views import DeviceView

DEFAULT_SPAN_S = 3600.0
MOST_POINTS = 5000

PutTags = Callable[[str, dict[str, str], str], Awaitable[None]]
ReadSeries = Callable[[str, str, float, float, int], Awaitable[Series]]
From = Annotated[str | None, Query(alias="from", description="RFC 3339; default: 1 h before `to`")]
To = Annotated[str | None, Query(alias="to", description="RFC 3339; default: now")]
Points = Annotated[int, Query(ge=1, le=MOST_POINTS, description="buckets at most")]


class SeriesView(msgspec.Struct, frozen=True):
    """Buckets of one metric as arrays of one length, oldest first; `time` is where one starts.

    Without a reading `count` is 0 and the others null. What had arrived at `at` is in it, and
    nothing that came later.
    """

    at: datetime
    metric: str
    unit: str | None
    time: list[Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]]
    min: list[float | None]
    max: list[float | None]
    avg: list[float | None]
    count: list[int]


class Devices:
    def __init__(
        self,
        pipeline: Pipeline,
        read_series: ReadSeries,
        clock: Callable[[], float],
        put_tags: PutTags,
    ) -> None:
        self._pipeline = pipeline
        self._read_series = read_series
        self._clock = clock
        self._put_tags = put_tags

    async def list_devices(self) -> Response:
        return Json([view_device(device) for device in self._pipeline.devices()])

    async def get_device(self, device_id: str) -> Response:
        return Json(view_device(self._known(device_id)))

    async def get_series(
        self,
        device_id: str,
        metric: str,
        start: From = None,
        end: To = None,
        points: Points = 500,
    ) -> Response:
        """Buckets of a fixed grid over the time from `from` to `to`. Booleans count as 0 and 1; a
        metric whose values are texts has no buckets and gets 422.
        """
        device = self._known(device_id)
        if metric not in device.metrics:
            raise HTTPException(404, f"device {device_id!r} has no metric {metric[:200]!r}")
        until = self._clock() if end is None else read_time(["query", "to"], end)
        since = until - DEFAULT_SPAN_S if start is None else read_time(["query", "from"], start)
        if since >= until:
            raise unprocessable(
                problem(["query", "from"], f"{start or end!r} is not before `to`; expected that")
            )
        at = self._clock()  # in the turn of the event loop in which the series begins to be read
        try:
            series = await self._read_series(device_id, metric, since, until, points)
        except ValueError as error:  # the range has been looked at
            raise unprocessable(problem(["query", "metric"], str(error))) from None
        return Json(_view_series(at, series, metric, device.metrics[metric].unit))

    async def put_tags(self, device_id: str, request: Request) -> Response:
        """Gives a device these tags, in place of those that were given to it here before. Of one
        name a tag given here takes the place of one of the settings or of a topic; an empty object
        leaves those. Rules that select by tags, or read them, apply at once.
        """
        self._known(device_id)
        tags = await read_body(request, dict[str, str])
        try:
            check_tags(tags)
        except TagError as error:
            raise unprocessable(problem(["body"], str(error))) from None
        try:
            await self._put_tags(device_id, tags, user_of(request))
        except KeyError:
            raise HTTPException(404, f"device {device_id[:200]!r} is not known") from None
        return Json(view_device(self._known(device_id)))

    def _known(self, device_id: str) -> DeviceView:
        device = self._pipeline.device(device_id)
        if device is None:
            raise HTTPException(404, f"device {device_id[:200]!r} is not known")
        return device

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/devices", tags=["devices"], default_response_class=Response)
        router.get("", responses=answers(list[Device]))(self.list_devices)
        router.get("/{device_id}", responses=answers(Device, 404))(self.get_device)
        router.put(
            "/{device_id}/tags",
            responses=answers(Device, 404, 422, 503),
            openapi_extra=takes(dict[str, str]),
        )(self.put_tags)
        router.get("/{device_id}/series", responses=answers(SeriesView, 404, 422, 503))(
            self.get_series
        )
        return router


def _view_series(at: float, series: Series, metric: str, unit: str | None) -> SeriesView:
    # Empty buckets hold NaN, which JSON writes as null.
    starts = np.rint(series.time * 1e3).astype("datetime64[ms]")
    return SeriesView(
        time_of(at),
        metric,
        unit,
        np.datetime_as_string(starts, unit="ms", timezone="UTC").tolist(),
        series.min.tolist(),
        series.max.tolist(),
        series.avg.tolist(),
        series.count.tolist(),
    )
