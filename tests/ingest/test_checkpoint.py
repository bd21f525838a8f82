"""Transitions on their way to state.db, with the real tables."""

import asyncio
from pathlib import Path

import msgspec

from tests.ingest.test_engine import HOT, message, running
from tocsin.ingest.alerts.alert import Alert


async def test_two_savers_store_every_transition_once(tmp_path: Path):
    async with running(tmp_path, pace_s=0) as engine:
        await engine.put_rule(HOT, "ada")
        seen: list[Alert] = []
        engine.on_outcome.append(lambda outcome: seen.extend(outcome.alerts))
        for value in (95, 20, 95, 20, 95):
            engine.submit([message(value)], engine.clock.now())
        await asyncio.gather(*(engine.save_transitions() for _ in range(3)))
        stored = [
            transition.alert
            for alert in {alert.id: alert for alert in seen}
            for transition in await engine.state.transitions(alert)
        ]
        assert len(stored) == len(seen) >= 5
        assert {msgspec.json.encode(a) for a in stored} == {msgspec.json.encode(a) for a in seen}
