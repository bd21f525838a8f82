"""Requests to a watchdog outside of this machine, which rings when they stay away."""

import asyncio
from collections.abc import Callable

import httpx2
import structlog

log = structlog.get_logger(__name__)


class Ping:
    """State: the task that pings. `trouble(reason)` is told how each ping went, None for well."""

    def __init__(
        self,
        url: str,
        every_s: float,
        timeout_s: float,
        trouble: Callable[[str | None], None],
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._trouble = trouble
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._ping_for_ever(), name="heartbeat")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ping_for_ever(self) -> None:
        async with httpx2.AsyncClient(timeout=self._timeout_s) as client:
            failed = False
            while True:
                reason = await self._ping(client)
                if reason and not failed:
                    log.warning("the heartbeat's url was not reached", reason=reason)
                failed = reason is not None
                self._trouble(reason)
                await asyncio.sleep(self._every_s)

    async def _ping(self, client: httpx2.AsyncClient) -> str | None:
        """Why a ping failed, without the url, which may be a secret."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                client.stream("GET", self._url) as response,
            ):
                if response.status_code < 400:
                    return None
                return f"answered {response.status_code}"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as error:
            return type(error).__name__
