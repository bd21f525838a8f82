import pytest

from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.rule_set import RuleChange, RuleEntry, RuleSet
from tocsin.ingest.rules.validation import RuleError


def rule(name: str, when: str = "temp_c > 80", **keys: bool) -> Rule:
    return Rule(name=name, when=when, enabled=keys.get("enabled", True))


def test_a_rule_of_the_api_is_made_changed_and_deleted() -> None:
    rules = RuleSet()
    assert rules.put(rule("a"), by="eva", at=1.0) == RuleChange(added=("a",))
    assert rules.put(rule("a"), by="tom", at=2.0) == RuleChange()
    assert rules.get("a") == RuleEntry(rule("a"), "api", 1, "eva", 1.0)
    assert rules.put(rule("a", "temp_c > 90"), by="tom", at=3.0) == RuleChange(changed=("a",))
    assert rules.get("a") == RuleEntry(rule("a", "temp_c > 90"), "api", 2, "tom", 3.0)
    assert rules.delete("a") == RuleChange(removed=("a",))
    assert (rules.entries(), rules.version) == ([], 3)
    with pytest.raises(KeyError):
        rules.delete("a")


def test_a_file_replaces_what_came_from_files() -> None:
    rules = RuleSet()
    rules.put(rule("mine"), by="eva", at=1.0)
    rules.load([rule("a"), rule("b"), rule("c")], file="r.toml", at=2.0)
    change = rules.load([rule("a"), rule("b", "temp_c > 90"), rule("d")], file="r.toml", at=3.0)
    assert change == RuleChange(added=("d",), changed=("b",), removed=("c",))
    assert [(e.rule.name, e.source, e.version, e.updated_at) for e in rules.entries()] == [
        ("a", "file:r.toml", 1, 2.0),
        ("b", "file:r.toml", 2, 3.0),
        ("d", "file:r.toml", 1, 3.0),
        ("mine", "api", 1, 1.0),
    ]


def test_the_same_file_again_is_no_change() -> None:
    rules = RuleSet()
    rules.load([rule("a")], file="r.toml", at=2.0)
    before = rules.snapshot()
    assert not rules.load([rule("a")], file="r.toml", at=9.0)
    assert rules.snapshot() == before


def test_a_rule_has_one_source() -> None:
    rules = RuleSet()
    rules.put(rule("mine"), by="eva", at=1.0)
    rules.load([rule("a")], file="r.toml", at=2.0)
    before = rules.snapshot()
    with pytest.raises(RuleError, match=r"'a' exists already, from r\.toml; a rule has one source"):
        rules.put(rule("a", "temp_c > 90"), by="eva", at=3.0)
    with pytest.raises(
        RuleError, match=r"'a' comes from r\.toml; expected one of the page or the API"
    ):
        rules.delete("a")
    with pytest.raises(RuleError, match="'mine' exists already, from the page or the API; a rule"):
        rules.load([rule("b"), rule("mine")], file="r.toml", at=3.0)
    assert rules.snapshot() == before


def test_an_invalid_rule_changes_nothing() -> None:
    rules = RuleSet()
    with pytest.raises(RuleError, match="unknown function 'agv'"):
        rules.put(rule("a", "agv(t, '5m') > 1"), by="eva", at=1.0)
    with pytest.raises(RuleError, match="unknown function 'agv'"):
        rules.load([rule("b"), rule("a", "agv(t, '5m') > 1")], file="r.toml", at=1.0)
    with pytest.raises(RuleError, match="two rules of one name"):
        rules.load([rule("b"), rule("b")], file="r.toml", at=1.0)
    assert (rules.entries(), rules.version) == ([], 0)


def test_a_snapshot_holds_the_whole_set() -> None:
    rules = RuleSet()
    rules.put(rule("off", enabled=False), by="eva", at=1.0)
    rules.load([rule("z"), rule("a")], file="r.toml", at=2.0)
    copy = RuleSet()
    copy.put(rule("gone"), by="eva", at=1.0)
    copy.restore(rules.snapshot())
    assert (copy.entries(), copy.version) == (rules.entries(), rules.version)
    assert [checked.rule.name for checked in copy.enabled()] == ["a", "z"]
    assert copy.checked("z").metrics == ("temp_c",)
    with pytest.raises(ValueError, match="format 99; expected 1"):
        copy.restore(b"\x83\xa6format\x63\xa7version\x00\xa7entries\x90")
