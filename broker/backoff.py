"""How long who fails to log in has to wait before another try is looked at."""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from tocsin.broker.settings import Settings

LONGEST_WAIT_S = 60.0
"""A device whose password was put right is back within a minute."""


@dataclass(slots=True)
class _Failures:
    count: int
    last: float


class Backoff:
    """Owns the failures of each user name at each address, and a budget of them per address.

    A name that failed `login_failures_free` times at an address waits there: 1 s, and twice as long
    after each further failure. Other names at that address do not: a site has one address. An
    address that tries many names has `address_login_failures` of them, refilled at one a second.
    A try that is not looked at is no failure.

    Who guesses must not keep out who knows: the password that was right at the last login of its
    name is looked at, whatever others at that address or under that name have done. Of it a digest
    is kept, under a key that is gone with the process; so after a restart, and for a first login,
    the budget of the address counts.
    """

    def __init__(self, settings: Settings) -> None:
        self._free = settings.login_failures_free
        self._burst = settings.address_login_failures
        self._kept = settings.remembered_addresses
        self._by_name: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        # Per address when its budget is full again.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self._key = secrets.token_bytes(32)
        self._logins = settings.remembered_logins
        # Per name the digest of what was right; the one that logged in longest ago goes.
        self._right: OrderedDict[str, bytes] = OrderedDict()

    def wait_s(self, name: str, host: str, now: float, password: bytes = b"") -> float:
        """Seconds until a try of this name from this address is looked at; 0: now."""
        if self._was_right(name, password):
            return 0.0
        return max(self._address_wait_s(host, now), self._name_wait_s(name, host, now), 0.0)

    def limit(self, name: str, host: str, now: float) -> str:
        """The setting that makes who is told to wait do so."""
        by_address_s = self._address_wait_s(host, now)
        by_address = by_address_s > self._name_wait_s(name, host, now)
        return "address_login_failures" if by_address else "login_failures_free"

    def _address_wait_s(self, host: str, now: float) -> float:
        return self._full_at.get(host, now) - now - self._burst + 1

    def _name_wait_s(self, name: str, host: str, now: float) -> float:
        failures = self._by_name.get((name, host))
        if failures is None or failures.count <= self._free:
            return 0.0
        doubled_s = min(2.0 ** min(failures.count - self._free - 1, 20), LONGEST_WAIT_S)
        return failures.last + doubled_s - now

    def fail(self, name: str, host: str, now: float, password: bytes = b"") -> None:
        if self._was_right(name, password):
            del self._right[name]  # it is so no more
        key = name, host
        failures = self._by_name.pop(key, None)
        if failures is None or now - failures.last > 10 * LONGEST_WAIT_S:
            failures = _Failures(0, now)
        self._by_name[key] = _Failures(failures.count + 1, now)
        self._full_at[host] = max(self._full_at.pop(host, now), now) + 1.0
        for kept in (self._by_name, self._full_at):
            if len(kept) > self._kept:
                kept.popitem(last=False)

    def succeed(self, name: str, host: str, password: bytes = b"") -> None:
        self._by_name.pop((name, host), None)
        self._right[name] = self._digest(password)
        self._right.move_to_end(name)
        if len(self._right) > self._logins:
            self._right.popitem(last=False)

    def _was_right(self, name: str, password: bytes) -> bool:
        right = self._right.get(name)
        return right is not None and hmac.compare_digest(right, self._digest(password))

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._key, password, hashlib.sha256)
