"""GET /api/devices/{id}/windows and /api/groups/windows: what windows of a metric came to."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, problem, read_time, unprocessable
from tocsin.dashboard.openapi import answers
from tocsin.dashboard.views import time_of
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.window_results import Group, Hops, Pauses
from tocsin.ingest.windows.results import Results

DEFAULT_WINDOWS = 60
DEFAULT_SPAN_S = 3600.0

ReadWindows = Callable[[str | Group, str, Hops | Pauses, float, float], Awaitable[Results]]
Kind = Annotated[
    Literal["tumbling", "hopping", "session"],
    Query(description="`hopping` takes `hop`, `session` takes `gap`"),
]
Size = Annotated[
    str | None, Query(description="`10s`, `1m`, `1h`: 1 s to 1 day; default: 1 minute")
]
Hop = Annotated[
    str | None,
    Query(description="how far apart hopping windows begin: `size` by a whole number up to 60"),
]
Gap = Annotated[
    str | None, Query(description="how long nothing comes when a session is over: 1 s to 1 day")
]
Tag = Annotated[
    str | None, Query(description="devices that have this tag now, of the value `value`")
]
Value = Annotated[str | None, Query(description="the value of `tag`")]
OfProfile = Annotated[
    str | None,
    Query(description="instead of a tag: devices whose profile is the one for these `devices`"),
]
Since = Annotated[
    str | None,
    Query(alias="from", description="RFC 3339; default: 60 windows, or 1 h, before `to`"),
]
To = Annotated[str | None, Query(alias="to", description="RFC 3339; default: now")]


class WindowView(msgspec.Struct, frozen=True):
    """What a closed window [start, end) came to. `stddev` is null of one reading; percentiles are
    exact. `revision` is how often that changed after it had closed, because of readings that came
    late, but not too late; `changed_at` when it came to this.
    """

    start: datetime
    end: datetime
    count: int
    min: float
    max: float
    avg: float
    sum: float
    stddev: float | None
    p50: float
    p90: float
    p95: float
    p99: float
    first: float
    last: float
    revision: int
    changed_at: datetime


class GroupWindowView(WindowView, frozen=True):
    """What a closed window of a group came to: of the readings of all its devices together.
    `devices` is how many of these have readings in it. `revision` is how often it changed after the
    first of these had closed it.
    """

    devices: int


class Windows:
    def __init__(
        self, pipeline: Pipeline, read_windows: ReadWindows, clock: Callable[[], float]
    ) -> None:
        self._pipeline = pipeline
        self._read_windows = read_windows
        self._clock = clock

    async def get_windows(
        self,
        device_id: str,
        metric: str,
        kind: Kind = "tumbling",
        size: Size = None,
        hop: Hop = None,
        gap: Gap = None,
        start: Since = None,
        end: To = None,
    ) -> Response:
        """The closed windows of a metric that begin from `from` on and before `to`, at most 1,000,
        oldest first; those without readings are left out. Tumbling windows follow one another,
        hopping ones begin each `hop`, a session is from its first reading to `gap` after its last,
        with less than `gap` from one to the next, and a day long at most. A window is closed when
        its device has reached its end. They are made of the readings that are kept, 7 days, but for
        those that were too late.
        """
        device = self._pipeline.device(device_id)
        if device is None:
            raise HTTPException(404, f"device {device_id[:200]!r} is not known")
        if metric not in device.metrics:
            raise HTTPException(404, f"device {device_id!r} has no metric {metric[:200]!r}")
        asked = _asked(kind, size, hop, gap)
        since, until = self._range(asked, start, end)
        try:
            found = await self._read_windows(device_id, metric, asked, since, until)
        except ValueError as error:
            raise unprocessable(problem(["query"], str(error))) from None
        return Json([WindowView(**each) for each in _rows(found)])

    async def get_group_windows(
        self,
        metric: str,
        tag: Tag = None,
        value: Value = None,
        profile: OfProfile = None,
        kind: Kind = "tumbling",
        size: Size = None,
        hop: Hop = None,
        gap: Gap = None,
        start: Since = None,
        end: To = None,
    ) -> Response:
        """The closed windows of a metric of a group: of the readings of all devices that now have a
        tag, or a profile, together, at most 1,000 devices; else as the windows of one device. A
        window is closed when each device that has readings in it has reached its end. A
        session goes on for as long as any device of the group sends.
        """
        group = _group(tag, value, profile)
        asked = _asked(kind, size, hop, gap)
        since, until = self._range(asked, start, end)
        try:
            found = await self._read_windows(group, metric, asked, since, until)
        except KeyError:
            raise HTTPException(
                404, f"no device of {str(group)[:400]} has a metric {metric[:200]!r}"
            ) from None
        except ValueError as error:
            raise unprocessable(problem(["query"], str(error))) from None
        devices = found.devices.tolist()
        return Json(
            [
                GroupWindowView(**each, devices=count)
                for each, count in zip(_rows(found), devices, strict=True)
            ]
        )

    def _range(
        self, asked: Hops | Pauses, start: str | None, end: str | None
    ) -> tuple[float, float]:
        until = self._clock() if end is None else read_time(["query", "to"], end)
        if start is not None:
            return read_time(["query", "from"], start), until
        span_s = DEFAULT_SPAN_S
        if isinstance(asked, Hops):
            span_s = DEFAULT_WINDOWS * asked.hop_s
        return until - span_s, until

    def router(self) -> APIRouter:
        router = APIRouter(tags=["windows"], default_response_class=Response)
        router.get(
            "/api/devices/{device_id}/windows", responses=answers(list[WindowView], 404, 422, 503)
        )(self.get_windows)
        router.get("/api/groups/windows", responses=answers(list[GroupWindowView], 404, 422, 503))(
            self.get_group_windows
        )
        return router


def _group(tag: str | None, value: str | None, profile: str | None) -> Group:
    """Raises 422."""
    if tag is not None and value is not None and profile is None:
        return Group(tag=(tag, value))
    if tag is None and value is None and profile is not None:
        return Group(profile=profile)
    given = {"tag": tag, "value": value, "profile": profile}
    shown = ", ".join(f"{name} {text[:64]!r}" for name, text in given.items() if text is not None)
    raise unprocessable(
        problem(
            ["query", "tag"],
            f"{shown or 'nothing'} names no group; expected tag and value, or profile",
        )
    )


def _asked(kind: str, size: str | None, hop: str | None, gap: str | None) -> Hops | Pauses:
    """Raises 422."""
    takes = {"tumbling": {"size"}, "hopping": {"size", "hop"}, "session": {"gap"}}[kind]
    for name, given in (("size", size), ("hop", hop), ("gap", gap)):
        if given is not None and name not in takes:
            raise unprocessable(
                problem(
                    ["query", name],
                    f"{name} {given[:32]!r} of {kind} windows; expected"
                    f" {' and '.join(sorted(takes, reverse=True))} only",
                )
            )
    try:
        if kind == "session":
            return Pauses(_duration("gap", gap, "gap=30s"))
        size_s = _duration("size", size or "1m", "size=1m")
        return Hops(size_s, _duration("hop", hop, "hop=10s") if kind == "hopping" else size_s)
    except ValueError as error:
        raise unprocessable(problem(["query"], str(error))) from None


def _duration(name: str, text: str | None, example: str) -> float:
    """Raises 422."""
    if text is None:
        raise unprocessable(problem(["query", name], f"no {name}; expected one, as in {example}"))
    try:
        return parse_duration(text)
    except ValueError as error:
        raise unprocessable(problem(["query", name], str(error))) from None


def _rows(of: Results) -> Iterator[dict[str, Any]]:
    """The fields of a `WindowView` for each result."""
    names = ("count", "min", "max", "sum", "stddev", "p50", "p90", "p95", "p99", "first", "last")
    columns = [getattr(of, name).tolist() for name in (*names, "revision")]
    times = (of.start.tolist(), of.end.tolist(), of.changed.tolist())
    for start, end, changed, *values in zip(*times, *columns, strict=True):
        row: dict[str, Any] = dict(zip((*names, "revision"), values, strict=True))
        yield row | {
            "avg": row["sum"] / row["count"],
            "start": time_of(start / 1e6),
            "end": time_of(end / 1e6),
            "changed_at": time_of(changed / 1e6),
        }
