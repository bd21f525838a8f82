"""Windows of all kinds together: who asks, what a snapshot keeps, what older ones had."""

from random import Random

import numpy as np

from tests.ingest.windows.readings import stored
from tocsin.ingest.rules.compiled import Use
from tocsin.ingest.rules.functions import FUNCTIONS, OF_SESSIONS, Argument
from tocsin.ingest.windows.shared import SharedWindows

_SESSIONS = [
    Use("temp_c", gap_s, f"session {name}") for name in sorted(OF_SESSIONS) for gap_s in (1.0, 10.0)
]
USES: list[Use] = _SESSIONS + [
    Use("temp_c", size_s, function.name, 5.0 if Argument.STATE in function.arguments else None)
    for function in FUNCTIONS.values()
    if function.windowed and function.name != "duration"
    for size_s in (10.0, 60.0)
]
SERIES = np.arange(20, dtype=np.int32)


def metric_id(_: str) -> int:
    return 0


def fed(windows: SharedWindows, seed: int, start: float) -> None:
    random = Random(seed)
    windows.reach(1, len(SERIES))
    for tick in range(60):
        series = np.array(random.sample(range(20), random.randint(1, 20)), np.int32)
        time = start + tick / 2 + np.array([random.random() for _ in series])
        value = np.array([random.gauss(5, 2) for _ in series])
        windows.update(series, np.zeros(len(series), np.int32), time, value)


def answers(windows: SharedWindows) -> str:
    return str([windows.query(use, SERIES).tolist() for use in USES])


def test_a_snapshot_of_all_functions_goes_on_like_the_original() -> None:
    original, copy = SharedWindows(metric_id), SharedWindows(metric_id)
    original.use(USES)
    fed(original, 1, 0.0)
    copy.load(stored(original.state()))
    copy.use(USES)
    assert answers(copy) == answers(original)
    for windows in (original, copy):
        fed(windows, 2, 30.0)
    assert answers(copy) == answers(original)


def test_a_snapshot_from_before_there_were_percentiles_is_read() -> None:
    """Then a window was in it as metric, size and whether it has ends, with its panes."""
    before = SharedWindows(metric_id)
    before.use([Use("temp_c", 60.0, "avg"), Use("temp_c", 10.0, "delta")])
    fed(before, 1, 0.0)
    assert [entry[2] for entry in before.state()] == [True, False]
    after = SharedWindows(metric_id)
    after.load(stored(before.state()))
    after.use(USES)
    for use in (Use("temp_c", 60.0, "avg"), Use("temp_c", 10.0, "delta")):
        assert str(after.query(use, SERIES)) == str(before.query(use, SERIES))
    assert np.isnan(after.query(Use("temp_c", 60.0, "p95"), SERIES)).all()
    fed(after, 2, 30.0)
    assert not np.isnan(after.query(Use("temp_c", 60.0, "p95"), SERIES)).any()


def test_only_who_asks_for_percentiles_pays_for_them() -> None:
    windows = SharedWindows(metric_id)
    windows.use([Use("temp_c", 60.0, "avg")])
    assert [entry[2] for entry in windows.state()] == [False]
    windows.use(
        [Use("temp_c", 60.0, "avg"), Use("temp_c", 60.0, "p95"), Use("temp_c", 60.0, "p50")]
    )
    assert [entry[2] for entry in windows.state()] == [False, "quantiles"]
    windows.use([Use("temp_c", 60.0, "stddev")])
    assert [entry[2] for entry in windows.state()] == ["moments"]


def test_a_window_keeps_what_it_has_while_another_function_is_asked_of_it() -> None:
    windows = SharedWindows(metric_id)
    windows.use([Use("temp_c", 60.0, "p95")])
    fed(windows, 1, 0.0)
    before = windows.query(Use("temp_c", 60.0, "p95"), SERIES)
    windows.use(
        [Use("temp_c", 60.0, "p95"), Use("temp_c", 60.0, "p50"), Use("temp_c", 60.0, "avg")]
    )
    assert str(windows.query(Use("temp_c", 60.0, "p95"), SERIES)) == str(before)
    assert not np.isnan(windows.query(Use("temp_c", 60.0, "p50"), SERIES)).any()
    assert np.isnan(windows.query(Use("temp_c", 60.0, "avg"), SERIES)).all()


def test_what_is_beside_a_window_never_saw_less_than_it() -> None:
    """The bounds of a rule over p95 come of the cheapest panes that know all its readings."""
    p95, avg = Use("temp_c", 60.0, "p95"), Use("temp_c", 60.0, "avg")
    first = SharedWindows(metric_id)
    first.use([p95, avg])
    later = SharedWindows(metric_id)
    later.use([p95])
    for windows in (first, later):
        windows.reach(1, 1)
        windows.update_one(0, 0, 1.0, 99.0)
    later.use([p95, avg])
    for windows in (first, later):
        windows.update_one(0, 0, 2.0, 5.0)
        assert windows.extremes(p95, 0) == (5.0, 99.0)
    assert first.beside(p95) is first.beside(avg)
    assert later.extremes(avg, 0) == (5.0, 5.0)
    copy = SharedWindows(metric_id)
    copy.load(stored(later.state()))
    copy.use([p95, avg])
    assert copy.extremes(p95, 0) == (5.0, 99.0)
