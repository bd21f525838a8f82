"""What judging a rule takes: of one in force, and of one that is being written."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, read_body, unprocessable
from tocsin.dashboard.api.rules import problem_of, rule_of
from tocsin.dashboard.openapi import FieldProblem, answers, takes
from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.doubts import doubts
from tocsin.ingest.rules.explain import Explanation, explain
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleSet
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate

UNNAMED = "new rule"
"""What a rule that is being written is called until it has a name."""


MOST_NAMES = 2000
"""Devices and metrics: where there are more, a rule is not doubted while it is being written, as
that would hold up the event loop for more than 10 ms or so."""


class Checks(Protocol):
    """What stands against a rule besides its own text; each raises RuleError."""

    def check_names(self, rules: Sequence[Rule]) -> None: ...
    def check_actions(self, rules: Sequence[Rule]) -> None: ...


class DraftExplanation(msgspec.Struct, frozen=True):
    """What judging a rule would take. `doubts`: what can be right, as a rule may come before its
    devices, but looks like a slip: devices that are not known, metrics, tags and limits
    that none of them has, and units that differ."""

    explanation: Explanation
    doubts: list[FieldProblem]


class Explanations:
    """`rules` gives the set in force, `catalogue` is of what devices have sent so far."""

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        checks: Checks,
        catalogue: Catalogue,
    ) -> None:
        self._rules = rules
        self._checks = checks
        self._catalogue = catalogue

    async def explain_rule(self, name: str) -> Response:
        """What judging a rule takes: what wakes it, the windows it shares, its bounds and cost."""
        rules = self._rules()
        if rules.get(name) is None:
            raise HTTPException(404, f"rule {name[:200]!r} does not exist")
        return Json(explain(rules.checked(name), rules.enabled(), self._catalogue.may_count))

    async def explain_draft(self, request: Request) -> Response:
        """The same of a rule that is not in force, beside those that are; or everything that is
        wrong with it, as for a rule that is saved. Its name may be left out. Nothing is changed."""
        table = await read_body(request, dict[str, Any])
        table["name"] = table.get("name") or UNNAMED
        rule = rule_of(table)
        try:
            self._checks.check_names([rule])
            self._checks.check_actions([rule])
        except RuleError as error:
            raise unprocessable(problem_of(error)) from None
        checked = validate(rule)
        explanation = explain(checked, self._rules().enabled(), self._catalogue.may_count)
        return Json(DraftExplanation(explanation, self._doubts(checked)))

    def _doubts(self, rule: CheckedRule) -> list[FieldProblem]:
        names = max(len(self._catalogue.devices), len(self._catalogue.metrics))
        return [
            FieldProblem(loc=["body", error.field], msg=error.message, column=error.column)
            for error in (doubts(rule, self._catalogue) if names <= MOST_NAMES else ())
        ]

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/rules", tags=["rules"], default_response_class=Response)
        router.get("/{name}/explain", responses=answers(Explanation, 404))(self.explain_rule)
        router.post(
            "/explain", responses=answers(DraftExplanation, 422), openapi_extra=takes(Rule)
        )(self.explain_draft)
        return router
