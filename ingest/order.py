"""Order within a batch: what was there before each element, by key.

Hot path: whole arrays, no loop (benchmarks/pipeline.py).
"""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]


def occurrence(keys: Ids) -> NDArray[np.intp]:
    """How often the key of each element came before it: 0 for its first."""
    count = len(keys)
    if len(set(keys.tolist())) == count:  # a quarter of what sorting costs
        return np.zeros(count, np.intp)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    place = np.arange(count)
    nth = np.empty(count, np.intp)
    nth[order] = place - np.repeat(starts, np.diff(np.append(starts, count)))
    return nth


def repeats(keys: Ids, place: NDArray[np.intp]) -> bool:
    """Whether a key comes twice. `place` is room by key; what is in it means nothing."""
    count = len(keys)
    if count <= 1:
        return False
    places = np.arange(count)
    place[keys] = places  # of the same key, the last one stays
    return bool(np.count_nonzero(place.take(keys) == places) < count)


def newest_before(keys: Ids, times: Floats, newest: Floats, again: bool) -> Floats:
    """The newest time of each element's key just before it, in `newest` (by key) or the batch.

    `again` is whether keys may come twice.
    """
    before = newest[keys]
    if not again:
        return before
    count = len(keys)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return before
    # A running maximum that starts anew with each key, of ranks so that it is exact.
    by_time = np.argsort(times, kind="stable")
    rank = np.empty(count, np.int64)
    rank[by_time] = np.arange(count)
    base = np.concatenate(([0], np.cumsum(~same))) * count
    top = np.maximum.accumulate(base + rank[order]) - base
    so_far = times[by_time[top]]
    later = order[1:][same]
    before[later] = np.maximum(before[later], so_far[:-1][same])
    return before
