"""A version of a rule beside the one before it: who changed what, from what to what."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import zip_longest
from typing import Any

import msgspec

from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleVersion

_KEYS = tuple(key for key in Rule.__struct_fields__ if key != "name")


class StepKind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


class RuleStep(msgspec.Struct, frozen=True):
    """A version and what the rule was until then; `before` None: it was not there, or what it was
    is no longer kept."""

    version: RuleVersion
    before: Rule | None

    @property
    def kind(self) -> StepKind:
        if self.version.rule is None:
            return StepKind.DELETED
        # A rule that is made anew after it was deleted begins at version 1 again.
        return StepKind.ADDED if self.version.version == 1 else StepKind.CHANGED

    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The keys that the version changed, each with its value before and after.

        Empty where there is nothing to compare.
        """
        before, after = self.before, self.version.rule
        if before is None or after is None:
            return {}
        both = ((key, getattr(before, key), getattr(after, key)) for key in _KEYS)
        return {key: (old, new) for key, old, new in both if old != new}


def steps(versions: Sequence[RuleVersion]) -> list[RuleStep]:
    """The versions of one rule, the newest first, each beside the one before it."""
    earlier = [version.rule for version in versions[1:]]
    return [RuleStep(each, before) for each, before in zip_longest(versions, earlier)]
