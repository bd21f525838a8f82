"""What a function returned, checked before it leaves the worker."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from tocsin.ingest.functions.protocol import (
    COMMENT_CHARACTERS,
    METRICS_PER_CALL,
    TEXT_CHARACTERS,
)
from tocsin.ingest.functions.registration import Floats, Value


class Rubbish(ValueError):
    """What a function returned cannot be used: what, the value, what was expected."""


def metrics_of(returned: object) -> dict[str, Value]:
    """The new metrics of one call; empty for None. Raises Rubbish."""
    if returned is None:
        return {}
    return {
        name: _value(name, value)
        for name, value in _named(returned).items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def columns_of(returned: object, length: int) -> dict[str, Floats]:
    """The arrays of one call of the vectorised form, NaN where there is nothing. Raises Rubbish."""
    if returned is None:
        return {}
    columns: dict[str, Floats] = {}
    for name, value in _named(returned).items():
        try:
            column = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise Rubbish(f"metric {name!r} is {_shown(value)}; expected numbers") from None
        if column.shape != (length,):
            raise Rubbish(
                f"metric {name!r} has the shape {column.shape}; expected one number for each of"
                f" {length} readings"
            )
        if np.isinf(column).any():
            raise Rubbish(f"metric {name!r} has infinity in it; expected finite numbers or NaN")
        columns[name] = column
    return columns


def comment_of(returned: object) -> str | None:
    """The comment on an alert, cut to its limit. Raises Rubbish."""
    if returned is None or returned == "":
        return None
    if not isinstance(returned, str):
        raise Rubbish(f"returned {_shown(returned)}; expected a text or None")
    return returned[:COMMENT_CHARACTERS]


def _named(returned: object) -> Mapping[str, object]:
    if not isinstance(returned, Mapping):
        raise Rubbish(f"returned {_shown(returned)}; expected a dictionary of metrics or None")
    named = cast("Mapping[Any, object]", returned)
    if len(named) > METRICS_PER_CALL:
        raise Rubbish(f"returned {len(named)} metrics; expected at most {METRICS_PER_CALL}")
    for name in named:
        if not isinstance(name, str):
            raise Rubbish(f"returned the metric {_shown(name)}; expected its name, a text")
    return named


def _value(name: str, value: object) -> Value:
    plain: object = (
        cast("np.generic[Any]", value).item() if isinstance(value, np.generic) else value
    )
    if isinstance(plain, bool) or (isinstance(plain, str) and len(plain) <= TEXT_CHARACTERS):
        return plain
    if isinstance(plain, (int, float)):
        try:
            number = float(plain)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise Rubbish(
        f"metric {name!r} is {_shown(plain)}; expected a finite number, a boolean or a text of at"
        f" most {TEXT_CHARACTERS} characters"
    )


def _shown(value: object) -> str:
    """A value in few words, whatever its own `repr` does."""
    if isinstance(value, (bool, float, str, bytes)):
        return f"{value!r:.80}"
    return f"a {type(value).__name__}"
