import numpy as np

from tocsin.ingest.outcome import Readings
from tocsin.ingest.unsaved import UnsavedReadings


def readings(series: int, *times: float) -> Readings:
    n = len(times)
    time = np.array(times)
    late, row = np.zeros(n, np.bool_), np.arange(n)
    return Readings(np.full(n, series, np.int32), time, time * 10, late, np.full(n, 9.0), row)


def test_take_gives_all_in_arrival_order_and_leaves_nothing():
    unsaved = UnsavedReadings(100)
    unsaved.add(readings(1, 5, 3))
    unsaved.add(readings(2, 4))
    chunk = unsaved.take()
    assert chunk.series.tolist() == [1, 1, 2]
    assert chunk.time.tolist() == [5, 3, 4]
    assert len(unsaved) == 0
    unsaved.saved()
    assert len(unsaved.take().series) == 0


def test_one_series_within_a_range():
    unsaved = UnsavedReadings(100)
    unsaved.add(readings(1, 1, 2, 3))
    unsaved.add(readings(2, 2))
    unsaved.add(readings(1, 4))
    time, value = unsaved.of_series(1, 2, 4)
    assert (time.tolist(), value.tolist()) == ([2, 3], [20, 30])
    assert len(unsaved) == 5, "looking takes nothing"


def test_what_is_being_saved_is_still_seen():
    unsaved = UnsavedReadings(100)
    unsaved.add(readings(1, 1))
    unsaved.take()
    unsaved.add(readings(1, 2))
    assert unsaved.of_series(1, 0, 9)[0].tolist() == [1, 2]
    unsaved.saved()
    assert unsaved.of_series(1, 0, 9)[0].tolist() == [2]


def test_what_could_not_be_saved_stays_oldest():
    unsaved = UnsavedReadings(100)
    unsaved.add(readings(1, 1))
    unsaved.take()
    unsaved.add(readings(1, 2))
    unsaved.put_back()
    assert unsaved.take().time.tolist() == [1, 2]


def test_bounded_by_dropping_the_oldest():
    unsaved = UnsavedReadings(10)
    for n in range(30):
        unsaved.add(readings(1, n))
    assert unsaved.take().time.tolist() == list(range(20, 30))
    assert unsaved.dropped_total == 20


def test_thousands_of_chunks_are_few_to_look_through_and_in_order():
    unsaved = UnsavedReadings(1_000_000)
    for n in range(3000):
        unsaved.add(readings(n % 7, n))
    assert unsaved.chunks < 20
    assert unsaved.of_series(3, 0, 3000)[0].tolist() == list(range(3, 3000, 7))
    assert unsaved.all().time.tolist() == list(range(3000))
