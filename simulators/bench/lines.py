"""What a process says to whoever started it as a Child: lines of JSON, one key each."""

import json
import sys
from collections.abc import Iterable


def say(key: str, value: object) -> None:
    """A line of {key: value}, at once."""
    print(json.dumps({key: value}), flush=True)


def play(acts: Iterable[tuple[str, object]], expected: tuple[type[Exception], ...]) -> int:
    """Says what each act comes to, and begins the next when a line comes on stdin; the last of
    them ends with stdin. An `expected` error is said as `error`. The exit status."""
    try:
        for key, value in acts:
            say(key, value)
            sys.stdin.readline()
    except expected as error:
        say("error", str(error))
        return 1
    return 0
