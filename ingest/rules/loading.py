"""Rules as tables of keys: `[[rule]]` in a TOML file, the body of a request, and back to TOML."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tocsin.ingest.rules.rule import Rule, Severity
from tocsin.ingest.rules.suggestion import did_you_mean
from tocsin.ingest.rules.validation import RuleError, find_errors

MAX_FILE_BYTES = 4 * 1024 * 1024
"""Bytes of a rule file: far above 1,000 rules, far below what would stall the start."""

MAX_RULES = 1000
"""Rules of a file."""

_KEYS = Rule.__struct_fields__
_EXPECTED = {
    "name": "text, as in 'boiler-overheat'",
    "when": "text, as in 'temp_c > 80'",
    "group_by": "text, as in 'site'",
    "clear": "text, as in 'temp_c < 75'",
    "devices": "text, as in 'boiler-*'",
    "tags": "a table of texts, as in { site = 'north' }",
    "on_delay": "text, as in '30s'",
    "off_delay": "text, as in '30s'",
    "severity": "info, warning, major or critical",
    "message": "text, as in '{device} at {temp_c:.1f} °C'",
    "latch": "true or false",
    "re_alarm": "text, as in '30m'",
    "inhibited_by": "a list of names of rules, as in ['gateway-down']",
    "actions": "a list of names of channels, as in ['ops']",
    "enabled": "true or false",
}


class RuleFileError(ValueError):
    """A rule file that cannot be used. `problems` are lines that name file, rule and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_rules(path: Path) -> list[Rule]:
    """The rules of the TOML file at `path`, all of them valid and of different names.

    Raises RuleFileError with every problem of the file; OSError when it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise RuleFileError([f"{path.name}: is over {MAX_FILE_BYTES} bytes; expected rules only"])
    return read_rules(content, path.name)


def read_rules(content: bytes, file: str) -> list[Rule]:
    """As `load_rules`, from the content of a file named `file`."""
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RuleFileError([f"{file}: is not TOML: {error or 'nested too deep'}"]) from None
    problems = [
        f"{file}: unknown key {key!r}; expected [[rule]] tables only"
        for key in document
        if key != "rule"
    ]
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise RuleFileError([*problems, f"{file}: [rule] is one table; expected [[rule]]"])
    tables = cast("list[object]", tables)
    if len(tables) > MAX_RULES:
        raise RuleFileError(
            [*problems, f"{file}: has {len(tables)} rules; expected at most {MAX_RULES}"]
        )
    rules: dict[str, Rule] = {}
    places: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        if not isinstance(table, dict):
            problems.append(
                f"{file}: rule {number} is {_written(table)}; expected a [[rule]] table"
            )
            continue
        table = cast("dict[str, object]", table)
        rule, errors = rule_from_table(table)
        name = table.get("name")
        where = f"{file}: rule {number}" + (f" {name[:64]!r}" if isinstance(name, str) else "")
        problems += [f"{where}: {error}" for error in errors]
        if isinstance(name, str):
            if name in places:
                problems.append(
                    f"{where}: name: is taken by rule {places[name]}; expected another name"
                )
            places.setdefault(name, number)
        if rule is not None:
            rules.setdefault(rule.name, rule)
    if problems:
        raise RuleFileError(problems)
    return list(rules.values())


def rule_from_table(table: Mapping[str, object]) -> tuple[Rule | None, list[RuleError]]:
    """The rule whose keys are `table`, or None and everything that is wrong with it.

    A `clear` of None (JSON's null) is no `clear`.
    """
    keys = {key: value for key, value in table.items() if (key, value) != ("clear", None)}
    errors = [
        RuleError(key, f"unknown key; expected one of {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}")
        for key in keys
        if key not in _KEYS
    ]
    errors += [
        RuleError(key, f"is missing; expected {_EXPECTED[key]}")
        for key in ("name", "when")
        if key not in keys
    ]
    errors += [
        RuleError(key, f"{_written(value)} is not {_EXPECTED[key]}")
        for key, value in keys.items()
        if key in _KEYS and not _fits(key, value)
    ]
    if errors:
        return None, errors
    severity = Severity(cast("str", keys.pop("severity", Severity.WARNING)))
    enabled = cast("bool", keys.pop("enabled", True))
    latch = cast("bool", keys.pop("latch", False))
    inhibited_by = tuple(cast("list[str]", keys.pop("inhibited_by", ())))
    actions = tuple(cast("list[str]", keys.pop("actions", ())))
    tags = cast("dict[str, str]", keys.pop("tags", {}))
    rule = Rule(
        tags=tags,
        severity=severity,
        enabled=enabled,
        latch=latch,
        inhibited_by=inhibited_by,
        actions=actions,
        **cast("dict[str, str]", keys),
    )
    errors = find_errors(rule)
    return (None if errors else rule), errors


def _fits(key: str, value: object) -> bool:
    match key:
        case "enabled" | "latch":
            return isinstance(value, bool)
        case "inhibited_by" | "actions":
            if not isinstance(value, list | tuple):
                return False
            return all(isinstance(each, str) for each in cast("list[object]", value))
        case "tags":
            if not isinstance(value, dict):
                return False
            return all(
                isinstance(each, str) for each in cast("dict[object, object]", value).values()
            )
        case "severity":
            return isinstance(value, str) and value in set(Severity)
        case _:
            return isinstance(value, str)


def _written(value: object) -> str:
    """The value as TOML and JSON write it, short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = str(type(value).__name__)
    return text if len(text) <= 48 else text[:47] + "…"
