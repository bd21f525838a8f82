"""Work in the background that may fail and is tried again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Upkeep:
    """State: the tasks that run, and `troubles`: work that failed at its last try, and why."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self.troubles: dict[str, str] = {}

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run until `stop`."""
        self._tasks.append(asyncio.create_task(work))

    def every(self, seconds: float, what: str, work: Callable[[], Awaitable[object]]) -> None:
        """Try `work` now and again and again, so many seconds apart."""

        async def again() -> None:
            while True:
                await self.attempt(what, work())
                await asyncio.sleep(seconds)

        self.run(again())

    async def attempt(self, what: str, work: Awaitable[object]) -> None:
        """One try of what a full disk or a killed worker may fail."""
        try:
            await work
            self.note(what, None)
        except Exception as error:
            said = str(error) or type(error).__name__
            if self.troubles.get(what) != said:
                log.warning(f"{what} failed; it is tried again", error=repr(error))
            self.note(what, said)

    def note(self, what: str, reason: str | None) -> None:
        """Say everywhere why some work fails, or (None) that it does not."""
        if reason is None:
            self.troubles.pop(what, None)
        else:
            self.troubles[what] = reason

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
