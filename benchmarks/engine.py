"""The cost table of the engine, beside plain Python: `scripts/bench --engine [--quick]`.

10,000 series: 2,500 devices that send four metrics a message, each once a second and with times of
their own. 100 rules, 25 for each metric: thresholds, and min, max, avg and p95 of 10 s, 1 min and
5 min; each is judged on every reading of its metric, and one reading in a hundred changes the
state of an alarm. Time is simulated. CPU time of this process, the median of five runs; plain
Python (benchmarks/plain.py) does the same work on fewer messages, in turns with ours.
"""

import argparse
import asyncio
import gc
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine_plant import FAR, METRICS, START, Plant, Setup, as_ours, plain_rules
from benchmarks.plain import Plain, PlainRule
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings
from tocsin.ingest.storage.journal import Journal
from tocsin.ingest.unsaved import UnsavedReadings

RUNS = 5


@dataclass(slots=True)
class Cost:
    """Seconds of CPU of our feed, how much of it went into decoding, and of plain Python."""

    ours_s: float
    decode_s: float
    plain_s: float


def pipeline_of(setup: Setup) -> Pipeline:
    pipeline = Pipeline(Settings(), Decoder())
    for rule in plain_rules(setup):
        pipeline.feed([RulePut(as_ours(rule), "bench")], START)
    return pipeline


def warm(setup: Setup) -> tuple[Pipeline, Plant]:
    """With full windows, and bounds for all rules."""
    pipeline, plant = pipeline_of(setup), Plant(setup.devices)
    # Each batch finds bounds for as many rules, so the small ones are for that.
    for plant.every_s, rounds, size in ((10.0, 32, 625), (1.0, 10, 25)):
        for now, batch in plant.batches(size, rounds * setup.devices // size):
            pipeline.feed(batch, now)
            pipeline.settle(now)
    return pipeline, plant


def feed_cost(setup: Setup, messages: int, count: int, plain_messages: int) -> Cost:
    """Of `count` batches of `messages`."""
    pipeline, plant = warm(setup)
    measured = list(plant.batches(messages, count))
    decoder = Decoder()
    gc.collect()
    ours_s = decode_s = 0.0
    for now, batch in measured:
        began = time.process_time()
        pipeline.feed(batch, now)
        pipeline.settle(now)
        ours_s += time.process_time() - began
    began = time.process_time()
    for _, batch in measured:
        for message in batch:
            decoder.decode(message.topic, message.payload)
    decode_s = time.process_time() - began
    return Cost(ours_s, decode_s, plain_cost(setup, plain_messages))


def plain_cost(setup: Setup, messages: int) -> float:
    """Seconds of plain Python for as many messages of 50 devices, whose windows are as full."""
    plain, plant = Plain(plain_rules(setup)), Plant(50)
    for _ in range(60 * 50):
        message = plant.message()
        plain.feed(message.client, message.payload)
    some = [plant.message() for _ in range(messages)]
    began = time.process_time()
    for message in some:
        plain.feed(message.client, message.payload)
    return time.process_time() - began


# -- the rows of the table ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `plain` is the same work in plain Python, where there is any."""

    what: str
    target: str
    ours: str
    plain: str
    reached: bool | None


def feed_row(runs: int) -> Row:
    costs = [feed_cost(Setup(), 250, 80, 200) for _ in range(runs)]
    readings, plain_readings = 80 * 250 * len(METRICS), 200 * len(METRICS)
    whole = statistics.median(readings / cost.ours_s for cost in costs)
    judged = statistics.median(readings / (cost.ours_s - cost.decode_s) for cost in costs)
    plain = statistics.median(plain_readings / cost.plain_s for cost in costs)
    return Row(
        "readings a second, batches of 1,000, from the bytes of their messages"
        f" (without decoding them: {judged:,.0f})",
        "≥ 2,000,000",
        f"{whole:,.0f}",
        f"{plain:,.0f}",
        judged >= 2_000_000,
    )


def single_row(runs: int) -> Row:
    """One reading in each batch; readings are told every hundredth time: for 1,000 a second that is
    how often the server does it."""
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(runs):
        pipeline, plant = warm(Setup())
        some = [(plant.now, plant.message(metrics=METRICS[:1])) for _ in range(2_000)]
        gc.collect()
        began = time.process_time()
        for number, (now, message) in enumerate(some):
            pipeline.feed([message], now)
            if number % 100 == 99:
                pipeline.settle(now)
        ours.append((time.process_time() - began) / len(some) * 1e6)
        plain.append(plain_cost(Setup(), 200) / 200 * 1e6 / len(METRICS))
    found = statistics.median(ours)
    return Row(
        "a batch of one reading, from the bytes of its message",
        "≤ 200 µs",
        f"{found:.0f} µs",
        f"{statistics.median(plain):.0f} µs",
        found <= 200,
    )


def evaluations_row(runs: int) -> Row:
    """Each of 1,000 devices sends a reading that all of 1,000 rules are about."""
    limits = [FAR + n for n in range(1_000)]
    ours: list[float] = []
    plain: list[float] = []
    for _ in range(runs):
        pipeline, rng = Pipeline(Settings(), Decoder()), random.Random(1)
        for n, limit in enumerate(limits):
            rule = Rule(name=f"rule {n}", when=f"temp_c > {limit}")
            pipeline.feed([RulePut(rule, "bench")], START)
        batches = [
            [
                Message(
                    f"d-{d}", f"devices/d-{d}/telemetry", b'{"temp_c": %.2f}' % rng.uniform(0, 99)
                )
                for d in range(1_000)
            ]
            for _ in range(12)
        ]
        began = time.process_time()
        for turn, batch in enumerate(batches):
            if turn == 2:  # known by then
                began = time.process_time()
            pipeline.feed(batch, START + turn)
            pipeline.settle(START + turn)
        ours.append(10e6 / (time.process_time() - began))
        rules = [PlainRule(f"rule {n}", "temp_c", limit) for n, limit in enumerate(limits)]
        alone = Plain(rules)
        began = time.process_time()
        for _ in range(200):
            alone.judge("d", "temp_c", START, 50.0)
        plain.append(200 * len(rules) / (time.process_time() - began))
    found = statistics.median(ours)
    return Row(
        "evaluations of a rule a second, 1,000 rules × 1,000 devices, decoding included",
        "≥ 5,000,000",
        f"{found:,.0f}",
        f"{statistics.median(plain):,.0f}",
        found >= 5e6,
    )


def memory_row(seconds: int) -> Row:
    """In a process of its own: what 10,000 series, their windows and their readings take."""
    asked = [sys.executable, "-m", "benchmarks.engine", "--memory", str(seconds)]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    mb = float(said)
    return Row(
        f"memory, 10,000 series, those windows and {seconds / 60:g} minutes of readings at 1 Hz",
        "≤ 300 MB",
        f"{mb:.0f} MB",
        "–",
        mb <= 300 if seconds == 600 else None,
    )


def memory_mb(seconds: int) -> float:
    """How much this process grows by a plant of 10,000 series that runs for so long."""
    before = resident_mb()
    setup = Setup()
    pipeline, plant = pipeline_of(setup), Plant(setup.devices)
    unsaved = UnsavedReadings(10_000_000)
    for now, batch in plant.batches(2_500, seconds):
        for outcome in (pipeline.feed(batch, now), pipeline.settle(now)):
            if outcome.readings is not None:
                unsaved.add(outcome.readings)
    gc.collect()
    return resident_mb() - before


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


async def recovery_row(messages: int) -> Row:
    """A start from a snapshot of 10,000 series, and what a journal holds after it."""
    setup = Setup()
    plant = Plant(setup.devices, time.time())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with running(folder) as engine:
            for rule in plain_rules(setup):
                await engine.record(RulePut(as_ours(rule), "bench"))
            for _, batch in plant.batches(500, 10):
                await engine.submit(batch, engine.clock.now())
        journal = Journal.open(folder / "journal")
        for now, batch in plant.batches(100, messages // 100):
            journal.append(batch, now)
        await journal.close()
        began = time.perf_counter()
        async with running(folder) as engine:
            took_s = time.perf_counter() - began
            counted = engine.pipeline.stats().messages_total
    if counted != plant.sent:
        raise RuntimeError(f"{counted} messages after the start; expected {plant.sent}")
    readings = messages * len(METRICS)
    return Row(
        f"a start from a snapshot and {readings:,} readings in the journal behind it",
        "≤ 5 s",
        f"{took_s:.1f} s",
        "–",
        took_s <= 5.0 if readings >= 1_000_000 else None,
    )


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Engine]:
    database = Database.open(folder)
    engine = Engine(folder, Settings(), Decoder(), database)
    try:
        await engine.start("bench")
        yield engine
    finally:
        await engine.stop()
        database.close()


def growth_rows(runs: int) -> list[Row]:
    """What a reading costs with twice as many series, rules or windows."""
    small = Setup(devices=1_250, rules=50, windows=1)
    cases = (
        ("series", Setup(devices=2_500, rules=50, windows=1)),
        ("rules", Setup(devices=1_250, rules=100, windows=1)),
        ("windows", Setup(devices=1_250, rules=50, windows=2)),
    )
    before = statistics.median(feed_cost(small, 250, 40, 1).ours_s for _ in range(runs))
    rows: list[Row] = []
    for what, setup in cases:
        after = statistics.median(feed_cost(setup, 250, 40, 1).ours_s for _ in range(runs))
        ratio = after / before
        rows.append(
            Row(
                f"cost of a reading with twice the {what}",
                "≤ 2 ×",
                f"{ratio:.2f} ×",
                "–",
                ratio <= 2.0,
            )
        )
    return rows


def table(quick: bool, say: Callable[[str], None] = lambda _: None) -> list[Row]:
    """All rows; `say` is told each as it is there."""
    runs = 1 if quick else RUNS
    rows: list[Row] = []

    def have(*new: Row) -> None:
        for row in new:
            say(f"{row.what}: {row.ours} ({row.target}; plain Python {row.plain})")
        rows.extend(new)

    have(feed_row(runs))
    have(single_row(runs))
    have(evaluations_row(runs))
    have(*growth_rows(runs))
    have(asyncio.run(recovery_row(25_000 if quick else 250_000)))
    have(memory_row(60 if quick else 600))
    return rows


if __name__ == "__main__":
    # What `memory_row` runs.
    parser = argparse.ArgumentParser(description="How much memory a plant takes, in MB.")
    parser.add_argument("--memory", type=int, metavar="SECONDS", required=True)
    print(memory_mb(parser.parse_args().memory))
