"""How long somebody who guesses passwords has to wait."""

from collections import OrderedDict
from dataclasses import dataclass

KEYS = 10_000
"""Names and addresses remembered; the one that failed longest ago goes first."""

FORGET_AFTER_S = 3600.0
"""Without a failure for this long, a name or address starts afresh."""

LONGEST_WAIT_S = {"address": 900.0, "name": 30.0}
"""A name waits less: else a stranger could keep its owner out by guessing."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class LoginThrottle:
    """Owns the count of failed logins per name and per address.

    The first `free` failures cost nothing; each further one doubles the wait from 1 s.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def wait_s(self, name: str, address: str, now: float) -> float:
        """Seconds until this name from this address may try again; 0 when it may now."""
        return max(self._wait_s("name", name, now), self._wait_s("address", address, now))

    def fail(self, name: str, address: str, now: float) -> None:
        for key in (("name", name), ("address", address)):
            failures = self._failures.pop(key, None)
            if failures is None or now - failures.last > FORGET_AFTER_S:
                failures = _Failures(0, now)
            self._failures[key] = _Failures(failures.count + 1, now)
        while len(self._failures) > KEYS:
            self._failures.popitem(last=False)

    def succeed(self, name: str, address: str) -> None:
        """Clears the name and takes back this attempt of the address, but not its other failures:
        else an account of one's own would buy unlimited guesses at the accounts of others."""
        self._failures.pop(("name", name), None)
        if failures := self._failures.get(("address", address)):
            failures.count -= 1

    def _wait_s(self, kind: str, value: str, now: float) -> float:
        failures = self._failures.get((kind, value))
        if failures is None or failures.count <= self._free:
            return 0.0
        doubled = 2.0 ** min(failures.count - self._free - 1, 20)
        return max(0.0, failures.last + min(doubled, LONGEST_WAIT_S[kind]) - now)
