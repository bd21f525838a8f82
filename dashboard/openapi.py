"""The description of the API at /openapi.json, from the very classes that are encoded.

Routes name what they answer and take with `answers` and `takes`; the schemas of these classes
come from msgspec.
"""

from typing import Any, cast

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_REF = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    detail: str


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong in a request. `column` counts from 1 in the text of an expression."""

    loc: list[str | int]
    msg: str
    column: int | None = None


class FieldProblems(msgspec.Struct, frozen=True):
    """What is wrong in a request, place by place."""

    detail: list[FieldProblem]


class _Described:
    """Owns the classes that some route named."""

    def __init__(self) -> None:
        self.types: set[Any] = {FieldProblem}

    def schema(self, kind: Any) -> dict[str, Any]:
        self.types.add(kind)
        (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
        return schema


_described = _Described()

_PROBLEMS = {
    404: ("There is no such thing", Problem),
    409: ("That cannot be done as things stand", Problem),
    412: ("Somebody changed it meanwhile", Problem),
    422: ("Something in the request is wrong", FieldProblems),
    429: ("Too many tries; see Retry-After", Problem),
    503: ("Not now; try again", Problem),
}


def answers(
    kind: Any, *problems: int, text: str = "Done", status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: `kind` as JSON (None: no content), and how it may fail."""
    success: dict[str, Any] = {"description": text}
    if kind is not None:
        success["content"] = {"application/json": {"schema": _described.schema(kind)}}
    found: dict[int | str, dict[str, Any]] = {status: success}
    for problem in problems:
        why, shape = _PROBLEMS[problem]
        found[problem] = {
            "description": why,
            "content": {"application/json": {"schema": _described.schema(shape)}},
        }
    return found


def takes(kind: Any, *, required: bool = True) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is `kind` as JSON."""
    content = {"application/json": {"schema": _described.schema(kind)}}
    return {"requestBody": {"required": required, "content": content}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, schemas = msgspec.json.schema_components(_described.types, ref_template=_REF)
    components = cast("dict[str, Any]", document.setdefault("components", {}))
    components.setdefault("schemas", {}).update(schemas)
    return document
