"""What a login keeps open: it ends within a second or so of the login."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

log = structlog.get_logger(__name__)

End = Callable[[], None]


class LoginHolds:
    """Owns, by session token, how to end what was opened with it.

    While there is any, all logins are looked at together every `every_s`: a user may be removed
    by another process. `standing` gives those of some tokens whose login is not over.
    """

    def __init__(
        self, standing: Callable[[Collection[str]], Awaitable[set[str]]], every_s: float
    ) -> None:
        self._standing = standing
        self._every_s = every_s
        self._ends: dict[str, set[End]] = {}
        self._task: asyncio.Task[None] | None = None

    def hold(self, token: str, end: End) -> Callable[[], None]:
        """`end` is called when the login is over, unless what this returns was called before."""
        self._ends.setdefault(token, set()).add(end)
        if self._task is None:
            self._task = asyncio.create_task(self._look_now_and_then(), name="logins")

        def release() -> None:
            ends = self._ends.get(token, set())
            ends.discard(end)
            if not ends:
                self._ends.pop(token, None)
            if not self._ends and self._task is not None:
                self._task.cancel()
                self._task = None

        return release

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                standing = await self._standing(list(self._ends))
            except Exception:
                log.exception("logins of open streams cannot be looked at; it is tried again")
                continue
            for token in self._ends.keys() - standing:
                for end in list(self._ends.get(token, ())):
                    end()
