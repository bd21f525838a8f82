"""Arrays that rows are appended to."""

from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


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
        # Wide rows are most of the memory of a large plant, so little of it may be spare.
        spare = have // (4 if self.values.ndim == 1 else 16)
        wanted = max(length + 1, have + spare)
        grown: NDArray[Any] = np.full(
            (wanted, *self.values.shape[1:]), self.fill, self.values.dtype
        )
        grown[:have] = self.values
        self.values = grown

    def load(self, rows: NDArray[Any]) -> None:
        """Replace everything by `rows`."""
        self.values = np.full((64, *self.values.shape[1:]), self.fill, self.values.dtype)
        self.reach(len(rows))
        self.values[: len(rows)] = rows
