"""A server whose clock is set, or sleeps: no time twice, no alarm made up, none lost."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.clock import EngineClock
from tocsin.ingest.engine import Engine
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

START, HOUR = 1_700_000_000.0, 3600.0
RULES = (Rule(name="hot", when="avg(t, '1m') > 50"), Rule(name="gone", when="absent(t, '60s')"))


@dataclass
class Machine:
    """State: the true time, how far the wall clock is from it, and how long the machine slept."""

    true: float = START
    off: float = 0.0
    asleep: float = 0.0
    counts_sleep: bool = True
    rung: list[Alert] = field(default_factory=list[Alert])

    def wall(self) -> float:
        return self.true + self.off

    def elapsed_ns(self) -> int:
        awake = self.true - (0 if self.counts_sleep else self.asleep)
        return round((awake - START) * 1e9)

    def sleeps(self, seconds: float) -> None:
        self.true += seconds
        self.asleep += seconds

    def clock(self, not_before: float = 0.0) -> EngineClock:
        return EngineClock(not_before, wall=self.wall, elapsed_ns=self.elapsed_ns)

    @asynccontextmanager
    async def server(self, folder: Path) -> AsyncGenerator[Engine]:
        database = Database.open(folder)
        engine = Engine(folder, Settings(), Decoder(), database, clock=partial(Machine.clock, self))
        engine.on_outcome.append(lambda outcome: self.rung.extend(outcome.alerts))
        try:
            await engine.start("test", RULES)
            yield engine
        finally:
            await engine.stop(0.1)  # without a checkpoint, which takes seconds
            database.close()

    async def seconds(self, count: int, engine: Engine, value: float) -> None:
        """Each second two devices send: one with a time of its own, the true one."""
        committed = None
        for _ in range(count):
            self.true += 1
            rows = {"own": {"t": value, "ts": self.true}, "none": {"t": value}}
            sent = [
                Message(device, f"devices/{device}/telemetry", json.dumps(row).encode(), 1)
                for device, row in rows.items()
            ]
            committed = engine.submit(sent, engine.clock.now())
        assert committed is not None
        await committed

    def rings(self) -> list[tuple[str, str | None]]:
        return sorted({(alert.rule, alert.device) for alert in self.rung if alert.active})


@pytest.mark.parametrize("step_s", [-HOUR, HOUR])
def test_engine_time_takes_no_notice_of_a_step(step_s: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.true += 5
    machine.off += step_s
    assert clock.now() == START + 5
    assert clock.ahead_of_wall_s() == -step_s
    again = machine.clock(not_before=clock.now())
    assert again.now() == START + 5 + max(step_s, 0)


def test_engine_time_counts_what_a_machine_sleeps() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.sleeps(8 * HOUR)
    assert clock.now() == START + 8 * HOUR
    assert clock.ahead_of_wall_s() == 0


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("step_s", [-HOUR, HOUR])
async def test_an_hour_more_or_less_rings_nothing_and_costs_no_alarm(
    tmp_path: Path, step_s: float, restart: bool
) -> None:
    machine = Machine()
    async with machine.server(tmp_path) as engine:
        await machine.seconds(30, engine, 20.0)
        machine.off += step_s
        if not restart:
            await still_judges(machine, engine)
    if restart:
        async with machine.server(tmp_path) as engine:
            await still_judges(machine, engine)


async def still_judges(machine: Machine, engine: Engine) -> None:
    await machine.seconds(30, engine, 20.0)
    assert machine.rings() == []
    await machine.seconds(90, engine, 95.0)
    assert machine.rings() == [("hot", "none"), ("hot", "own")]
    views = {view.id: view for view in engine.pipeline.devices()}
    assert [views[name].late_total for name in ("own", "none")] == [0, 0]
    assert [views[name].readings_total for name in ("own", "none")] == [150, 150]
    times = [views[name].metrics["t"].time for name in ("own", "none")]
    assert times == [machine.true, engine.clock.now()]


@pytest.mark.parametrize("counts_sleep", [True, False])
async def test_a_night_asleep_is_nobodys_silence(tmp_path: Path, counts_sleep: bool) -> None:
    machine = Machine(counts_sleep=counts_sleep)
    async with machine.server(tmp_path) as engine:
        await machine.seconds(30, engine, 20.0)
        machine.sleeps(8 * HOUR)
        await machine.seconds(30, engine, 20.0)
        assert machine.rings() == []
        assert engine.status().clock_off_s == pytest.approx(0 if counts_sleep else -8 * HOUR)
        await machine.seconds(90, engine, 95.0)
        assert machine.rings() == [("hot", "none"), ("hot", "own")]
        # Where sleep does not count, the right times of devices are believed after a restart.
        future = [view.future_total for view in engine.pipeline.devices()]
        assert future == ([0, 0] if counts_sleep else [120, 0])
    machine.rung.clear()
    async with machine.server(tmp_path) as engine:
        assert engine.status().clock_off_s == pytest.approx(0, abs=1e-5)
        await machine.seconds(1, engine, 95.0)
        assert machine.rings() == []
        assert [v.metrics["t"].time for v in engine.pipeline.devices()] == [machine.true] * 2
