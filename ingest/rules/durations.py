"""Durations as rules write them: a number and one unit, `30s`, `5m`, `1.5h`, `7d`."""

import re
from functools import lru_cache

SESSION = "session "
"""What a window begins with that is a session; the gap that ends one follows."""

_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SHAPE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smhd])")


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> float:
    """Seconds of `text`.

    Raises ValueError, which names the text and what was expected.
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:32]!r} is not a duration; expected a number and s, m, h or d, as in '5m'"
        )
    return float(found[1]) * _UNIT_S[found[2]]
