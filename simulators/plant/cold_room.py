"""A cold room: a compressor with two-point control, and a door that lets warm, damp air in."""

from typing import ClassVar

from tocsin.simulators.chance import wander
from tocsin.simulators.plant.machine import TICK_S, Machine, Phase

OUTSIDE_C = 20.0
CONTROL_C = (2.5, 4.5)
NORMAL_C = 6.0
"""Highest temperature of a closed room; someone fetching goods may exceed it by a degree."""

FETCH_EVERY_S = (120.0, 420.0)
FETCH_S = (6.0, 13.0)


class ColdRoom(Machine):
    """Hazard `door`: the door jams ever wider open, which trips the compressor."""

    hazards: ClassVar = {"door": ("coldroom-door", "coldroom-warm")}

    def __init__(self, device: str, seed: int) -> None:
        super().__init__(device, seed)
        self._temp_c = self._chance.uniform(*CONTROL_C)
        self._humidity_pct = 78.0
        self._compressor_on = self._chance.random() < 0.2
        self._door_open = False
        self._door_opens_at = self._chance.uniform(30.0, FETCH_EVERY_S[1])
        self._door_closes_at = 0.0

    def read(self) -> dict[str, float | bool]:
        return {
            "temp_c": self._noisy(self._temp_c, 0.06, 2, lowest=-40.0),
            "humidity_pct": min(100.0, self._noisy(self._humidity_pct, 0.4, 1)),
            "door_open": self._door_open,
            "compressor_on": self._compressor_on,
        }

    def _tick(self, at: float) -> None:
        jammed = self._fault(at, "door")
        gap = max(jammed * 2.0, float(self._fetching(at)))
        self._door_open = gap > 0.0
        self._compressor_on = self._control(jammed)
        leaking_in = (OUTSIDE_C - self._temp_c) * (1.0 / 1500.0 + gap / 100.0)
        power = 0.2 if self._phase is Phase.RECOVERING else 0.09
        self._temp_c += TICK_S * (leaking_in - power * self._compressor_on)
        damp_pct = 96.0 if self._door_open else 74.0 if self._compressor_on else 80.0
        humid = self._humidity_pct + (damp_pct - self._humidity_pct) * TICK_S / 25.0
        self._humidity_pct = wander(self._chance, humid, damp_pct, 0.002, 1.0)

    def _fetching(self, at: float) -> bool:
        """Whether someone holds the door open to fetch goods; nobody does while it is jammed."""
        if self._phase is not Phase.SOUND:
            self._door_closes_at = at
            self._door_opens_at = at + FETCH_EVERY_S[0]
        elif at >= self._door_opens_at:
            self._door_closes_at = at + self._chance.uniform(*FETCH_S)
            self._door_opens_at = self._door_closes_at + self._chance.uniform(*FETCH_EVERY_S)
        return at < self._door_closes_at

    def _control(self, jammed: float) -> bool:
        if jammed > 0.0 or self._temp_c < CONTROL_C[0]:
            return False
        return self._phase is Phase.RECOVERING or self._compressor_on or self._temp_c > CONTROL_C[1]

    def _excess(self, kind: str) -> float:
        return self._temp_c - NORMAL_C
