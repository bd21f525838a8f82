"""The rules of several files, for `tocsin serve` and for `tocsin rules check`."""

from collections.abc import Sequence
from pathlib import Path

from tocsin.ingest.rules.loading import RuleFileError, load_rules
from tocsin.ingest.rules.rule import Rule
from tocsin.refusal import Refusal


def read_rules(files: Sequence[Path]) -> list[Rule]:
    """The rules of several files. Raises Refusal with every mistake found, a line each."""
    rules: dict[str, Rule] = {}
    problems: list[str] = []
    for file in files:
        try:
            for rule in load_rules(file):
                if rule.name in rules:
                    problems.append(f"{file}: rule {rule.name!r} is in another file already")
                rules[rule.name] = rule
        except RuleFileError as error:
            problems += error.problems
        except OSError as error:
            problems.append(f"{file}: cannot be read: {error.strerror or error}")
    if problems:
        raise Refusal("\n  ".join(["rules are not valid:", *problems]))
    return list(rules.values())
