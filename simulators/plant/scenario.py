"""The plant as a whole: which machines there are, when each is read, and when one fails."""

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heapreplace

from tocsin.simulators.chance import stream
from tocsin.simulators.hazards import Truth, schedule
from tocsin.simulators.plant.boiler import Boiler
from tocsin.simulators.plant.cold_room import ColdRoom
from tocsin.simulators.plant.gas_detector import GasDetector
from tocsin.simulators.plant.machine import Machine
from tocsin.simulators.plant.pump import Pump

KINDS: tuple[tuple[str, type[Machine]], ...] = (
    ("boiler", Boiler),
    ("pump", Pump),
    ("gas", GasDetector),
    ("cold", ColdRoom),
)
SHARES = {"boiler": 3, "pump": 5, "gas": 4, "cold": 3}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one device's sensors showed at scenario time `at`."""

    at: float
    device: str
    values: dict[str, float | bool]


class Plant:
    """All machines, and the samples and hazards that are due next. Knows no clock.

    The same seed, devices and rate give the same samples; the same seed and devices give the
    same physics and hazards at any rate.
    """

    def __init__(self, devices: int, rate: float, seed: int) -> None:
        if devices < 1:
            raise ValueError(f"devices {devices} is too few; expected 1 or more")
        if not 0.0 < rate <= 1000.0:
            raise ValueError(f"rate {rate} is out of range; expected more than 0, up to 1000 Hz")
        self._machines = machines(devices, seed)
        self._by_device = {machine.device: machine for machine in self._machines}
        self._due: list[tuple[float, int]] = []
        self._period: list[float] = []
        for i, machine in enumerate(self._machines):
            chance = stream(seed, machine.device, "clock")
            period = (1.0 + chance.uniform(-0.02, 0.02)) / rate  # no two quartzes agree
            self._period.append(period)
            self._due.append((chance.uniform(0.0, period), i))
        heapify(self._due)
        self._hazards = schedule(seed, [(m.device, tuple(m.hazards)) for m in self._machines])
        self._next_hazard = next(self._hazards)
        self._ended: list[Truth] = []

    @property
    def devices(self) -> list[str]:
        return [machine.device for machine in self._machines]

    @property
    def next_at(self) -> float:
        """Scenario time of the next sample."""
        return self._due[0][0]

    def sample(self) -> Sample:
        """Takes the next sample that is due; samples come in order of their time."""
        at, i = self._due[0]
        heapreplace(self._due, (at + self._period[i], i))
        while self._next_hazard.start <= at:
            self._befall()
        machine = self._machines[i]
        if ended := machine.advance(at):
            self._ended.append(ended)
        return Sample(at, machine.device, machine.read())

    def ended(self) -> list[Truth]:
        """Hands over the hazards that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def unfinished(self) -> list[Truth]:
        """The hazards that are under way."""
        return [truth for machine in self._machines if (truth := machine.unfinished())]

    def _befall(self) -> None:
        """Lets the next hazard befall its device, run up to that time first."""
        hazard = self._next_hazard
        machine = self._by_device[hazard.device]
        if ended := machine.advance(hazard.start):
            self._ended.append(ended)
        machine.befall(hazard)
        self._next_hazard = next(self._hazards)


def machines(devices: int, seed: int) -> list[Machine]:
    """That many machines, the kinds mixed in the proportions of `SHARES` at any number."""
    counts: Counter[str] = Counter()
    built: list[Machine] = []
    for n in range(1, devices + 1):
        # The kind that is furthest behind its share comes next.
        kind, machine = max(KINDS, key=lambda k: SHARES[k[0]] * n - counts[k[0]] * 15)
        counts[kind] += 1
        built.append(machine(f"{kind}-{counts[kind]}", seed))
    return built
