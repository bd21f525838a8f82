"""Hazards: what goes wrong, where and when, and the record of how it went.

All times are scenario time, seconds since the scenario's start.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tocsin.simulators.chance import stream

FIRST_START_S = (0.5, 1.5)
"""When the first hazard sets in: early enough for a bell within 45 s of the start."""

BUILD_S = (55.0, 65.0)
"""How long a fault grows before someone repairs it."""

GAP_S = (60.0, 120.0)
"""From the start of one hazard to the start of the next, anywhere in the plant."""

REST_S = 300.0
"""From the start of a hazard to the next on the same device. It covers build-up and recovery
(at most 200 s) and a while of quiet, so that two hazards of a device never blur into one."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fault due on a device: it sets in at `start`, grows, and is repaired at `repair`."""

    device: str
    kind: str
    start: float
    repair: float

    def severity(self, at: float) -> float:
        """How far the fault has grown at time `at`: from 0 to 1, fast at first."""
        grown = min(1.0, max(0.0, (at - self.start) / (self.repair - self.start)))
        return grown * (2.0 - grown)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a hazard did, measured in the physics without sensor noise.

    `start` is when the fault set in, `peak` when the endangered value was worst, `end` when it
    was back in its normal band; `end` is None where the run stopped before. `rules` names every
    default rule that ought to ring between start and end, and no other ought to.
    """

    device: str
    kind: str
    rules: tuple[str, ...]
    start: float
    peak: float
    end: float | None


def schedule(seed: int, devices: Sequence[tuple[str, Sequence[str]]]) -> Iterator[Hazard]:
    """Hazards in order of their start, without end: the seed and the devices decide them all.

    `devices` pairs each device with the kinds of hazard that can befall it; none may be empty.
    """
    chance = stream(seed, "hazards")
    rested_at = [0.0] * len(devices)
    at = chance.uniform(*FIRST_START_S)
    while True:
        rested = [i for i, since in enumerate(rested_at) if since <= at]
        if not rested:
            at = min(rested_at)
            continue
        chosen = chance.choice(rested)
        device, kinds = devices[chosen]
        yield Hazard(device, chance.choice(kinds), at, at + chance.uniform(*BUILD_S))
        rested_at[chosen] = at + REST_S
        at += chance.uniform(*GAP_S)
