"""Rules, alerts and transitions in state.db."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.rules.rule import Rule, Severity
from tocsin.ingest.rules.rule_set import RuleEntry, RuleVersion
from tocsin.ingest.storage.state import StateSettings, StateStore, Transition


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path)
    yield database
    database.close()


def alert(number: int, state: State = State.ACTIVE, revision: int = 1, rule: str = "hot") -> Alert:
    return Alert(
        id=f"{number:016x}",
        rule=rule,
        subject=f"boiler-{number % 3}",
        device=f"boiler-{number % 3}",
        severity="critical",
        state=state,
        active=state is State.ACTIVE,
        acknowledged=False,
        value=81.5,
        message="81.5 °C",
        began_at=1_000.0 + number,
        revision=revision,
    )


async def test_rules_are_the_last_set_saved(database: Database) -> None:
    store = StateStore(database)
    hot = RuleEntry(
        Rule(name="hot", when="temp_c > 80", severity=Severity.MAJOR), "api", 3, "eva", 5.0
    )
    cold = RuleEntry(Rule(name="cold", when="temp_c < 2"), "file:plant.toml", 1, "file", 4.0)
    await store.save_rules([hot, cold])
    assert await store.rules() == [cold, hot]
    await store.save_rules([hot])
    assert await StateStore(database).rules() == [hot]


async def test_alerts_are_found_by_state_subject_and_rule_newest_first(database: Database) -> None:
    store = StateStore(database)
    episodes = [
        alert(n, State.CLEARED if n % 2 else State.ACTIVE, rule="hot" if n < 6 else "cold")
        for n in range(9)
    ]
    await store.record(episodes, at=2_000.0)
    newest = episodes[::-1]
    assert await store.alerts() == newest
    assert await store.alerts(limit=2) == newest[:2]
    assert await store.alerts(states=[State.ACTIVE]) == newest[::2]
    assert await store.alerts(states=list(State), rule="cold") == newest[:3]
    assert await store.alerts(subject="boiler-1", states=[State.CLEARED]) == [
        episodes[7],
        episodes[1],
    ]


async def test_recording_twice_changes_nothing(database: Database) -> None:
    """A restart replays the journal, and with it every transition behind the snapshot."""
    store = StateStore(database)
    active, acked, cleared = (
        alert(1, State.ACTIVE, 1),
        alert(1, State.ACKNOWLEDGED, 2),
        alert(1, State.CLEARED, 3),
    )
    await store.record([active, acked], at=10.0)
    await store.record([cleared], at=20.0)
    expected = [Transition(10.0, active), Transition(10.0, acked), Transition(20.0, cleared)]
    assert await store.transitions(active.id) == expected
    await store.record([active, acked], at=99.0)
    await store.record([], at=99.0)
    assert await store.transitions(active.id) == expected
    assert await store.alerts() == [cleared]


async def test_the_past_is_bounded_and_open_alerts_stay(database: Database) -> None:
    store = StateStore(database, StateSettings(closed_alerts=5, transitions_per_alert=3))
    open_one = [alert(0, State.ACTIVE, revision) for revision in range(1, 9)]
    await store.record(open_one, at=1.0)
    for n in range(1, 20):
        await store.record([alert(n), alert(n, State.CLEARED, 2)], at=float(n))
    assert [found.began_at for found in await store.alerts()] == [
        *(1_000.0 + n for n in range(19, 14, -1)),
        1_000.0,
    ]
    assert await store.transitions(alert(3).id) == []
    assert [kept.alert for kept in await store.transitions(alert(0).id)] == open_one[-3:]


async def test_versions_of_rules_that_come_and_go_are_bounded_in_all(database: Database) -> None:
    store = StateStore(database, StateSettings(versions_per_rule=2, rule_versions=3))

    async def change(name: str, version: int, at: float) -> None:
        rule = Rule(name=name, when=f"t > {version}")
        await store.record_versions([RuleVersion(name, version, at, "eva", "api", rule)])

    for version in (1, 2, 3):
        await change("hot", version, 10.0 + version)
    assert [(s.version.version, s.changed()) for s in await store.versions("hot")] == [
        (3, {"when": ("t > 2", "t > 3")}),
        (2, {}),  # what it was before is no longer kept
    ]
    await change("cold", 1, 20.0)
    await change("wet", 1, 21.0)
    newest = await store.newest_versions(10)
    assert [(s.version.name, s.kind.value) for s in newest] == [
        ("wet", "added"),
        ("cold", "added"),
        ("hot", "changed"),
    ]
