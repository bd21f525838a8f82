"""The histogram against the exact answer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tocsin.dashboard.stream.latency import PER_DOUBLING, PROMISE_S, LatencyHistogram

WIDTH = 2 ** (1 / PER_DOUBLING)

durations = st.lists(st.floats(0.00001, 400.0), min_size=1, max_size=50)
weights = st.integers(1, 1000)


def filled(pairs: list[tuple[float, int]]) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for seconds, times in pairs:
        histogram.record(np.array([seconds]), np.array([times], np.int64))
    return histogram


@given(st.lists(st.tuples(st.floats(0.00001, 400.0), weights), min_size=1, max_size=30))
def test_quantiles_are_never_low_and_at_most_a_bucket_high(pairs: list[tuple[float, int]]):
    histogram = filled(pairs)
    every = np.sort(np.repeat([s for s, _ in pairs], [n for _, n in pairs]))
    for share in (0.01, 0.5, 0.99, 1.0):
        exact = every[max(1, int(np.ceil(share * len(every)))) - 1]
        assert exact <= histogram.quantile(share) * 1.0001
        assert histogram.quantile(share) <= exact * WIDTH * 1.0001


@given(st.lists(st.tuples(st.floats(0.0, 1.0), weights), min_size=1, max_size=30))
def test_count_maximum_and_what_kept_the_promise_are_exact(pairs: list[tuple[float, int]]):
    histogram = filled(pairs)
    assert histogram.count == sum(n for _, n in pairs)
    assert histogram.under_promise == sum(n for s, n in pairs if s <= PROMISE_S)
    assert histogram.max_s == max(s for s, _ in pairs)


def test_an_empty_record_and_a_clock_that_stood_still():
    histogram = LatencyHistogram()
    histogram.record(np.array([0.1]), np.array([0], np.int64))
    assert (histogram.count, histogram.quantile(0.99)) == (0, 0.0)
    histogram.record(np.array([-0.001]), np.array([3], np.int64))
    assert (histogram.count, histogram.under_promise, histogram.max_s) == (3, 3, 0.0)


def test_cumulative_counts_for_prometheus():
    histogram = filled([(0.001, 5), (0.03, 2), (0.2, 1), (300.0, 1)])
    assert histogram.cumulative((0.005, 0.05, 0.25, 1.0)) == [5, 7, 8, 8]
