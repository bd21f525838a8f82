"""JSON in and out of the API, through msgspec."""

import re
from typing import Any, Never, TypeVar

import msgspec
from fastapi import HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.guards import LOCAL_USER
from tocsin.devices.timestamps import parse_timestamp

T = TypeVar("T")

LATEST = 1e11
"""From here on numbers are milliseconds (devices/timestamps.py)."""

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_encode = msgspec.json.Encoder().encode
_PLACE = re.compile(r" - at `\$(?P<path>.*)`$")
_NAMED_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<field>[^`]+)`")


class Json(Response):
    """`content` as JSON, not to be kept by caches."""

    media_type = "application/json"

    def __init__(self, content: object, status: int = 200) -> None:
        super().__init__(_encode(content), status, {"cache-control": "no-store"})


def unprocessable(*problems: dict[str, Any]) -> HTTPException:
    """A 422 with what is wrong: `loc`, `msg` and perhaps `column` for each problem."""
    return HTTPException(422, detail=list(problems))


def problem(place: list[str | int], message: str, column: int | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"loc": place, "msg": message}
    return found if column is None else {**found, "column": column}


async def read_body(request: Request, kind: type[T], *, empty: bytes | None = None) -> T:
    """The body of `request` as a `kind`; `empty` stands in for no body at all. Raises 422."""
    body = await request.body()
    if not body and empty is not None:
        body = empty
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        _refuse(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unprocessable(problem(["body"], f"not JSON: {error}")) from None
    except RecursionError:
        raise unprocessable(problem(["body"], "nested too deeply")) from None


def _refuse(message: str) -> Never:
    place: list[str | int] = ["body"]
    if found := _PLACE.search(message):
        place += [part for part in re.split(r"[.\[\]]+", found["path"]) if part]
        message = message[: found.start()]
    if named := _NAMED_FIELD.search(message):
        place.append(named["field"])
    raise unprocessable(problem(place, message))


def read_time(place: list[str | int], text: str) -> float:
    """A time in a request, RFC 3339 or a number of seconds. Raises 422."""
    try:
        at = parse_timestamp(float(text) if _NUMBER.fullmatch(text) else text)
    except ValueError as error:
        raise unprocessable(problem(place, str(error))) from None
    if not 0 <= at <= LATEST:
        raise unprocessable(problem(place, f"{text!r} is not from 1970 to 5138"))
    return at


def user_of(request: Request) -> str:
    """Who sent `request`: the name from the login, `local` without one."""
    return request.state.user or LOCAL_USER
