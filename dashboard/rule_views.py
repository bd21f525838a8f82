"""What the API and the stream say about rules and their versions: JSON others rely on."""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.dashboard.views import time_of
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleEntry
from tocsin.ingest.rules.rule_step import RuleStep, StepKind


class RuleView(Rule, frozen=True, kw_only=True, omit_defaults=False):
    """A rule: its TOML keys, and where it comes from (`api` or `file:<name>`)."""

    source: str
    version: int
    updated_by: str
    updated_at: datetime


class RuleVersionView(msgspec.Struct, frozen=True):
    """What a rule became, when, and by whom. `rule` is its TOML keys; null: it was deleted, and
    `before` has what it was. `changed` has the keys that differ from the version before, each with
    its value before and after."""

    name: str
    version: int
    at: datetime
    by: str
    source: str
    kind: StepKind
    changed: dict[str, tuple[Any, Any]]
    rule: Rule | None
    before: Rule | None


class RulesEvent(msgspec.Struct, frozen=True):
    """The whole set of rules."""

    rules: list[RuleView]


def view_step(step: RuleStep) -> RuleVersionView:
    version = step.version
    return RuleVersionView(
        name=version.name,
        version=version.version,
        at=time_of(version.at),
        by=version.by,
        source=version.source,
        kind=step.kind,
        changed=step.changed(),
        rule=version.rule,
        before=step.before if version.rule is None else None,
    )


def view_rule(entry: RuleEntry) -> RuleView:
    rule = entry.rule
    return RuleView(
        **{name: getattr(rule, name) for name in Rule.__struct_fields__},
        source=entry.source,
        version=entry.version,
        updated_by=entry.updated_by,
        updated_at=time_of(entry.updated_at),
    )
