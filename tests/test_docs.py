"""The documents say what is so: their commands run, their examples load, their tables are the
code's, their links lead somewhere."""

import ast
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.server import Server
from tocsin.cli import app
from tocsin.ingest.alerts.lifecycle import MUTINGS, TRANSITIONS
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Receipt
from tocsin.ingest.rules.functions import FUNCTIONS
from tocsin.ingest.rules.loading import read_rules, rule_from_table
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.settings import MAY_BE_ZERO, load_settings, setting_defaults

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text()
RULES = (ROOT / "docs" / "rules.md").read_text()
DELIVERY = (ROOT / "docs" / "delivery.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def table(text: str, *heads: str) -> list[list[str]]:
    """The rows of all tables with these heads, cells without their backticks."""
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif [cell.strip("` ") for cell in cells] == list(heads):
            inside = True
        elif inside and not line.startswith("|---"):
            padded = line.removeprefix("|").removesuffix("|")
            rows.append([_bare(cell) for cell in padded.split(" |")])
    assert rows, f"there is no table with the heads {heads}"
    return rows


def _bare(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1] if re.fullmatch(r"`[^`]+`", cell) else cell


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


# -- commands ---------------------------------------------------------------------------------


def test_the_commands_of_the_readme_do_what_it_says(server: Server, tmp_path: Path):
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    lines += re.findall(r"`(mosquitto_\w+ [^`]+)`", README)
    said: dict[str, str] = {}
    for line in lines:
        words = shlex.split(line)
        if words[0].startswith("scripts/"):
            assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} cannot be run"
            continue
        ran = subprocess.run(
            _against(server, words), cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, f"{line}: {ran.stdout}{ran.stderr}"
        said[words[0] + " " + words[1]] = ran.stdout
    assert {line.split()[0] for line in lines} >= {"scripts/demo", "scripts/test", "mosquitto_pub"}

    device = server.get("/api/devices/my-first")
    assert device["metrics"]["temp_c"]["unit"] == "°C"
    assert device["messages_total"] == sum(line.startswith("mosquitto_pub") for line in lines)
    assert json.loads(said["curl -s"])["name"] == "hot"
    alert = json.loads(said["mosquitto_sub -t"])
    assert (alert["rule"], alert["device"], alert["value"]) == ("hot", "my-first", 95)
    assert f"process {server.pid}" in said[".venv/bin/tocsin doctor"]


def _against(server: Server, words: list[str]) -> list[str]:
    """A command of the README, sent to `server` instead of the default addresses."""
    match words:
        case ["mosquitto_pub" | "mosquitto_sub" as tool, *rest]:
            return [tool, "-h", server.mqtt[0], "-p", str(server.mqtt[1]), *rest]
        case ["curl", *rest]:
            return ["curl", "-f", *(w.replace("http://127.0.0.1:8000", server.http) for w in rest)]
        case [".venv/bin/tocsin", "doctor"]:
            return [sys.executable, "-m", "tocsin", "doctor", "--data", str(server.data)]
        case [".venv/bin/tocsin", *rest]:
            return [sys.executable, "-m", "tocsin", *rest]
        case _:
            raise AssertionError(f"no idea how to run {shlex.join(words)!r}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_tocsin_command_exists_with_its_flags(document: Path):
    text = document.read_text()
    for line in re.findall(r"`(?:\.venv/bin/)?tocsin ([^`\n…]+)`", text):
        command: Any = typer.main.get_command(app)
        words = shlex.split(line)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands") or not words, f"tocsin {line}: no such command"
        flags = {option for param in command.params for option in param.opts} | {"--help"}
        unknown = [w for w in words if w.startswith("-") and w.partition("=")[0] not in flags]
        assert unknown == [], f"tocsin {line}"


# -- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path):
    dead: list[str] = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"https?:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in _anchors(target.read_text())):
            dead.append(link)
    assert dead == []


def _anchors(text: str) -> set[str]:
    """The anchors of the headings, as code forges make them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


# -- examples ---------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_examples_load(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for block in blocks(document.read_text(), "toml"):
        if "[[rule]]" in block:
            assert read_rules(block.encode(), document.name)
        else:
            file = tmp_path / "example.toml"
            file.write_text(block)
            assert load_settings(file) != load_settings()


# -- rules ------------------------------------------------------------------------------------


def test_the_keys_of_a_rule():
    rows = table(RULES, "key", "default", "meaning")
    assert {row[0] for row in rows} == set(Rule.__struct_fields__)
    default = Rule(name="", when="")
    for key, said, _ in rows:
        value = getattr(default, key)
        if key in ("name", "when"):
            assert said == "required"
        elif value in ((), {}) or key == "group_by":
            assert said == "none", key
        elif key not in ("clear", "message"):
            assert said == (str(value).lower() if isinstance(value, bool) else str(value)), key


def test_the_functions_of_rules():
    rows = [tuple(row) for row in table(RULES, "example", "meaning")]
    assert rows == [(function.example, function.doc) for function in FUNCTIONS.values()]


def test_mistakes_are_answered_as_documented():
    for when, message in table(RULES, "when", "what is said"):
        rule, errors = rule_from_table({"name": "r", "when": when})
        assert rule is None
        assert [error.message for error in errors] == [message]


def test_the_panes_of_windows():
    panes = re.findall(r"`'(\d+)(s|m|h)'` (?:has )?(\d+) (?:panes )?of ", RULES)
    assert len(panes) == 4
    for number, unit, count in panes:
        size_s = int(number) * {"s": 1, "m": 60, "h": 3600}[unit]
        assert WindowSpec.hopping(size_s).panes == int(count)


def test_the_life_of_an_alert():
    rows = table(RULES, "state", "event", "state after", "its delay", "meaning")
    assert [tuple(row) for row in rows] == [
        (str(row.before or "–"), str(row.event), str(row.after), str(row.delay), row.meaning)
        for row in TRANSITIONS.values()
    ]
    muting = table(RULES, "suppression", "command", "suppression after")
    assert [tuple(row) for row in muting] == [
        (str(before), str(command), str(after)) for (before, command), after in MUTINGS.items()
    ]


# -- settings ---------------------------------------------------------------------------------


def test_every_setting_is_documented_with_its_default():
    rows = table(SETTINGS, "setting", "default", "unit", "meaning")
    defaults = setting_defaults()
    assert [row[0] for row in rows if len(row) != 4] == []
    assert sorted(row[0] for row in rows) == sorted(defaults)
    for name, said, unit, meaning in rows:
        value = defaults[name]
        assert meaning, name
        assert unit or isinstance(value, (bool, str)), name
        if name == "data":
            assert said == "the platform's"
        elif value in ((), "", None):
            assert said == "none", name
        elif isinstance(value, (bool, str)):
            assert said.lower() == str(value).lower(), name
        else:
            assert float(said) == value, name
        assert ("may be 0" in meaning) == any(
            zero.startswith(name) for zero in MAY_BE_ZERO if zero.count(".") >= name.count(".")
        ), name


def test_every_key_of_a_channel_is_documented_with_its_default():
    rows = table(DELIVERY, "key", "default", "unit", "meaning")
    fields = {field.name: field.default for field in dataclasses.fields(Channel)}
    assert {row[0] for row in rows} == set(fields)
    for name, said, *_ in rows:
        value = fields[name]
        if not said.startswith("required"):
            expected = "none" if value in (None, "") else str(value).removesuffix(".0")
            assert said == expected, name


def test_every_receipt_is_documented():
    rows = table(DELIVERY, "state", "meaning")
    assert [row[0] for row in rows] == list(Receipt)


# -- guarantees -------------------------------------------------------------------------------


def test_guarantees_name_tests_that_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", GUARANTEES)
    assert len(named) > 20
    missing = [f"{file}::{test}" for file, test in named if test not in _tests(ROOT / file)]
    assert missing == []


def test_guarantees_name_files_that_exist():
    files = re.findall(r"`((?:tests|benchmarks|scripts|docs)/[\w./-]+)`", GUARANTEES)
    assert [file for file in files if not (ROOT / file).exists()] == []


def _tests(file: Path) -> set[str]:
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
    }
