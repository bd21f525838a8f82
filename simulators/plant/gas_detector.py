"""A gas detector in a ventilated hall: methane in % of the lower explosive limit, and CO in ppm."""

from math import sin, tau
from typing import ClassVar

from tocsin.simulators.plant.machine import TICK_S, Machine, Phase

VENTED_PER_S = 1.0 / 40.0
EMERGENCY_FAN_PER_S = 1.0 / 9.0
NORMAL_CH4_PCT_LEL = 4.0
NORMAL_CO_PPM = 14.0


class GasDetector(Machine):
    """Hazards `methane` and `carbon-monoxide`: a leak grows, is shut, and a fan clears the air."""

    hazards: ClassVar = {"methane": ("gas-rising", "gas-leak"), "carbon-monoxide": ("co-high",)}

    def __init__(self, device: str, seed: int) -> None:
        super().__init__(device, seed)
        self._ch4_pct_lel = 0.4
        self._co_ppm = 2.0
        self._charge_at = self._chance.uniform(0.0, 7200.0)
        self._battery_v = 3.9

    def read(self) -> dict[str, float | bool]:
        return {
            "ch4_pct_lel": self._noisy(self._ch4_pct_lel, 0.06, 2),
            "co_ppm": self._noisy(self._co_ppm, 0.25, 1),
            "battery_v": self._noisy(self._battery_v, 0.004, 3),
        }

    def _tick(self, at: float) -> None:
        recovering = self._phase is Phase.RECOVERING
        vented = EMERGENCY_FAN_PER_S if recovering else VENTED_PER_S
        leak = 0.01 + 1.5 * self._fault(at, "methane")
        fumes = 0.05 + 3.6 * self._fault(at, "carbon-monoxide")
        if not recovering and self._chance.random() < TICK_S / 400.0:  # a valve is bled
            self._ch4_pct_lel += self._chance.uniform(0.3, 1.2)
        if not recovering and self._chance.random() < TICK_S / 300.0:  # a lorry passes
            self._co_ppm += self._chance.uniform(1.0, 4.0)
        self._ch4_pct_lel += TICK_S * (leak - vented * self._ch4_pct_lel)
        self._co_ppm += TICK_S * (fumes - vented * self._co_ppm)
        self._battery_v = 3.9 + 0.2 * sin(tau * (at + self._charge_at) / 7200.0)

    def _excess(self, kind: str) -> float:
        if kind == "methane":
            return self._ch4_pct_lel - NORMAL_CH4_PCT_LEL
        return self._co_ppm - NORMAL_CO_PPM
