"""The windows in use: one set of panes for all rules that read the same (metric, size)."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.windows.panes import Panes
from tocsin.ingest.windows.spec import WindowSpec

Use = tuple[str, float, str]
"""Metric, size in seconds, function."""


class SharedWindows:
    """Owns the panes. A function new to a window begins with panes of its own, empty ones: what
    those that are there did not keep cannot be had afterwards.
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
                panes = Panes(WindowSpec.hopping(size_s), missing)
                self._keep(metric, size_s, panes, missing)

    def _keep(self, metric: str, size_s: float, panes: Panes, functions: set[str]) -> None:
        self._panes.setdefault(metric, []).append((size_s, panes))
        for function in functions:
            self._of[metric, size_s, function] = panes

    def update(
        self,
        metric: str,
        series: NDArray[np.int32],
        time: NDArray[np.float64],
        value: NDArray[np.float64],
    ) -> None:
        """Takes in readings of `metric`, each of another series."""
        for _, panes in self._panes.get(metric, ()):
            panes.update(series, time, value)

    def query(
        self, metric: str, size_s: float, function: str, series: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """`function` over the open window of each series, NaN where unknown; see Panes.query."""
        return self._of[metric, size_s, function].query(function, series)

    def metrics(self) -> frozenset[str]:
        """The metrics that some window needs."""
        return frozenset(self._panes)

    def state(self) -> list[Any]:
        return [
            [metric, size_s, sorted(panes.functions), panes.state()]
            for metric, kept in self._panes.items()
            for size_s, panes in kept
        ]

    def load(self, state: list[Any]) -> None:
        """Become what `state` was taken from; `use` comes after."""
        self._panes, self._of = {}, {}
        for metric, size_s, functions, inner in state:
            panes = Panes(WindowSpec.hopping(size_s), functions)
            panes.load(inner)
            self._keep(metric, size_s, panes, set(functions))
