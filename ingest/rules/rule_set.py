"""The rules in force, from their two sources."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import CheckedRule, RuleError, validate

API = "api"
FORMAT = 1


class RuleEntry(msgspec.Struct, frozen=True):
    """A rule and where it comes from: `source` is `api` or `file:<name>`.

    `version` counts the changes of the rule of this name, from 1. `updated_at` is engine time.
    """

    rule: Rule
    source: str
    version: int
    updated_by: str
    updated_at: float


class RuleVersion(msgspec.Struct, frozen=True):
    """What a rule became at engine time `at`, by whom; `rule` None: it was deleted."""

    name: str
    version: int
    at: float
    by: str
    source: str
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Names of rules by what became of them; a rule equal to the one before is in none."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class RuleSet:
    """Owns the rules by name and counts the changes of the set in `version`.

    A rule has one source. One made through the page or the API can be replaced and deleted there;
    one from a file changes with its file. Every rule in the set is valid.
    """

    def __init__(self) -> None:
        self.version = 0
        self._entries: dict[str, RuleEntry] = {}
        self._checked: dict[str, CheckedRule] = {}

    def put(self, rule: Rule, *, by: str, at: float) -> RuleChange:
        """Creates or replaces a rule of the API; an equal one changes nothing.

        Raises RuleError when the rule is invalid or a file has one of this name.
        """
        checked = validate(rule)
        before = self._entries.get(rule.name)
        if before is not None and before.source != API:
            raise _two_sources(rule.name, before.source)
        if before is not None and before.rule == rule:
            return RuleChange()
        self._set(checked, API, by, at)
        self.version += 1
        return RuleChange(changed=(rule.name,)) if before else RuleChange(added=(rule.name,))

    def delete(self, name: str) -> RuleChange:
        """Deletes a rule of the API.

        Raises KeyError for an unknown name, RuleError for a rule from a file.
        """
        entry = self._entries[name]
        if entry.source != API:
            file = entry.source.removeprefix("file:")
            raise RuleError(
                "name", f"{name!r} comes from {file}; expected one of the page or the API"
            )
        self._drop(name)
        self.version += 1
        return RuleChange(removed=(name,))

    def load(self, rules: Sequence[Rule], *, file: str, at: float) -> RuleChange:
        """Replaces all rules from files by `rules`, wholly or not at all.

        An equal rule stays as it is, and so do its alerts: loading a file again is no news.
        Raises RuleError when one is invalid, given twice, or the API has one of its name.
        """
        source = f"file:{file}"
        checked = {rule.name: validate(rule) for rule in rules}
        if len(checked) < len(rules):
            raise RuleError("name", f"{source} has two rules of one name; expected different ones")
        self.check_file_names(checked)
        removed = [
            name
            for name, entry in self._entries.items()
            if entry.source != API and name not in checked
        ]
        for name in removed:
            self._drop(name)
        added: list[str] = []
        changed: list[str] = []
        for name, rule in checked.items():
            before = self._entries.get(name)
            if before is None or before.rule != rule.rule:
                (changed if before else added).append(name)
                self._set(rule, source, source, at)
            elif before.source != source:
                self._entries[name] = msgspec.structs.replace(before, source=source)
        change = RuleChange(tuple(added), tuple(changed), tuple(removed))
        self.version += bool(change)
        return change

    def check_file_names(self, names: Iterable[str]) -> None:
        """Nothing, if a file may have rules of these names.

        Raises RuleError for the first that the API has already.
        """
        for name in names:
            entry = self._entries.get(name)
            if entry is not None and entry.source == API:
                raise _two_sources(name, API)

    def get(self, name: str) -> RuleEntry | None:
        return self._entries.get(name)

    def checked(self, name: str) -> CheckedRule:
        """The checked form of a rule in the set. Raises KeyError for an unknown name."""
        return self._checked[name]

    def entries(self) -> list[RuleEntry]:
        """All rules, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def enabled(self) -> list[CheckedRule]:
        """The rules to judge by, by name."""
        return [rule for _, rule in sorted(self._checked.items()) if rule.rule.enabled]

    def versions(
        self, change: RuleChange, before: Sequence[RuleEntry], *, by: str, at: float
    ) -> list[RuleVersion]:
        """What `change` made of rules, whose entries before it were `before`."""
        found: list[RuleVersion] = []
        for name in (*change.added, *change.changed):
            new = self._entries[name]
            found.append(RuleVersion(name, new.version, at, new.updated_by, new.source, new.rule))
        for old in before:
            name = old.rule.name
            if name in change.removed:
                who = by or old.source
                found.append(RuleVersion(name, old.version + 1, at, who, old.source, None))
        return found

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(_Snapshot(FORMAT, self.version, self.entries()))

    def restore(self, data: bytes) -> None:
        """Takes the place of everything in the set.

        Raises ValueError for a snapshot of another format or with a rule that is invalid here.
        """
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        if snapshot.format != FORMAT:
            raise ValueError(f"rule snapshot has format {snapshot.format}; expected {FORMAT}")
        checked = {entry.rule.name: validate(entry.rule) for entry in snapshot.entries}
        self.version = snapshot.version
        self._entries = {entry.rule.name: entry for entry in snapshot.entries}
        self._checked = checked

    def _set(self, checked: CheckedRule, source: str, by: str, at: float) -> None:
        name = checked.rule.name
        before = self._entries.get(name)
        version = before.version + 1 if before else 1
        self._entries[name] = RuleEntry(checked.rule, source, version, by, at)
        self._checked[name] = checked

    def _drop(self, name: str) -> None:
        del self._entries[name], self._checked[name]


class _Snapshot(msgspec.Struct, frozen=True):
    format: int
    version: int
    entries: list[RuleEntry]


def _two_sources(name: str, source: str) -> RuleError:
    place = "the page or the API" if source == API else source.removeprefix("file:")
    return RuleError(
        "name",
        f"{name!r} exists already, from {place}; a rule has one source: rename one of the two",
    )
