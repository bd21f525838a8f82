"""Who may import whom (docs/architecture.md), read from the source of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("broker", "dashboard", "devices", "ingest", "simulators", "tocsin")

# Each part, and the parts it may import besides itself.
MAY_IMPORT: dict[str, set[str]] = {
    "devices": set(),
    "broker": {"devices"},
    "ingest": {"devices"},
    "dashboard": {"devices", "ingest"},
    "simulators": {"devices"},
    "tocsin": {"broker", "dashboard", "devices", "ingest", "simulators"},
}

# Modules of the outside world that one place alone may use.
ONLY_IN = {
    "sqlite3": ("storage",),
    "duckdb": ("storage",),
    "fastapi": ("dashboard",),
    "httpx2": ("delivery", "heartbeat"),
    "sse_starlette": ("dashboard",),
    "uvicorn": ("tocsin", "connection.py"),
    "typer": ("tocsin",),
}
FORBIDDEN = {"pickle", "marshal", "shelve"}
VAGUE = {"utils", "util", "common", "models", "types", "core", "helpers", "manager", "misc"}


def modules(part: str) -> list[Path]:
    links = {f"tocsin/{p}" for p in PARTS}
    return [
        file
        for file in sorted((ROOT / part).rglob("*.py"))
        if not any(file.relative_to(ROOT).as_posix().startswith(f"{link}/") for link in links)
        and "node_modules" not in file.parts
    ]


def imports(file: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} uses a relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def part_of(module: str) -> str | None:
    """The part a dotted name belongs to, None for the outside world."""
    levels = module.split(".")
    if levels[0] != "tocsin":
        return None
    return levels[1] if len(levels) > 1 and levels[1] in PARTS else "tocsin"


@pytest.mark.parametrize("part", PARTS)
def test_parts_import_only_what_they_may(part: str):
    assert modules(part), f"{part} has no modules"
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules(part)
        for name in imports(file)
        if (other := part_of(name))
        and other != part
        and other not in MAY_IMPORT[part]
        # `from tocsin import broker` names the root package on its way
        and name != "tocsin"
    ]
    assert wrong == []


@pytest.mark.parametrize("part", PARTS)
def test_outside_modules_stay_in_their_place(part: str):
    wrong: list[str] = []
    for file in modules(part):
        place = file.relative_to(ROOT).parts
        for name in imports(file):
            top = name.split(".")[0]
            if top in FORBIDDEN or (top in ONLY_IN and not set(ONLY_IN[top]) & set(place)):
                wrong.append(f"{'/'.join(place)} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("part", PARTS)
def test_no_eval_exec_or_shell(part: str):
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in modules(part)
        for node in ast.walk(ast.parse(file.read_text()))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("eval", "exec")
        )
        or (isinstance(node, ast.keyword) and node.arg == "shell")
    ]
    assert wrong == []


def test_every_module_and_folder_is_named_by_a_noun_of_the_domain():
    vague = [
        file.relative_to(ROOT).as_posix()
        for part in PARTS
        for file in modules(part)
        if VAGUE & {file.stem, *file.relative_to(ROOT).parts[:-1]}
    ]
    assert vague == []


def test_every_module_says_what_it_is_for():
    silent = [
        file.relative_to(ROOT).as_posix()
        for part in PARTS
        for file in modules(part)
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []
