"""What all machines of the plant share: ticking physics, sensors, and one fault at a time."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from tocsin.simulators.chance import stream
from tocsin.simulators.hazards import Hazard, Truth

TICK_S = 0.5
"""Step of the physics. Machines tick on this grid whatever the sampling rate is, so the rate
changes how often the plant is looked at, never what it does."""


class Phase(StrEnum):
    SOUND = "sound"
    FAILING = "failing"
    RECOVERING = "recovering"


class Machine(ABC):
    """The physical state of one machine at its newest tick, its sensors, and its present fault."""

    hazards: ClassVar[Mapping[str, tuple[str, ...]]]
    """The kinds of hazard that can befall this machine → the default rules that ought to ring."""

    def __init__(self, device: str, seed: int) -> None:
        self.device = device
        self._chance = stream(seed, device)
        self._sensors = stream(seed, device, "sensors")
        self._ticks = 0
        self._phase = Phase.SOUND
        self._hazard: Hazard | None = None
        self._peak = (float("-inf"), 0.0)  # worst value so far, and when

    def befall(self, hazard: Hazard) -> None:
        """Lets a fault set in at its start time. The machine must be sound by then."""
        if self._hazard is not None:
            raise RuntimeError(f"{self.device} suffers {self._hazard.kind} still; expected none")
        self._hazard = hazard

    def advance(self, until: float) -> Truth | None:
        """Runs the physics up to scenario time `until`; gives the hazard that ended on the way."""
        ended: Truth | None = None
        while (at := (self._ticks + 1) * TICK_S) <= until:
            self._ticks += 1
            ended = self._live(at) or ended
        return ended

    def unfinished(self) -> Truth | None:
        """The hazard that is under way, with its worst moment so far."""
        if self._hazard is None or self._phase is Phase.SOUND:
            return None
        return self._truth(self._hazard, end=None)

    @abstractmethod
    def read(self) -> dict[str, float | bool]:
        """One set of sensor readings of the newest tick, with the sensors' noise and resolution."""

    @abstractmethod
    def _tick(self, at: float) -> None:
        """Moves the physics on by `TICK_S`, to scenario time `at`."""

    @abstractmethod
    def _excess(self, kind: str) -> float:
        """By how much the value that this kind of hazard endangers is beyond its normal band."""

    def _fault(self, at: float, kind: str) -> float:
        """How far the fault of that kind has grown: 0 while there is none, at most 1."""
        if self._phase is not Phase.FAILING or self._hazard is None or self._hazard.kind != kind:
            return 0.0
        return self._hazard.severity(at)

    def _noisy(self, value: float, spread: float, digits: int, lowest: float = 0.0) -> float:
        """What a sensor shows: the value with noise, at its resolution, within its range."""
        return round(max(lowest, value + self._sensors.gauss(0.0, spread)), digits)

    def _live(self, at: float) -> Truth | None:
        hazard = self._hazard
        if hazard is None or at <= hazard.start:
            self._tick(at)
            return None
        if self._phase is Phase.SOUND:
            self._phase = Phase.FAILING
            self._peak = (float("-inf"), hazard.start)
        elif self._phase is Phase.FAILING and at > hazard.repair:
            self._phase = Phase.RECOVERING
        self._tick(at)
        excess = self._excess(hazard.kind)
        self._peak = max(self._peak, (excess, at), key=lambda worst: worst[0])
        if self._phase is not Phase.RECOVERING or excess > 0.0:
            return None
        self._phase = Phase.SOUND
        self._hazard = None
        return self._truth(hazard, end=at)

    def _truth(self, hazard: Hazard, end: float | None) -> Truth:
        rules = self.hazards[hazard.kind]
        return Truth(hazard.device, hazard.kind, rules, hazard.start, self._peak[1], end)
