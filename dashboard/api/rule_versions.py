"""What rules were before: of one rule, and lately of all."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json
from tocsin.dashboard.openapi import answers
from tocsin.dashboard.rule_views import RuleVersionView, view_step
from tocsin.ingest.rules.rule_step import RuleStep

LISTED = 50
MOST_LISTED = 1000

Versions = Callable[[str], Awaitable[list[RuleStep]]]
NewestVersions = Callable[[int], Awaitable[list[RuleStep]]]


class RuleVersions:
    """`is_rule` says whether there is a rule of a name; `versions` gives what one went through,
    `newest` what all did, the newest first."""

    def __init__(
        self, is_rule: Callable[[str], bool], versions: Versions, newest: NewestVersions
    ) -> None:
        self._is_rule = is_rule
        self._versions = versions
        self._newest = newest

    async def of_rule(self, name: str) -> Response:
        """What became of a rule, the newest first: who changed it, when, from what to what. Of one
        that was deleted too; to bring a version back, PUT its `rule` (or `before`)."""
        found = await self._versions(name)
        if not found and not self._is_rule(name):
            raise HTTPException(404, f"rule {name[:200]!r} does not exist and never did")
        return Json([view_step(step) for step in found])

    async def of_all(self, limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = LISTED) -> Response:
        """What people and files did to rules lately, the newest first."""
        return Json([view_step(step) for step in await self._newest(limit)])

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api", tags=["rules"], default_response_class=Response)
        listed = list[RuleVersionView]
        router.get("/rules/{name}/versions", responses=answers(listed, 404))(self.of_rule)
        router.get("/rule-versions", responses=answers(listed, 422))(self.of_all)
        return router
