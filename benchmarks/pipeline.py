"""What the pipeline costs: µs of CPU for each message, by size of batch.

    python -m benchmarks.pipeline [--profile BATCH]

1,000 devices send four metrics each at 1 Hz; 20 rules of five kinds read them, one with a window of
a minute, two with one of five. Time is simulated, so the figures are the pipeline's alone. The
median of five runs, each on a pipeline of its own.
"""

import argparse
import cProfile
import pstats
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.facts import Connected, RulePut
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

_SETTLING = 60  # batches
START = 1_700_000_000.0
METRICS = ("temp_c", "pressure_bar", "flow_lpm", "vibration_mm_s")
KINDS = (
    "{m} > {limit}",
    "avg({m}, '5m') > {limit}",
    "{m} > {limit} and max({m}, '1m') > 100",
    "rate({m}, '5m') > {limit} or {m} > 900",
    "abs({m}) > {limit}",
)


@dataclass(frozen=True, slots=True)
class Case:
    """`stated`: each message has a `ts` of its own."""

    batch: int
    devices: int = 1000
    rules: int = 20
    metrics: int = 4
    stated: bool = False
    messages: int = 20_000

    def __str__(self) -> str:
        times = "own times" if self.stated else "no times"
        return (
            f"batches of {self.batch:5}, {self.devices:5} devices, {self.metrics} metrics, "
            f"{self.rules:3} rules, {times:9}"
        )


CASES = (
    Case(1, messages=2_000),
    Case(30),
    Case(1000),
    Case(1, stated=True, messages=2_000),
    Case(30, stated=True),
    Case(1000, stated=True),
    Case(1, rules=0, messages=2_000),
    Case(30, rules=0),
    Case(1000, rules=0),
    Case(1, rules=100, metrics=1, messages=2_000),
    Case(1000, devices=10_000, rules=100, metrics=1),
    Case(1000, devices=1, messages=3_000),
)


def rules(count: int, metrics: int) -> Iterator[Rule]:
    for index in range(count):
        kind, limit = KINDS[index // len(METRICS) % len(KINDS)], 150 + index
        when = kind.format(m=METRICS[index % metrics], limit=limit)
        yield Rule(name=f"rule {index}", when=when)


def batches(case: Case, rng: random.Random) -> Iterator[tuple[float, list[Message]]]:
    """Batches for ever, each with its time; all devices in turn, each once a second."""
    sent = 0
    while True:
        now = START + sent / case.devices
        batch: list[Message] = []
        for _ in range(case.batch):
            device = f"device-{sent % case.devices}"
            fields = [
                f'"{metric}": {rng.uniform(10, 100):.2f}' for metric in METRICS[: case.metrics]
            ]
            if case.stated:
                fields.insert(0, f'"ts": {START + sent / case.devices:.3f}')
            payload = "{" + ", ".join(fields) + "}"
            batch.append(Message(device, f"devices/{device}/telemetry", payload.encode()))
            sent += 1
        yield now, batch


def warm(case: Case) -> tuple[Pipeline, Sequence[tuple[float, list[Message]]]]:
    """A pipeline that knows its devices, and the batches to measure."""
    rng = random.Random(1)
    pipeline = Pipeline(Settings(), Decoder())
    pipeline.feed([RulePut(rule, "bench") for rule in rules(case.rules, case.metrics)], START)
    pipeline.feed(
        [Connected(f"device-{index}", None, "") for index in range(case.devices)], START - 60
    )
    endless = batches(case, rng)
    # Rules are given bounds bit by bit, so that is over then.
    for _ in range(3 * case.devices // case.batch + _SETTLING):
        now, batch = next(endless)
        pipeline.feed(batch, now)
    return pipeline, [next(endless) for _ in range(max(case.messages // case.batch, 3))]


def measure(case: Case) -> float:
    """µs of CPU for each message."""
    pipeline, measured = warm(case)
    begin = time.process_time()
    for now, batch in measured:
        pipeline.feed(batch, now)
    return (time.process_time() - begin) / len(measured) / case.batch * 1e6


def profile(case: Case) -> None:
    pipeline, measured = warm(case)
    profiler = cProfile.Profile()
    with profiler:
        for now, batch in measured:
            pipeline.feed(batch, now)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--profile", type=int, metavar="BATCH", help="where the time goes")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if options.profile:
        profile(Case(options.profile))
        return
    for case in CASES:
        took = statistics.median(measure(case) for _ in range(options.runs))
        print(f"{case}: {took:8.2f} µs a message, {took * case.batch:9.1f} µs a batch", flush=True)


if __name__ == "__main__":
    main()
