"""What was refused: the newest in full, all of them counted."""

from collections import Counter, deque
from collections.abc import Callable

from tocsin.broker.report import Refusal


class Refusals:
    """Owns the newest refusals and the count of each kind since the start."""

    def __init__(self, clock: Callable[[], float], kept: int) -> None:
        self._clock = clock
        self.newest: deque[Refusal] = deque(maxlen=kept)
        self.counts: Counter[str] = Counter()
        """By kind: the part of the reason before its colon, so that values make no kinds."""

    def add(self, reason: str, address: str, client: str = "") -> None:
        self.newest.append(Refusal(self._clock(), reason, address, client))
        self.counts[reason.partition(":")[0]] += 1
