"""The native format: a JSON object of metrics, an array of such objects, or a bare value."""

import math
from typing import TypeAlias

import msgspec

from tocsin.devices.formats.row import Row, Value
from tocsin.devices.timestamps import parse_timestamp
from tocsin.devices.topics import MAX_METRIC_NAME

MAX_NESTING = 16
MAX_ROWS = 10_000
MAX_ELEMENTS = 64
MAX_STRING_BYTES = 256

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_decode = msgspec.json.Decoder().decode


class PayloadError(ValueError):
    """A payload that is not in the native form: what, the value, what was expected."""


def read_payload(payload: bytes, metric: str | None) -> list[Row]:
    """The rows of a payload. `metric` is the name its topic gives to a bare value.

    Raises PayloadError. Never anything else, whatever the bytes are.
    """
    if not payload:
        raise PayloadError("the payload is empty; expected a JSON object or a number")
    try:
        document: Json = _decode(payload)
    except RecursionError:
        raise PayloadError(f"nested deeper than {MAX_NESTING} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadError(f"not JSON: {error}") from None
    if not isinstance(document, list):
        return [_row(document, metric)]
    if not document:
        raise PayloadError("an empty array; expected at least one object")
    if len(document) > MAX_ROWS:
        raise PayloadError(f"an array of {len(document)}; expected at most {MAX_ROWS} objects")
    for item in document:
        if not isinstance(item, dict):
            raise PayloadError(f"an array with {_show(item)} in it; expected objects")
    return [_row(item, metric) for item in document]


def _row(document: Json, metric: str | None) -> Row:
    if not isinstance(document, dict):
        return Row({metric or "value": _value(document, metric or "value")})
    values: dict[str, Value] = {}
    ts: float | None = None
    for name, member in document.items():
        if name == "ts":
            ts = _timestamp(member)
        elif name in ("lat", "lon"):
            values[name] = _coordinate(name, member)
        elif metric and name == "value":
            _flatten(metric, member, values, 1)
        else:
            _flatten(f"{metric}.{name}" if metric else name, member, values, 1)
    if not values:
        raise PayloadError("no metrics in it; expected at least one number, boolean or string")
    return Row(values, ts)


def _flatten(name: str, member: Json, values: dict[str, Value], depth: int) -> None:
    if member is None:  # a sensor that has nothing to say just now
        return
    if depth > MAX_NESTING:
        raise PayloadError(f"nested deeper than {MAX_NESTING} levels")
    if isinstance(member, dict):
        for key, inner in member.items():
            _flatten(f"{name}.{key}", inner, values, depth + 1)
    elif isinstance(member, list):
        if len(member) > MAX_ELEMENTS:
            raise PayloadError(
                f"{name[:64]!r} is an array of {len(member)}; expected at most {MAX_ELEMENTS}"
            )
        for index, inner in enumerate(member):
            _flatten(f"{name}.{index}", inner, values, depth + 1)
    else:
        if not 1 <= len(name) <= MAX_METRIC_NAME:
            raise PayloadError(
                f"metric name {name[:40]!r} has {len(name)} characters; "
                f"expected 1 to {MAX_METRIC_NAME}"
            )
        values[name] = _value(member, name)


def _value(member: Json, name: str) -> Value:
    if name in ("lat", "lon"):
        return _coordinate(name, member)
    if isinstance(member, str):
        if len(member.encode()) > MAX_STRING_BYTES:
            raise PayloadError(
                f"{name[:64]!r} is a string of {len(member.encode())} bytes; "
                f"expected at most {MAX_STRING_BYTES}"
            )
        return member
    if isinstance(member, bool):
        return member
    if isinstance(member, int | float):
        try:
            number = float(member)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise PayloadError(f"{name[:64]!r} is {_show(member)}; expected a number, boolean or string")


def _timestamp(member: Json) -> float | None:
    if member is None:
        return None
    if not isinstance(member, int | float | str):
        raise PayloadError(f"ts is {_show(member)}; expected seconds, ms or ISO 8601")
    try:
        return parse_timestamp(member)
    except ValueError as error:
        raise PayloadError(str(error)) from None


def _coordinate(name: str, member: Json) -> float:
    limit = 90 if name == "lat" else 180
    if isinstance(member, int | float) and not isinstance(member, bool) and abs(member) <= limit:
        return float(member)
    raise PayloadError(f"{name} is {_show(member)}; expected degrees from -{limit} to {limit}")


def _show(member: Json) -> str:
    if isinstance(member, dict | list):
        return "an object" if isinstance(member, dict) else "an array"
    text = repr(member)
    return text if len(text) <= 40 else text[:40] + "…"
