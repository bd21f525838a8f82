"""Which tests prove which normative statements of the standards.

A test carries `@clause("MQTT-3.1.2-22")` for MQTT 5 and `@clause311("MQTT-3.1.2-24")` for 3.1.1:
the same number says different things in the two. One case of a parametrized test carries its own
(`marks=`). The statements are in `mqtt5.txt` and `mqtt311.txt`, the table that follows from both
in docs/mqtt-clauses.md: `scripts/clauses` writes it.
"""

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "docs" / "mqtt-clauses.md"
PLACES = ("tests/broker", "tests/test_sessions.py")
"""Where tests with clauses are."""

V5, V311 = "5", "3.1.1"


def clause(*ids: str) -> pytest.MarkDecorator:
    """The test proves these statements of MQTT 5."""
    return pytest.mark.clause(*ids, version=V5)


def clause311(*ids: str) -> pytest.MarkDecorator:
    """The test proves these statements of MQTT 3.1.1."""
    return pytest.mark.clause(*ids, version=V311)


@dataclass(frozen=True, slots=True)
class Statement:
    id: str
    who: str
    """`server`, `client` or `both`."""
    text: str

    @property
    def is_ours(self) -> bool:
        return self.who != "client"


def statements(version: str) -> list[Statement]:
    """All of one standard, in its order."""
    lines = Path(__file__).with_name(f"mqtt{version.replace('.', '')}.txt").read_text().splitlines()
    found = (re.fullmatch(r"([\d.]+-\d+) (server|client|both) (\S.*)", line) for line in lines)
    return [Statement(f"MQTT-{each[1]}", each[2], each[3]) for each in found if each]


@dataclass(frozen=True, slots=True)
class Proof:
    version: str
    id: str
    test: str
    """Its file and name, with the case in brackets where it is one of many."""


def proofs() -> list[Proof]:
    """What the tests say that they prove, by looking at them as pytest does."""
    return [proof for module in _modules() for proof in _of_module(module)]


def _modules() -> Iterator[ModuleType]:
    for place in PLACES:
        path = ROOT / place
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            if "clause" in file.read_text():
                yield importlib.import_module(
                    ".".join(file.relative_to(ROOT).with_suffix("").parts)
                )


def _of_module(module: ModuleType) -> Iterator[Proof]:
    file = Path(module.__file__ or "").relative_to(ROOT / "tests").as_posix()
    for name, value in vars(module).items():
        if name.startswith("test_") and isinstance(value, FunctionType):
            yield from _of_marks(_marks(value), f"{file}::{name}")


def _marks(test: FunctionType) -> list[pytest.Mark]:
    return list(getattr(test, "pytestmark", ()))


def _of_marks(marks: Iterable[pytest.Mark], test: str) -> Iterator[Proof]:
    for mark in marks:
        if mark.name == "clause":
            for each in mark.args:
                yield Proof(mark.kwargs["version"], each, test)
        elif mark.name == "parametrize":
            for case in mark.args[1]:
                yield from _of_marks(_of_case(case), f"{test}[{_name(case)}]")


def _of_case(case: Any) -> Iterator[pytest.Mark]:
    for each in getattr(case, "marks", ()):
        if isinstance(each, pytest.Mark):
            yield each
        elif isinstance(each, pytest.MarkDecorator):
            yield each.mark


def _name(case: Any) -> str:
    return str(getattr(case, "id", None) or "case")


# -- the table ---------------------------------------------------------------------------------


def table() -> str:
    """docs/mqtt-clauses.md."""
    proved = proofs()
    parts = [HEAD]
    for version in (V311, V5):
        tests: dict[str, list[str]] = {}
        for proof in proved:
            if proof.version == version:
                tests.setdefault(proof.id, []).append(proof.test)
        listed = statements(version)
        ours = [each for each in listed if each.is_ours]
        parts.append(f"## MQTT {version}: {len(ours)} statements for a server\n\n")
        parts.append("| statement | for | in short | proved by |\n|---|---|---|---|\n")
        for each in ours:
            by = "<br>".join(f"`{test}`" for test in sorted(set(tests.get(each.id, ()))))
            parts.append(
                f"| {each.id} | {each.who} | {_cell(each.text)} | {by or '**no test**'} |\n"
            )
        theirs = [each for each in listed if not each.is_ours]
        parts.append(f"\n### For clients alone: {len(theirs)}\n\n")
        parts.append(
            "| statement | in short | what the server does is proved by |\n|---|---|---|\n"
        )
        for each in theirs:
            by = "<br>".join(f"`{test}`" for test in sorted(set(tests.get(each.id, ()))))
            parts.append(f"| {each.id} | {_cell(each.text)} | {by} |\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


HEAD = """# Each normative statement, and the test that proves it

Written by `scripts/clauses` from the marks of the tests; a test fails when this is out of date, or
when a statement that binds a server has no test. The numbers are those of appendix B of each
standard, the words are ours and short: read the standard for what counts. Paths are below `tests/`.

"""
