"""A pump on an asynchronous motor: load draws current, a worn bearing shakes and heats."""

from typing import ClassVar

from tocsin.simulators.chance import wander
from tocsin.simulators.plant.machine import TICK_S, Machine, Phase

SYNCHRONOUS_RPM = 1500.0
SOUND_BEARING_C = 60.0


class Pump(Machine):
    """Hazard `bearing`: the bearing breaks up; the pump is stopped for a new one, and restarted."""

    hazards: ClassVar = {"bearing": ("pump-vibration", "pump-bearing")}

    def __init__(self, device: str, seed: int) -> None:
        super().__init__(device, seed)
        self._load = self._chance.uniform(0.6, 0.85)
        self._rpm = SYNCHRONOUS_RPM - 30.0 * self._load
        self._vibration_mm_s = 1.9
        self._bearing_c = 50.0

    def read(self) -> dict[str, float | bool]:
        return {
            "rpm": self._noisy(self._rpm, 1.5, 0),
            "vibration_mm_s": self._noisy(self._vibration_mm_s, 0.08, 2),
            "current_a": self._noisy(self._current_a, 0.08, 2),
            "bearing_c": self._noisy(self._bearing_c, 0.15, 2, lowest=-20.0),
        }

    @property
    def _speed(self) -> float:
        return self._rpm / SYNCHRONOUS_RPM

    @property
    def _current_a(self) -> float:
        """Magnetising and load current, and what the friction of a worn bearing costs."""
        return self._speed * (3.2 + 9.0 * self._load + 0.25 * self._vibration_mm_s)

    def _tick(self, at: float) -> None:
        wear = self._fault(at, "bearing")
        self._load = min(1.0, max(0.4, wander(self._chance, self._load, 0.72, 0.01, 0.06)))
        running = self._phase is not Phase.RECOVERING
        wanted_rpm = SYNCHRONOUS_RPM - 30.0 * self._load - 40.0 * wear if running else 0.0
        self._rpm += (wanted_rpm - self._rpm) * TICK_S / 2.5
        shaking_mm_s = self._speed**2 * (1.0 + 1.2 * self._load + 8.0 * wear)
        self._vibration_mm_s += (shaking_mm_s - self._vibration_mm_s) * TICK_S / 1.5
        warm_c = 22.0 + self._speed * (24.0 + 6.0 * self._load + 60.0 * wear)
        self._bearing_c += (warm_c - self._bearing_c) * TICK_S / 20.0

    def _excess(self, kind: str) -> float:
        return self._bearing_c - SOUND_BEARING_C
