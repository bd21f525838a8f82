"""Points in time: seconds since the epoch as float inside, RFC 3339 UTC outside."""

from datetime import UTC, datetime


def rfc3339(at: float) -> str:
    """Time `at` (seconds since the epoch) as RFC 3339 UTC with milliseconds."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.removesuffix("+00:00") + "Z"


def parse_timestamp(ts: float | int | str) -> float:
    """Seconds since the epoch of `ts`: seconds, milliseconds, microseconds or ISO 8601 text.

    A number's unit follows from its size: from 1e11 on it is milliseconds (as seconds that
    would be the year 5138), from 1e14 on microseconds. ISO text without an offset is UTC.

    Raises ValueError, naming the value and what was expected.
    """
    if isinstance(ts, str):
        try:
            stamp = datetime.fromisoformat(ts)
        except ValueError:
            raise ValueError(
                f"ts {ts[:64]!r} is not a time; expected seconds, ms or ISO 8601"
            ) from None
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if isinstance(ts, bool) or not 0 <= ts < 1e17:
        raise ValueError(f"ts {ts!r} is not a time; expected seconds, ms or ISO 8601")
    if ts >= 1e14:
        return ts / 1e6
    return ts / 1e3 if ts >= 1e11 else float(ts)
