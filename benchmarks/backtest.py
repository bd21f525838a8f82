"""What a backtest costs: a million stored readings, from the Parquet files to the report.

    python -m benchmarks.backtest [--profile CASE]

Devices report one metric at 1 Hz, a single one at 2 Hz: noise around 50, and now and then a slow
rise over the rule's limit. The readings are stored as the server stores them, in 30 files, rolled
up and merged. The worker is a process of its own, as in the server, at a lower priority than
anything else: on a busy machine look at its CPU. The median of five runs, after one that starts it.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.backtest.preparation import Scope, request_of, scope_of
from tocsin.ingest.backtest.report import Report
from tocsin.ingest.backtest.request import BacktestRequest
from tocsin.ingest.backtest.task import backtest
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.downtime import Downtime
from tocsin.ingest.frames import Column
from tocsin.ingest.geo.zone_set import ZoneSet
from tocsin.ingest.outcome import Readings
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import validate
from tocsin.ingest.settings import Settings
from tocsin.ingest.storage.history.history import History, Rows
from tocsin.ingest.workers import Workers

START = 1_700_006_400.0
READINGS = 1_000_000
RUNS = 5
SIMPLE = "temp_c > 80"
WINDOWED = "temp_c > 80 and avg(temp_c, '5m') > 70"
RESTLESS = "abs(temp_c - avg(temp_c, '1m')) > 15"
AGED = "age(temp_c) > 30"


@dataclass(frozen=True, slots=True)
class Case:
    """`rules` are conditions, each with an on-delay and a deadband of its own."""

    devices: int
    rules: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.devices:5} devices, {' · '.join(self.rules)}"


CASES = (
    Case(1, (SIMPLE,)),
    Case(12, (SIMPLE,)),
    Case(12, (WINDOWED,)),
    Case(12, (RESTLESS,)),
    Case(12, (AGED,)),
    Case(1, (WINDOWED,)),
    Case(100, (WINDOWED,)),
    Case(1000, (WINDOWED,)),
    Case(100, (SIMPLE, WINDOWED, RESTLESS, AGED, "temp_c > 90", "max(temp_c, '1h') > 95")),
)


class Plant:
    """A catalogue of `devices` and, in `folder`, a million readings of them."""

    def __init__(self, folder: Path, devices: int) -> None:
        self.catalogue = Catalogue(Settings())
        for n in range(devices):
            device = self.catalogue.admit_device(f"boiler-{n}")
            self.catalogue.admit_series(device, "temp_c", Kind.NUMBER)
        self.devices = devices
        self.interval_s = 0.5 if devices == 1 else 1.0  # else it would be more than a week
        self.seconds = READINGS // devices * self.interval_s
        self.workers = Workers()
        self.history = History(folder, self.workers)

    async def store(self) -> None:
        rng = np.random.default_rng(1)
        at = np.arange(READINGS // self.devices, dtype=np.float64) * self.interval_s
        phase = rng.uniform(0, 6.3, self.devices)
        temp = (
            50 + 45 * np.sin(at[:, None] / 3600 + phase) ** 9 + rng.normal(0, 1, (len(at), 1))
        ).round(2)
        row = np.arange(self.devices)
        step = max(len(at) // 30, 1)
        for number, begin in enumerate(range(0, len(at), step), 1):
            some = at[begin : begin + step]
            arrival = np.repeat(START + some, self.devices)
            readings = Readings(
                np.tile(row.astype(np.int32), len(some)),
                arrival,
                temp[begin : begin + step].reshape(-1),
                np.zeros(len(arrival), np.bool_),
                arrival,
                np.tile(row, len(some)),
            )
            await self.history.store(Rows.of(readings, self.catalogue.name_of), number)
        await self.history.maintain(START + self.seconds)

    def scope(self, case: Case) -> Scope:
        rules = [
            Rule(name=f"rule-{n}", when=when, on_delay="10s", off_delay="5s")
            for n, when in enumerate(case.rules)
        ]
        start, end = START, START + self.seconds
        return scope_of([validate(rule) for rule in rules], self.catalogue, start, end, {})

    async def run(self, case: Case) -> Report:
        with self.request(case) as (request, columns):
            report, _ = await self.workers.call(
                "backtest.run", request, Report, columns=columns, lane="backtest"
            )
        return report

    def run_here(self, case: Case) -> Report:
        """In this process, for a profile."""
        with self.request(case) as (request, columns):
            steps = backtest(request, [column.tobytes() for column in columns])
            while True:
                try:
                    next(steps)
                except StopIteration as end:
                    report: Report = end.value
                    return report

    @contextmanager
    def request(self, case: Case) -> Generator[tuple[BacktestRequest, list[Column]]]:
        """What the worker is asked; the stored files stay while this lasts."""
        scope, nothing = self.scope(case), Readings.joined([])
        with self.history.raw_files(scope.since, scope.end) as files:
            yield request_of(
                scope, self.catalogue, files, nothing, FlapLimits(), ZoneSet(), Downtime()
            )


def cpu_of_workers() -> float:
    """Seconds of CPU that the processes started here have used."""
    spent = [child.cpu_times() for child in psutil.Process().children()]
    return sum(each.user + each.system for each in spent)


async def measure(cases: Sequence[Case]) -> None:
    for devices in sorted({case.devices for case in cases}):
        with tempfile.TemporaryDirectory() as folder:
            plant = Plant(Path(folder), devices)
            await plant.store()
            for case in (case for case in cases if case.devices == devices):
                spent: list[float] = []
                seconds: list[float] = []
                report = await plant.run(case)  # starts the worker
                for _ in range(RUNS):
                    cpu, began = cpu_of_workers(), time.perf_counter()
                    report = await plant.run(case)
                    seconds.append(time.perf_counter() - began)
                    spent.append(cpu_of_workers() - cpu)
                print(
                    f"{case}: {statistics.median(seconds):.2f} s, of which CPU"
                    f" {statistics.median(spent):.2f}, for {report.readings:,} readings;"
                    f" rang {report.rang} times",
                    flush=True,
                )
            await plant.workers.close()


async def profile(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        plant = Plant(Path(folder), case.devices)
        await plant.store()
        profiler = cProfile.Profile()
        profiler.runcall(plant.run_here, case)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        await plant.workers.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", type=int, metavar="CASE", help="number of a case, from 0")
    parser.add_argument("--case", type=int, action="append", help="only this one, from 0")
    asked = parser.parse_args()
    chosen: list[int] = asked.case or list(range(len(CASES)))
    profiled: int | None = asked.profile
    if profiled is not None:
        asyncio.run(profile(CASES[profiled]))
    else:
        asyncio.run(measure([CASES[number] for number in chosen]))


if __name__ == "__main__":
    main()
