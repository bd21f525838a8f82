"""Logins: a random token in the browser's cookie, its hash in state.db."""

import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass

from tocsin.dashboard.storage.users import UserStore
from tocsin.dashboard.users.passwords import PasswordChecker
from tocsin.dashboard.users.throttle import LoginThrottle

COOKIE = "tocsin_session"
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """A login that was not granted; `wait_s` is how long the next attempt has to wait."""

    reason: str
    wait_s: float = 0.0


class Logins:
    """Grants, recognises and ends logins. Owns the throttle and the password checker."""

    def __init__(
        self,
        users: UserStore,
        clock: Callable[[], float],
        *,
        lifetime_s: float,
        password_queue: int,
        failures_free: int,
    ) -> None:
        self._users = users
        self._clock = clock
        self.lifetime_s = lifetime_s
        self._passwords = PasswordChecker(password_queue)
        self._throttle = LoginThrottle(failures_free)

    async def login(self, name: str, password: str, address: str) -> str | LoginRefused:
        """The token of a new login, or why there is none. Raises TooManyLogins."""
        wait_s = self._throttle.wait_s(name, address, self._clock())
        if wait_s > 0:
            return LoginRefused("too many failed logins", wait_s)
        # Counted before the check: a burst of parallel guesses does not pass as one.
        self._throttle.fail(name, address, self._clock())
        password_hash = await self._users.password_hash(name)
        if not await self._passwords.matches(password, password_hash):
            return LoginRefused("name or password is wrong")
        self._throttle.succeed(name, address)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock()
        await self._users.open_login(name, _hash(token), now, now + self.lifetime_s)
        return token

    async def user(self, token: str) -> str | None:
        """The name of the user with this login, None when there is no such login (any more)."""
        return await self._users.login_user(_hash(token), self._clock())

    async def standing(self, tokens: Collection[str]) -> set[str]:
        """Those of `tokens` whose login is not over."""
        by_hash = {_hash(token): token for token in tokens}
        found = await self._users.standing(by_hash, self._clock())
        return {by_hash[each] for each in found}

    async def logout(self, token: str) -> None:
        await self._users.close_login(_hash(token))

    def close(self) -> None:
        self._passwords.close()


def _hash(token: str) -> bytes:
    # No salt, no argon2: 256 random bits cannot be guessed from their hash.
    return hashlib.sha256(token.encode()).digest()
