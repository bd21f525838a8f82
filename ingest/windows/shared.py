"""The windows in use: one set of panes for all rules that read the same (metric, size)."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.rules.compiled import Use
from tocsin.ingest.windows.panes import ENDS, Panes
from tocsin.ingest.windows.spec import WindowSpec


class SharedWindows:
    """Owns the panes. A window begins empty when the first rule asks for it.

    First, delta and rate need more memory than the other functions. When the first of them is
    asked of a window that is there without, it gets a second set of panes, because what the
    first did not keep cannot be had afterwards.
    """

    def __init__(self) -> None:
        self._panes: dict[str, list[tuple[float, Panes]]] = {}
        self._of: dict[Use, Panes] = {}

    def use(self, uses: Iterable[Use]) -> None:
        """Keep panes for exactly these functions; those of the others are dropped."""
        wanted: dict[tuple[str, float], set[str]] = {}
        for metric, size_s, function in uses:
            wanted.setdefault((metric, size_s), set()).add(function)
        before, self._panes, self._of = self._panes, {}, {}
        for (metric, size_s), functions in sorted(wanted.items()):
            missing = set(functions)
            for size, panes in before.get(metric, ()):
                if size == size_s and not missing.isdisjoint(panes.functions):
                    self._keep(metric, size_s, panes, missing & panes.functions)
                    missing -= panes.functions
            if missing:
                panes = Panes(WindowSpec.hopping(size_s), ends=not missing.isdisjoint(ENDS))
                self._keep(metric, size_s, panes, missing)

    def _keep(self, metric: str, size_s: float, panes: Panes, functions: Iterable[str]) -> None:
        self._panes.setdefault(metric, []).append((size_s, panes))
        for function in functions:
            self._of[metric, size_s, function] = panes

    def metrics(self) -> frozenset[str]:
        """The metrics that some window needs."""
        return frozenset(self._panes)

    def update(
        self,
        metric: str,
        series: NDArray[np.int32],
        time: NDArray[np.float64],
        value: NDArray[np.float64],
    ) -> None:
        """Takes in readings of `metric`, each of another series."""
        for _, panes in self._panes[metric]:
            panes.update(series, time, value)

    def update_one(self, metric: str, series: int, time: float, value: float) -> None:
        for _, panes in self._panes[metric]:
            panes.update_one(series, time, value)

    def query(self, use: Use, series: NDArray[np.int32]) -> NDArray[np.float64]:
        """The function over the open window of each series, NaN where unknown; see Panes."""
        return self._of[use].query(use[2], series)

    def query_one(self, use: Use, series: int) -> float:
        return self._of[use].query_one(use[2], series)

    def state(self) -> list[Any]:
        return [
            [metric, size_s, panes.ends, panes.state()]
            for metric, kept in self._panes.items()
            for size_s, panes in kept
        ]

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from; `use` comes after."""
        self._panes, self._of = {}, {}
        for metric, size_s, ends, inner in state:
            panes = Panes(WindowSpec.hopping(size_s), ends=ends)
            panes.load(inner)
            self._keep(metric, size_s, panes, panes.functions)
