"""How long things took, in buckets of constant relative width."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PROMISE_S = 0.25
PER_DOUBLING = 16  # a bucket's upper edge is 4.4 % above its lower one
SMALLEST_EXPONENT = -17  # 7.6 µs; what is shorter falls into the first bucket
LARGEST_EXPONENT = 9  # 512 s; what is longer falls into the last
BUCKETS = (LARGEST_EXPONENT - SMALLEST_EXPONENT) * PER_DOUBLING


class LatencyHistogram:
    """Owns the counts per bucket since it was made; 3 KiB whatever is recorded.

    Quantiles are bucket edges, so up to 4.4 % too high and never too low. `under_promise`,
    `max_s` and `count` are exact.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, np.int64)
        self.count = 0
        self.under_promise = 0
        self.sum_s = 0.0
        self.max_s = 0.0

    def record(self, seconds: NDArray[np.float64], times: NDArray[np.int64]) -> None:
        """Count duration `seconds[i]` `times[i]` times. Negative durations count as 0."""
        recorded = times > 0
        seconds, times = np.maximum(seconds[recorded], 0.0), times[recorded]
        if not seconds.size:
            return
        exponents = np.log2(np.maximum(seconds, 2.0**SMALLEST_EXPONENT))
        places = ((exponents - SMALLEST_EXPONENT) * PER_DOUBLING).astype(np.int64)
        np.add.at(self._counts, np.minimum(places, BUCKETS - 1), times)
        self.count += int(times.sum())
        self.under_promise += int(times[seconds <= PROMISE_S].sum())
        self.sum_s += float(seconds @ times)
        self.max_s = max(self.max_s, float(seconds.max()))

    def quantile(self, share: float) -> float:
        """The duration that `share` (0 to 1) of all recorded ones do not exceed; 0 if none are."""
        if not self.count:
            return 0.0
        wanted = max(1, int(np.ceil(share * self.count)))
        place = int(np.searchsorted(np.cumsum(self._counts), wanted))
        return min(self.max_s, float(2.0 ** (SMALLEST_EXPONENT + (place + 1) / PER_DOUBLING)))

    def cumulative(self, edges_s: Sequence[float]) -> list[int]:
        """How many were at most as long as each edge, to within a bucket."""
        places = np.ceil((np.log2(edges_s) - SMALLEST_EXPONENT) * PER_DOUBLING).astype(np.int64)
        sums = np.cumsum(self._counts)
        return [int(sums[place - 1]) for place in np.clip(places, 1, BUCKETS)]
