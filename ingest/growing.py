"""Arrays that rows are appended to."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

_SMALL = 1_024  # rows below which growing often costs more than room does


class Growing(Generic[Scalar]):
    """An array with room for more rows. State: `values`, the whole capacity.

    Rows not yet used hold `fill`, and the last one is never used, so index -1 ("there is
    none") reads as `fill` without a branch. Growing replaces `values`: do not keep it.
    """

    __slots__ = ("fill", "values")

    values: NDArray[Scalar]

    def __init__(self, dtype: DTypeLike, fill: float, columns: tuple[int, ...] = ()) -> None:
        self.fill = fill
        self.values = np.full((64, *columns), fill, dtype)

    def reach(self, length: int) -> None:
        """Make room for `length` rows."""
        have = len(self.values)
        if length < have:
            return
        wanted = max(length + 1, have + self._spare(have))
        grown: NDArray[Any] = np.full(
            (wanted, *self.values.shape[1:]), self.fill, self.values.dtype
        )
        grown[:have] = self.values
        self.values = grown

    def _spare(self, have: int) -> int:
        """How many rows more than there are, at least, are made room for."""
        if self.values.ndim == 1:
            return have if have < _SMALL else have // 4
        # Wide rows are most of the memory of a large plant, so little of it may be spare.
        return have // 2 if have < _SMALL // 4 else have // 8 if have < _SMALL else have // 16

    def load(self, rows: NDArray[Any]) -> None:
        """Replace everything by `rows`."""
        self.values = np.full((64, *self.values.shape[1:]), self.fill, self.values.dtype)
        self.reach(len(rows))
        self.values[: len(rows)] = rows
