"""…/api/rules: the rules in force, and changing those that do not come from a file."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, problem, read_body, unprocessable, user_of
from tocsin.dashboard.openapi import answers, takes
from tocsin.dashboard.rule_views import RuleView, view_rule
from tocsin.ingest.rules.loading import rule_from_table
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import API, RuleSet
from tocsin.ingest.rules.validation import RuleError

READ_ONLY = frozenset(RuleView.__struct_fields__) - frozenset(Rule.__struct_fields__)
"""Keys that we send and that may come back unread."""

_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": 'the version that was changed, as `"3"`',
    "schema": {"type": "string"},
}

PutRule = Callable[[Rule, str], Awaitable[None]]
DeleteRule = Callable[[str, str], Awaitable[None]]


class Rules:
    """`rules` gives the set in force; `put_rule` and `delete_rule` are done when on disk."""

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        put_rule: PutRule,
        delete_rule: DeleteRule,
    ) -> None:
        self._rules = rules
        self._put_rule = put_rule
        self._delete_rule = delete_rule

    async def list_rules(self) -> Response:
        return Json([view_rule(entry) for entry in self._rules().entries()])

    async def get_rule(self, name: str) -> Response:
        return Json(self._view(name))

    async def create_rule(self, request: Request) -> Response:
        """A new rule; a name that exists is refused, from wherever that rule comes."""
        rule = rule_of(await read_body(request, dict[str, Any]))
        if entry := self._rules().get(rule.name):
            raise HTTPException(409, f"rule {rule.name!r} exists already (from {entry.source})")
        return await self._put(rule, request, 201)

    async def put_rule(self, name: str, request: Request) -> Response:
        """Creates or replaces a rule. `name` may be left out of the body. With `If-Match`, the
        version that was changed (`If-Match: "3"`), one that is not in force any more is 412."""
        table = await read_body(request, dict[str, Any])
        if table.setdefault("name", name) != name:
            raise unprocessable(
                problem(["body", "name"], f"{table['name']!r} is not the {name!r} of the address")
            )
        rule = rule_of(table)
        self._refuse_file_rule(name)
        self._refuse_changed(name, request.headers.get("if-match"))
        return await self._put(rule, request, 200)

    async def delete_rule(self, name: str, request: Request) -> Response:
        """Deletes a rule; its open alerts end."""
        self._refuse_file_rule(name)
        try:
            await self._delete_rule(name, user_of(request))
        except KeyError:
            raise _unknown(name) from None
        return Response(status_code=204)

    async def _put(self, rule: Rule, request: Request, status: int) -> Response:
        try:
            await self._put_rule(rule, user_of(request))
        except RuleError as error:
            raise unprocessable(problem_of(error)) from None
        return Json(self._view(rule.name), status)

    def _view(self, name: str) -> RuleView:
        entry = self._rules().get(name)
        if entry is None:
            raise _unknown(name)
        return view_rule(entry)

    def _refuse_file_rule(self, name: str) -> None:
        entry = self._rules().get(name)
        if entry is not None and entry.source != API:
            raise HTTPException(
                409, f"rule {name!r} comes from {entry.source}; it can be changed there only"
            )

    def _refuse_changed(self, name: str, asked: str | None) -> None:
        if asked is None:
            return
        entry = self._rules().get(name)
        if entry is None:
            raise HTTPException(412, f"rule {name!r} was deleted; expected version {asked[:32]}")
        if asked.strip() not in (f'"{entry.version}"', "*"):
            raise HTTPException(
                412,
                f"rule {name!r} is version {entry.version} by {entry.updated_by}; expected"
                f" {asked[:32]}, the one that was changed here",
            )

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/rules", tags=["rules"], default_response_class=Response)
        router.get("", responses=answers(list[RuleView]))(self.list_rules)
        router.post(
            "",
            status_code=201,
            responses=answers(RuleView, 409, 422, 503, status=201),
            openapi_extra=takes(Rule),
        )(self.create_rule)
        router.get("/{name}", responses=answers(RuleView, 404))(self.get_rule)
        router.put(
            "/{name}",
            responses=answers(RuleView, 404, 409, 412, 422, 503),
            openapi_extra=takes(Rule) | {"parameters": [_IF_MATCH]},
        )(self.put_rule)
        router.delete(
            "/{name}", status_code=204, responses=answers(None, 404, 409, 503, status=204)
        )(self.delete_rule)
        return router


def rule_of(table: Mapping[str, Any], place: Sequence[str] = ("body",)) -> Rule:
    """The rule whose keys are `table`, which is at `place` in the request. Raises 422."""
    rule, errors = rule_from_table({k: v for k, v in table.items() if k not in READ_ONLY})
    if rule is None:
        raise unprocessable(*(problem_of(error, place) for error in errors))
    return rule


def problem_of(error: RuleError, place: Sequence[str] = ("body",)) -> dict[str, Any]:
    """What is wrong with a rule that is at `place` in the request."""
    return problem([*place, error.field], error.message, error.column)


def _unknown(name: str) -> HTTPException:
    return HTTPException(404, f"rule {name[:200]!r} does not exist")
