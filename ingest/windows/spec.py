"""Which readings a window holds.

A window of `size` that moves by `slide` is cut into panes of `slide`, numbered from the epoch.
The open window at event time t ends with the pane t is in:

    slide = pane      |  p-5 |  p-4 |  p-3 |  p-2 |  p-1 |   p  |
    size = 4 panes                  [~~~~~~~~~ window ~~~~~~t~~~)
"""

import math
from dataclasses import dataclass

_PANES = 60  # a window is about that many panes: its edge is off by at most 1/60 of its size
_STEPS_S = (
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 600.0, 1800.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """A window of `size_s` seconds that moves by `slide_s`: tumbling if the two are equal."""

    size_s: float
    slide_s: float

    def __post_init__(self) -> None:
        if not 0 < self.slide_s <= self.size_s:
            raise ValueError(
                f"window of {self.size_s} s slides by {self.slide_s} s; expected more than 0 "
                "and at most its size"
            )

    @classmethod
    def tumbling(cls, size_s: float) -> "WindowSpec":
        return cls(size_s, size_s)

    @classmethod
    def hopping(cls, size_s: float) -> "WindowSpec":
        """The window that a rule reads: it slides by a sixtieth of its size, or a bit less."""
        slide_s = next((s for s in reversed(_STEPS_S) if s <= size_s / _PANES), _STEPS_S[0])
        return cls(size_s, min(slide_s, size_s))

    @property
    def panes(self) -> int:
        return math.ceil(self.size_s / self.slide_s - 1e-9)
