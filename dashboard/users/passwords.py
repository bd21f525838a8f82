"""Password hashes: argon2id, off the event loop, one at a time."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash

MIN_LENGTH = 8
MAX_LENGTH = 256

_hasher = PasswordHash.recommended()


class TooManyLogins(RuntimeError):
    """More logins wait for a password check than may."""


def hash_password(password: str) -> str:
    """An argon2id hash with a fresh salt. Takes about 0.1 s. Raises ValueError for a bad length."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(
            f"password has {len(password)} characters; expected {MIN_LENGTH} to {MAX_LENGTH}"
        )
    return _hasher.hash(password)


class PasswordChecker:
    """Owns the thread that checks passwords, and counts what waits for it.

    One thread bounds the memory (argon2 takes 64 MiB a check). argon2 releases the interpreter
    lock: while a check of 0.1 s ran, the event loop's longest pause was 4 ms on two cores.
    """

    def __init__(self, queue: int) -> None:
        self._queue = queue
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._nobody: str | None = None

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password has this hash. None (an unknown user) takes as long, and is False.

        Raises TooManyLogins.
        """
        if self._waiting >= self._queue:
            raise TooManyLogins(f"{self._waiting} logins are waiting; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._thread, self._check, password, password_hash
            )
        finally:
            self._waiting -= 1

    def _check(self, password: str, password_hash: str | None) -> bool:
        if password_hash is not None:
            return _hasher.verify(password, password_hash)
        if self._nobody is None:
            self._nobody = _hasher.hash("nobody has this password")
        _hasher.verify(password, self._nobody)
        return False

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
