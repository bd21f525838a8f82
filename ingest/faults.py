"""Faults of ours: what went wrong in the pipeline, and what it cost."""

from dataclasses import dataclass

KEPT = 20
"""Faults whose error is kept until somebody takes them; beyond it they are only counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`cost` says what was lost by it."""

    cost: str
    error: Exception


class Faults:
    """State: `total` since the start, and the first KEPT that nobody has taken yet.

    A fault costs the message, the rule or the fact it happened in; the rest of the batch goes on.
    In a replay it happens again, and costs the same.
    """

    def __init__(self) -> None:
        self.total = 0
        self._untold: list[Fault] = []

    def note(self, cost: str, error: Exception) -> None:
        self.total += 1
        if len(self._untold) < KEPT:
            self._untold.append(Fault(cost, error))

    def take(self) -> list[Fault]:
        """Those noted since they were last taken, oldest first."""
        taken, self._untold = self._untold, []
        return taken
