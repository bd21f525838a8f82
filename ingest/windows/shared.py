"""The windows in use: one set of panes for all rules that read the same (metric, size)."""

from collections.abc import Callable, Iterable
from math import nan
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.order import occurrence
from tocsin.ingest.rules.calm import Anchor
from tocsin.ingest.rules.compiled import Use
from tocsin.ingest.windows.backlog import Backlog
from tocsin.ingest.windows.moments import Moments
from tocsin.ingest.windows.open_session import OpenSession
from tocsin.ingest.windows.panes import BASIC, ENDS, Panes
from tocsin.ingest.windows.quantiles import Quantiles
from tocsin.ingest.windows.run import Runs
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.ingest.windows.steady import Steady
from tocsin.ingest.windows.trace import GROWTH, LASTING, Trace
from tocsin.ingest.windows.zscore import Zscore

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]

# Where the two forms of an update cost the same (benchmarks/pipeline.py).
_FEW = 12
_LONG_RUN = 4  # readings of one series


class Apart(Protocol):
    """Panes of functions that need memory of their own, which only who asks for them pays.

    It answers `min` and `max` too, of the readings it has. `kind` names it in snapshots.
    """

    kind: ClassVar[str]

    @property
    def functions(self) -> frozenset[str]: ...
    def update(self, series: Ids, time: Floats, value: Floats) -> None: ...
    def update_one(self, series: int, time: float, value: float) -> None: ...
    def update_run(self, series: int, time: Floats, value: Floats) -> None: ...
    def query(self, function: str, series: Ids) -> Floats: ...
    def query_one(self, function: str, series: int) -> float: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...


Kept: TypeAlias = Panes | Apart


class Kinds(Protocol):
    """What windows have to know of series: which of them only ever grow, but for starting anew at
    0, and the codes of texts.
    """

    def may_count(self, metric: str) -> bool:
        """Whether a metric of that name may be a counter of some device."""
        ...

    def counts(self, series: Ids) -> NDArray[np.bool_]: ...
    def lateness(self, series: int) -> float:
        """How many seconds older than the newest of its device a reading of it may be."""
        ...

    def code_of(self, text: str) -> int: ...


class Plain:
    """Neither counters nor texts, and nothing late by more than a minute."""

    def may_count(self, metric: str) -> bool:
        return False

    def counts(self, series: Ids) -> NDArray[np.bool_]:
        return np.zeros(len(series), np.bool_)

    def lateness(self, series: int) -> float:
        return 60.0

    def code_of(self, text: str) -> int:
        return -1


def _panes_for(size_s: float, functions: set[str], kinds: Kinds, growth: bool) -> Iterable[Kept]:
    """New panes that answer these. `growth`: delta and rate may be those of counters."""
    spec = WindowSpec.hopping(size_s)
    plain = functions & (BASIC | ENDS)
    if growth:
        plain -= GROWTH
    if plain:
        yield Panes(spec, ends=not plain.isdisjoint(ENDS))
    for apart in _every_apart(spec, kinds):
        if not apart.functions.isdisjoint(functions - plain):
            yield apart


def _every_apart(spec: WindowSpec, kinds: Kinds) -> tuple[Apart, ...]:
    return (
        Moments(spec),
        Quantiles(spec),
        Steady(spec),
        Zscore(spec),
        Trace(spec, kinds.counts),
        OpenSession(spec.size_s, kinds.counts, kinds.lateness),
    )


class SharedWindows:
    """Owns the panes, and the readings they have not taken in yet. A window begins empty when the
    first rule asks for it.

    First, delta and rate need more memory than the other functions. When the first of them is
    asked of a window that is there without, it gets a second set of panes, because what the
    first did not keep cannot be had afterwards. What needs much more is kept `Apart`. Those of a
    metric are kept in the order in which they were begun.

    Readings wait until a window is asked about their series, or there are many: in what order
    different series are taken in changes nothing.
    """

    def __init__(self, metric_id: Callable[[str], int], kinds: Kinds | None = None) -> None:
        self._metric_id = metric_id
        self._kinds = kinds or Plain()
        self._panes: dict[str, list[tuple[float, Kept]]] = {}
        self._of: dict[tuple[str, float, str], Kept] = {}
        self._of_metric: dict[int, list[Kept]] = {}
        self._windowed = Growing[np.bool_](np.bool_, False)  # by metric
        self._backlog = Backlog()

    def use(self, uses: Iterable[Use]) -> None:
        """Keep panes for exactly these functions; those of the others are dropped."""
        self._take_in_all()
        wanted: dict[tuple[str, float], set[str]] = {}
        for use in uses:
            wanted.setdefault((use.metric, use.size_s), set()).add(use.function)
        before = self._panes
        self._drop_all()
        for (metric, size_s), functions in sorted(wanted.items()):
            missing = set(functions)
            for size, panes in before.get(metric, ()):
                answered = missing & self._answered_by(panes, metric)
                if size == size_s and answered:
                    self._keep(metric, size_s, panes, answered)
                    missing -= answered
            growth = self._kinds.may_count(metric)
            for panes in _panes_for(size_s, missing, self._kinds, growth):
                answered = missing & self._answered_by(panes, metric)
                self._keep(metric, size_s, panes, answered)
                missing -= answered

    def _answered_by(self, panes: Kept, metric: str) -> frozenset[str]:
        if isinstance(panes, Panes) and self._kinds.may_count(metric):
            return panes.functions - GROWTH
        return panes.functions

    def _drop_all(self) -> None:
        self._panes, self._of, self._of_metric = {}, {}, {}
        self._windowed = Growing[np.bool_](np.bool_, False)

    def _keep(self, metric: str, size_s: float, panes: Kept, functions: Iterable[str]) -> None:
        self._panes.setdefault(metric, []).append((size_s, panes))
        number = self._metric_id(metric)
        self._of_metric.setdefault(number, []).append(panes)
        self._windowed.reach(number + 1)
        self._windowed.values[number] = True
        for function in functions:
            self._of[metric, size_s, function] = panes

    def reach(self, metrics: int, series: int) -> None:
        """Be ready for readings of metrics and series up to these numbers of them."""
        self._windowed.reach(metrics)
        self._backlog.reach(series)

    # -- readings

    def update(self, series: Ids, metric: Ids, time: Floats, value: Floats) -> None:
        """Takes in readings, in order of arrival; those of metrics without a window are dropped."""
        if not self._panes:
            return
        windowed = self._windowed.values.take(metric)
        if np.count_nonzero(windowed) < len(windowed):
            series, metric = series[windowed], metric[windowed]
            time, value = time[windowed], value[windowed]
        if not self._backlog.has_room(len(series)):
            self._take_in_all()
            if not self._backlog.has_room(len(series)):
                self._take_in(series, metric, time, value)
                return
        self._backlog.add(series, metric, time, value)

    def update_one(self, series: int, metric: int, time: float, value: float) -> None:
        """As `update`, for one reading."""
        if metric not in self._of_metric:
            return
        if not self._backlog.has_room(1):
            self._take_in_all()
        self._backlog.add_one(series, metric, time, value)

    def _settle(self, series: int, every: Iterable[Kept]) -> None:
        for time, value in self._backlog.take_of(series):
            for panes in every:
                panes.update_one(series, time, value)

    def _take_in_all(self) -> None:
        if len(self._backlog):
            self._take_in(*self._backlog.take_all())

    @np.errstate(all="ignore")  # what overflows is infinite
    def _take_in(self, series: Ids, metric: Ids, time: Floats, value: Floats) -> None:
        for number, every in self._of_metric.items():
            here = np.flatnonzero(metric == number)
            nth = occurrence(series[here])
            if len(here) <= _FEW or not np.count_nonzero(nth >= _LONG_RUN):
                self._in_rounds(every, nth, series[here], time[here], value[here])
                continue
            runs = Runs.of(series[here], time[here], value[here])
            for panes in every:
                if isinstance(panes, Panes):
                    left = panes.update_runs(runs)
                    some = (
                        here[np.isin(series[here], runs.series[left])] if left.any() else here[:0]
                    )
                else:
                    some = here
                nth_of = nth if len(some) == len(here) else occurrence(series[some])
                self._in_rounds((panes,), nth_of, series[some], time[some], value[some])

    def _in_rounds(
        self, every: Iterable[Kept], nth: Places, series: Ids, time: Floats, value: Floats
    ) -> None:
        """Readings of one metric: the first of each series, the second of each, and so on."""
        if not len(series):
            return
        sizes = np.bincount(nth)  # never growing: rounds of series of one reading more
        large = int((sizes > _FEW).sum())
        for number in range(large):
            some = np.flatnonzero(nth == number)
            for panes in every:
                panes.update(series[some], time[some], value[some])
        rest = np.flatnonzero(nth >= large)
        if not len(rest):
            return
        # Some series have many more readings than the others: each by itself.
        by_series = rest[np.argsort(series[rest], kind="stable")]
        starts = np.flatnonzero(np.diff(series[by_series], prepend=-1))
        for some in np.split(by_series, starts[1:]):
            for panes in every:
                panes.update_run(series.item(some.item(0)), time[some], value[some])

    # -- answers

    def query(self, use: Use, series: Ids) -> Floats:
        """The function over the open window of each series, NaN where unknown; see Panes."""
        self._take_in_all()
        panes = self._panes_of(use)
        if use.state is not None and isinstance(panes, Trace):
            return panes.time_in(self._code(use.state), series)
        return panes.query(use.function, series)

    def query_one(self, use: Use, series: int) -> float:
        self._settle(series, self._of_metric[self._metric_id(use.metric)])
        panes = self._panes_of(use)
        if use.state is not None and isinstance(panes, Trace):
            return panes.time_in(self._code(use.state), np.array([series], np.int32)).item()
        return panes.query_one(use.function, series)

    def _panes_of(self, use: Use) -> Kept:
        return self._of[use.metric, use.size_s, use.function]

    def _code(self, state: float | bool | str) -> float:
        """What the columns hold of a value."""
        return float(self._kinds.code_of(state) if isinstance(state, str) else state)

    def extremes(self, use: Use, series: int) -> tuple[float, float]:
        """The smallest and the largest reading in the window that answers `use`; NaN where they say
        nothing about `use`, which may be anything after a counter began anew.
        """
        self._settle(series, self._of_metric[self._metric_id(use.metric)])
        panes = self.beside(use)
        if use.function in GROWTH and isinstance(panes, Trace):
            return nan, nan
        return panes.query_one("min", series), panes.query_one("max", series)

    def beside(self, use: Use) -> Kept:
        """Of the panes of the same window that saw all that those of `use` saw, the cheapest to
        ask. What held when the window began counts too, but not to any others than those it is for.
        """
        panes = self._panes_of(use)
        if isinstance(panes, Panes) or use.function in LASTING:
            return panes
        for size_s, older in self._panes[use.metric]:
            if older is panes:
                break
            if size_s == use.size_s and isinstance(older, Panes):
                return older
        return panes

    def anchor_one(self, use: Use, series: int) -> Anchor | None:
        """See `Panes.anchor_one`."""
        self._settle(series, self._of_metric[self._metric_id(use.metric)])
        panes = self._panes_of(use)
        return panes.anchor_one(series) if isinstance(panes, Panes) else None

    # -- snapshots

    def state(self) -> list[Any]:
        self._take_in_all()
        return [
            [metric, size_s, _kind_of(panes), panes.state()]
            for metric, kept in self._panes.items()
            for size_s, panes in kept
        ]

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from; `use` comes after."""
        self.__init__(self._metric_id, self._kinds)
        for metric, size_s, kind, inner in state:
            panes = _empty(size_s, kind, self._kinds)
            panes.load(inner)
            self._keep(metric, size_s, panes, panes.functions)


def _kind_of(panes: Kept) -> str | bool:
    """What a snapshot calls such panes: for Panes, whether they have ends."""
    return panes.ends if isinstance(panes, Panes) else panes.kind


def _empty(size_s: float, kind: str | bool, kinds: Kinds) -> Kept:
    spec = WindowSpec.hopping(size_s)
    if isinstance(kind, bool):
        return Panes(spec, ends=kind)
    return next(apart for apart in _every_apart(spec, kinds) if apart.kind == kind)
