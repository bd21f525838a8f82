"""The windows in use: one set of panes for all rules that read the same (metric, size)."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.growing import Growing
from tocsin.ingest.order import occurrence
from tocsin.ingest.rules.calm import Anchor
from tocsin.ingest.rules.compiled import Use
from tocsin.ingest.windows.backlog import Backlog
from tocsin.ingest.windows.panes import ENDS, Panes
from tocsin.ingest.windows.spec import WindowSpec

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

# Where the two forms of an update cost the same (benchmarks/engine.py).
_FEW = 12


class SharedWindows:
    """Owns the panes, and the readings they have not taken in yet. A window begins empty when the
    first rule asks for it.

    First, delta and rate need more memory than the other functions. When the first of them is
    asked of a window that is there without, it gets a second set of panes, because what the
    first did not keep cannot be had afterwards.

    Readings wait until a window is asked about their series, or there are many: in what order
    different series are taken in changes nothing.
    """

    def __init__(self, metric_id: Callable[[str], int]) -> None:
        self._metric_id = metric_id
        self._panes: dict[str, list[tuple[float, Panes]]] = {}
        self._of: dict[Use, Panes] = {}
        self._of_metric: dict[int, list[Panes]] = {}
        self._windowed = Growing[np.bool_](np.bool_, False)  # by metric
        self._backlog = Backlog()

    def use(self, uses: Iterable[Use]) -> None:
        """Keep panes for exactly these functions; those of the others are dropped."""
        self._take_in_all()
        wanted: dict[tuple[str, float], set[str]] = {}
        for metric, size_s, function in uses:
            wanted.setdefault((metric, size_s), set()).add(function)
        before = self._panes
        self._drop_all()
        for (metric, size_s), functions in sorted(wanted.items()):
            missing = set(functions)
            for size, panes in before.get(metric, ()):
                if size == size_s and not missing.isdisjoint(panes.functions):
                    self._keep(metric, size_s, panes, missing & panes.functions)
                    missing -= panes.functions
            if missing:
                panes = Panes(WindowSpec.hopping(size_s), ends=not missing.isdisjoint(ENDS))
                self._keep(metric, size_s, panes, missing)

    def _drop_all(self) -> None:
        self._panes, self._of, self._of_metric = {}, {}, {}
        self._windowed = Growing[np.bool_](np.bool_, False)

    def _keep(self, metric: str, size_s: float, panes: Panes, functions: Iterable[str]) -> None:
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
        """As `update`, for one reading, and at once."""
        every = self._of_metric.get(metric)
        if every:
            self._settle(series, every)
            for panes in every:
                panes.update_one(series, time, value)

    def _settle(self, series: int, every: Iterable[Panes]) -> None:
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
            sizes = np.bincount(nth)  # never growing: rounds of series of one reading more
            large = int((sizes > _FEW).sum())
            rounds = [here[nth == each] for each in range(large)] if large > 1 else [here[nth == 0]]
            for some in rounds[:large]:
                for panes in every:
                    panes.update(series[some], time[some], value[some])
            rest = here[nth >= large]
            if not len(rest):
                continue
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
        return self._of[use].query(use[2], series)

    def query_one(self, use: Use, series: int) -> float:
        return self.query_beside(use, use[2], series)

    def query_beside(self, use: Use, function: str, series: int) -> float:
        """Another function over the window that answers `use`."""
        self._settle(series, self._of_metric[self._metric_id(use[0])])
        return self._of[use].query_one(function, series)

    def anchor_one(self, use: Use, series: int) -> Anchor | None:
        """See `Panes.anchor_one`."""
        self._settle(series, self._of_metric[self._metric_id(use[0])])
        return self._of[use].anchor_one(series)

    # -- snapshots

    def state(self) -> list[Any]:
        self._take_in_all()
        return [
            [metric, size_s, panes.ends, panes.state()]
            for metric, kept in self._panes.items()
            for size_s, panes in kept
        ]

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from; `use` comes after."""
        self.__init__(self._metric_id)
        for metric, size_s, ends, inner in state:
            panes = Panes(WindowSpec.hopping(size_s), ends=ends)
            panes.load(inner)
            self._keep(metric, size_s, panes, panes.functions)
