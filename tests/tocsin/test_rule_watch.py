"""Rule files that change under a running server."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.server import Server, wait_for
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError
from tocsin.rule_files import read_rules
from tocsin.rule_watch import RuleWatch

GOOD = "[[rule]]\nname = 'hot'\nwhen = 'temp_c > 80'\n"
BETTER = GOOD + "[[rule]]\nname = 'cold'\nwhen = 'temp_c < 0'\n"


class Watched:
    """A watch on one file, what it loaded, and what it complained of."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plant.toml"
        self.file.write_text(GOOD)
        self.loaded: list[list[str]] = []
        self.troubles: list[str | None] = []
        self.refusal: RuleError | None = None
        rules = read_rules([self.file])
        self.watch = RuleWatch([self.file], rules, self._load, self.troubles.append)

    async def _load(self, rules: Sequence[Rule]) -> None:
        if self.refusal:
            raise self.refusal
        self.loaded.append([rule.name for rule in rules])

    async def settle(self) -> None:
        for _ in range(3):
            await self.watch.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_files_that_did_not_change_are_not_loaded(watched: Watched):
    await watched.settle()
    watched.file.write_text(GOOD + "# a word more\n")
    await watched.settle()
    assert (watched.loaded, watched.troubles) == ([], [])


async def test_a_whole_valid_set_takes_the_place_of_the_one_before(watched: Watched):
    await watched.settle()
    watched.file.write_text(BETTER)
    await watched.watch.look()
    assert watched.loaded == [], "it may still be being written"
    await watched.settle()
    assert watched.loaded == [["hot", "cold"]]


async def test_of_a_set_with_a_mistake_nothing_is_loaded_and_the_mistake_is_told_once(
    watched: Watched,
):
    watched.file.write_text(BETTER + "[[rule]]\nname = 'odd'\nwhen = 'temp_c >'\n")
    await watched.settle()
    await watched.settle()
    [reason] = watched.troubles
    assert "plant.toml: rule 3 'odd': when: the expression ends at column 9" in str(reason)
    assert watched.loaded == []
    watched.file.write_text(BETTER)
    await watched.settle()
    assert watched.troubles[1:] == [None]
    assert watched.loaded == [["hot", "cold"]]


async def test_a_file_that_is_gone_leaves_its_rules_in_force(watched: Watched):
    watched.file.unlink()
    await watched.settle()
    assert "cannot be read" in str(watched.troubles[-1])
    watched.file.write_text(GOOD)
    await watched.settle()
    assert (watched.troubles[-1], watched.loaded) == (None, [])


async def test_a_name_that_the_page_has_is_tried_again_when_it_is_free(watched: Watched):
    watched.refusal = RuleError("name", "'cold' exists already")
    watched.file.write_text(BETTER)
    await watched.settle()
    await watched.settle()
    assert watched.troubles == ["name: 'cold' exists already"]
    watched.refusal = None
    await watched.settle()
    assert (watched.troubles[-1], watched.loaded) == (None, [["hot", "cold"]])


def test_a_running_server_takes_up_its_files_and_tells_of_mistakes(tmp_path: Path):
    file = tmp_path / "plant.toml"
    file.write_text(GOOD)
    server = Server(tmp_path / "data", "--rules", str(file)).start()
    try:
        file.write_text(BETTER)
        wait_for("both rules", lambda: len(server.get("/api/rules")) == 2)
        file.write_text(GOOD.replace("80", "90 and"))
        troubles = wait_for("the mistake", lambda: server.get("/api/status")["troubles"] or None)
        assert troubles[0]["work"] == "rule files"
        assert "plant.toml: rule 1 'hot'" in troubles[0]["error"]
        assert len(server.get("/api/rules")) == 2, "the last good set"
        file.write_text(GOOD.replace("80", "90"))
        wait_for("one rule", lambda: len(server.get("/api/rules")) == 1)
        wait_for("no trouble", lambda: server.get("/api/status")["troubles"] == [])
        new, old = server.get("/api/rules/hot/versions")
        assert (new["rule"]["when"], new["version"]) == ("temp_c > 90", 2)
        assert (old["rule"]["when"], old["version"]) == ("temp_c > 80", 1)
        deleted, made = server.get("/api/rules/cold/versions")
        assert (deleted["rule"], deleted["version"], deleted["by"]) == (
            None,
            2,
            "file:plant.toml",
        )
        assert made["by"] == "file:plant.toml"
        server.kill()
        server.start()
        assert len(server.get("/api/rules/hot/versions")) == 2, "a replay adds none"
    finally:
        server.kill()
