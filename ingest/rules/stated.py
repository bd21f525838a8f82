"""What profiles state for rules to read: names of limits and of fields."""

from collections.abc import Iterable
from dataclasses import dataclass

from tocsin.devices.profile import ProfileTable
from tocsin.ingest.rules.suggestion import did_you_mean


@dataclass(frozen=True, slots=True)
class Stated:
    """The names of `limits`, and of the fields that are `texts` and `numbers` in some profile."""

    limits: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, tables: Iterable[ProfileTable]) -> "Stated":
        tables = list(tables)
        said = [each for table in tables for each in table.fields.items()]
        return cls(
            frozenset(name for table in tables for name in table.limits),
            frozenset(name for name, field in said if isinstance(field, str)),
            frozenset(name for name, field in said if not isinstance(field, str)),
        )

    def why_no_limit(self, name: str) -> str:
        """What to say where `name` is no limit; nothing where it is one."""
        return _why_not("limit", name, self.limits)

    def why_no_field(self, name: str) -> str:
        return _why_not("field", name, self.texts | self.numbers)


def _why_not(what: str, name: str, known: frozenset[str]) -> str:
    if name in known:
        return ""
    some = ", ".join(sorted(known)[:5]) or "none states any"
    return did_you_mean(name, known) or f"; expected one that a [[profile]] states: {some}"
