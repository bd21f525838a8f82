"""What a user would write instead of the engine: dictionaries, deques, a loop over the rules."""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Window = deque[tuple[float, float]]

FUNCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
    "p95": lambda values: sorted(values)[int(0.95 * (len(values) - 1))],
}


@dataclass(frozen=True, slots=True)
class PlainRule:
    """`function` over the newest `size_s` seconds of `metric`, or the reading itself, > `limit`."""

    name: str
    metric: str
    limit: float
    function: str | None = None
    size_s: float = 0.0


class Plain:
    """Windows and rules over readings in JSON, one reading after the other."""

    def __init__(self, rules: Sequence[PlainRule]) -> None:
        self.rules: dict[str, list[PlainRule]] = defaultdict(list)
        for rule in rules:
            self.rules[rule.metric].append(rule)
        sizes: dict[str, set[float]] = defaultdict(set)
        for rule in rules:
            if rule.function:
                sizes[rule.metric].add(rule.size_s)
        self.sizes = {metric: sorted(some) for metric, some in sizes.items()}
        self.windows: dict[tuple[str, str, float], Window] = defaultdict(deque)
        self.active: set[tuple[str, str]] = set()
        self.turns = 0

    def feed(self, device: str, payload: bytes) -> None:
        values: dict[str, float] = json.loads(payload)
        time = values.pop("ts")
        for metric, value in values.items():
            self.judge(device, metric, time, value)

    def judge(self, device: str, metric: str, time: float, value: float) -> None:
        known: dict[tuple[str, float], float] = {}
        for size_s in self.sizes.get(metric, ()):
            window = self.windows[device, metric, size_s]
            window.append((time, value))
            while window[0][0] <= time - size_s:
                window.popleft()
            values = [each for _, each in window]
            for name, function in FUNCTIONS.items():
                known[name, size_s] = function(values)
        for rule in self.rules[metric]:
            found = value if rule.function is None else known[rule.function, rule.size_s]
            key = (device, rule.name)
            if found > rule.limit:
                if key not in self.active:
                    self.active.add(key)
                    self.turns += 1
            elif key in self.active:
                self.active.discard(key)
                self.turns += 1
