"""Percentiles that claim no more than their samples allow."""

from collections.abc import Sequence

PERCENTILES = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.999", 0.99999))
BEYOND = 10
"""Samples that must lie beyond a percentile for it to be given."""


def percentiles(values_s: Sequence[float]) -> dict[str, float | int]:
    """Milliseconds at the percentiles that this many samples can support, the count, the largest.

    A percentile is given when at least ten samples lie beyond it.
    """
    ordered = sorted(values_s)
    count = len(ordered)
    figures: dict[str, float | int] = {"count": count}
    for name, part in PERCENTILES:
        # Rounded, for 1,000,000 samples must allow 99.999 %, which no float is exactly.
        if round(count * (1.0 - part), 6) >= BEYOND:
            figures[name] = round(ordered[int(count * part)] * 1e3, 3)
    if ordered:
        figures["max"] = round(ordered[-1] * 1e3, 3)
    return figures
