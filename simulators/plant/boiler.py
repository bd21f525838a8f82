"""A hot-water boiler: burner under a two-point thermostat, circulation that carries heat away."""

from typing import ClassVar

from tocsin.simulators.chance import wander
from tocsin.simulators.plant.machine import TICK_S, Machine, Phase

THERMOSTAT_C = (66.0, 74.0)
LOCKOUT_C = 78.0
"""After a repair the burner stays locked until the water is below this."""


class Boiler(Machine):
    """Hazard `overheat`: the gas valve sticks open while the circulation fails."""

    hazards: ClassVar = {"overheat": ("boiler-overheat", "boiler-overpressure")}

    def __init__(self, device: str, seed: int) -> None:
        super().__init__(device, seed)
        self._temp_c = self._chance.uniform(*THERMOSTAT_C)
        self._demand_lpm = self._flow_lpm = self._chance.uniform(36.0, 44.0)
        self._burner_on = self._chance.random() < 0.5

    def read(self) -> dict[str, float | bool]:
        return {
            "temp_c": self._noisy(self._temp_c, 0.15, 2),
            "pressure_bar": self._noisy(self._pressure_bar, 0.01, 3),
            "flow_lpm": self._noisy(self._flow_lpm, 0.3, 1),
            "burner_on": self._burner_on,
        }

    @property
    def _pressure_bar(self) -> float:
        """A closed circuit: water expands with temperature, and begins to boil past 86 °C."""
        return 1.2 + 0.022 * (self._temp_c - 60.0) + 0.05 * max(0.0, self._temp_c - 86.0)

    def _tick(self, at: float) -> None:
        fault = self._fault(at, "overheat")
        self._demand_lpm = wander(self._chance, self._demand_lpm, 40.0, 0.01, 2.0)
        wanted_lpm = max(8.0, self._demand_lpm) * (1.0 - 0.85 * fault)
        self._flow_lpm += (wanted_lpm - self._flow_lpm) * TICK_S / 3.0
        self._burner_on = self._thermostat(fault)
        heated = 0.5 * (1.0 + 0.7 * fault) * self._burner_on
        carried_away = 0.25 * (self._flow_lpm / 40.0) * (self._temp_c - 40.0) / 30.0
        self._temp_c += TICK_S * (heated - carried_away)

    def _thermostat(self, fault: float) -> bool:
        if fault > 0.0:
            return True
        if self._phase is Phase.RECOVERING or self._temp_c > THERMOSTAT_C[1]:
            return False
        return self._burner_on or self._temp_c < THERMOSTAT_C[0]

    def _excess(self, kind: str) -> float:
        return self._temp_c - LOCKOUT_C
