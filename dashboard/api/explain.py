"""What judging a rule takes: of one in force, and of one that is being written."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from tocsin.dashboard.api.exchange import Json, read_body, unprocessable
from tocsin.dashboard.api.rules import problem_of, rule_of
from tocsin.dashboard.openapi import FieldProblem, answers, takes
from tocsin.ingest.rules.explain import Explanation, explain
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleSet
from tocsin.ingest.rules.validation import RuleError, find_errors, validate

UNNAMED = "new rule"
"""What a rule that is being written is called until it has a name."""


MOST_METRICS = 1000
"""Names among which one that is like a mistyped one is looked for, about 10 ms; where there are
more of them, metrics are not doubted."""


class Checks(Protocol):
    """What stands against a rule besides its own text; each raises RuleError."""

    def check_zones(self, rules: Sequence[Rule]) -> None: ...
    def check_actions(self, rules: Sequence[Rule]) -> None: ...


class DraftExplanation(msgspec.Struct, frozen=True):
    """What judging a rule would take. `doubts`: what can be right, as a rule may come before its
    devices, but looks like a slip: metrics that no device has."""

    explanation: Explanation
    doubts: list[FieldProblem]


class Explanations:
    """`rules` gives the set in force, `metrics` the names that devices have sent so far."""

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        checks: Checks,
        metrics: Callable[[], Collection[str]],
    ) -> None:
        self._rules = rules
        self._checks = checks
        self._metrics = metrics

    async def explain_rule(self, name: str) -> Response:
        """What judging a rule takes: what wakes it, the windows it shares, its bounds and cost."""
        rules = self._rules()
        if rules.get(name) is None:
            raise HTTPException(404, f"rule {name[:200]!r} does not exist")
        return Json(explain(rules.checked(name), rules.enabled()))

    async def explain_draft(self, request: Request) -> Response:
        """The same of a rule that is not in force, beside those that are; or everything that is
        wrong with it, as for a rule that is saved. Its name may be left out. Nothing is changed."""
        table = await read_body(request, dict[str, Any])
        table["name"] = table.get("name") or UNNAMED
        rule = rule_of(table)
        try:
            self._checks.check_zones([rule])
            self._checks.check_actions([rule])
        except RuleError as error:
            raise unprocessable(problem_of(error)) from None
        explanation = explain(validate(rule), self._rules().enabled())
        return Json(DraftExplanation(explanation, self._doubts(rule)))

    def _doubts(self, rule: Rule) -> list[FieldProblem]:
        known = self._metrics()
        if not 0 < len(known) <= MOST_METRICS:
            return []
        return [
            FieldProblem(loc=["body", error.field], msg=error.message, column=error.column)
            for error in find_errors(rule, known_metrics=known)
        ]

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/api/rules", tags=["rules"], default_response_class=Response)
        router.get("/{name}/explain", responses=answers(Explanation, 404))(self.explain_rule)
        router.post(
            "/explain", responses=answers(DraftExplanation, 422), openapi_extra=takes(Rule)
        )(self.explain_draft)
        return router
