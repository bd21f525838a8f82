"""The plant that the engine's cost table is about: devices, rules, messages for ever."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.plain import PlainRule
from tocsin.devices.message import Message
from tocsin.ingest.rules.rule import Rule

START = 1_700_000_000.0
METRICS = ("temp_c", "pressure_bar", "flow_lpm", "vibration_mm_s")
WINDOWS = {"10s": 10.0, "1m": 60.0, "5m": 300.0}
FUNCTIONS = ("min", "max", "avg", "p95")
CALM, HOT, LIMIT, FAR = 50.0, 99.0, 90.0, 200.0
CHANGES = 0.01
"""The part of all readings that change the state of an alarm."""


@dataclass(frozen=True, slots=True)
class Setup:
    """So many devices of four metrics, rules in all, and windows of each metric."""

    devices: int = 2_500
    rules: int = 100
    windows: int = 3

    @property
    def series(self) -> int:
        return self.devices * len(METRICS)


def plain_rules(setup: Setup) -> list[PlainRule]:
    """Of the rules of a metric the first turns with hot readings, the others never."""
    rules: list[PlainRule] = []
    sizes = list(WINDOWS.values())[: setup.windows]
    windowed = [(function, size) for size in sizes for function in FUNCTIONS]
    for n in range(setup.rules):
        metric, nth = METRICS[n % len(METRICS)], n // len(METRICS)
        function, size = windowed[nth - 1] if 0 < nth <= len(windowed) else (None, 0.0)
        rules.append(PlainRule(f"rule {n}", metric, LIMIT if nth == 0 else FAR + n, function, size))
    return rules


def as_ours(rule: PlainRule) -> Rule:
    size = next((name for name, size_s in WINDOWS.items() if size_s == rule.size_s), "")
    read = f"{rule.function}({rule.metric}, '{size}')" if rule.function else rule.metric
    return Rule(name=rule.name, when=f"{read} > {rule.limit}")


class Plant:
    """Messages for ever: all devices in turn, each once in `every_s` seconds."""

    def __init__(self, devices: int, begins: float = START) -> None:
        self._devices = devices
        self.now = begins
        self.every_s = 1.0
        self._random = random.Random(1)
        self._hot = [[False] * len(METRICS) for _ in range(devices)]
        self.sent = 0

    def message(self, *, metrics: Sequence[str] = METRICS) -> Message:
        number, at = self.sent % self._devices, self.now
        hot = self._hot[number]
        fields = [f'"ts": {at:.3f}']
        for place, metric in enumerate(metrics):
            if self._random.random() < CHANGES:
                hot[place] = not hot[place]
            value = (HOT if hot[place] else CALM) + self._random.random()
            fields.append(f'"{metric}": {value:.2f}')
        self.sent += 1
        self.now += self.every_s / self._devices
        name = f"device-{number}"
        payload = "{" + ", ".join(fields) + "}"
        return Message(name, f"devices/{name}/telemetry", payload.encode())

    def batches(self, messages: int, count: int) -> Iterator[tuple[float, list[Message]]]:
        for _ in range(count):
            batch = [self.message() for _ in range(messages)]
            yield self.now, batch
