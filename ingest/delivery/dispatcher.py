"""Sends what the outbox holds: saved first, a bounded number at a time, each within its time."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping

import structlog

from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.delivery.receipt import Answer, Parcel

log = structlog.get_logger(__name__)

Send = Callable[[Parcel], Awaitable[Answer]]
Health = Callable[[str, str | None], None]

SAVE_AGAIN_S = 1.0
"""Between tries while state.db cannot be written. What waits is sent all the same."""


class Dispatcher:
    """State: the task that decides, and one for each attempt that runs.

    `health(channel, reason)` is told when a channel begins to fail, with the reason, and with None
    at its first success after that, or after the start. `trouble(reason)` is told why state.db
    cannot be written, and with None when it can again.
    """

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[str, Send],
        clock: Callable[[], float],
        health: Health,
        trouble: Callable[[str | None], None],
    ) -> None:
        self._outbox = outbox
        self._senders = senders
        self._clock = clock
        self._health = health
        self._failing: dict[str, bool | None] = dict.fromkeys(senders)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._attempts: set[asyncio.Task[None]] = set()
        self._trouble = trouble
        self._failed: str | None = None  # why the last save did

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="deliveries")

    async def stop(self) -> None:
        """End the attempts that run; they are made again after the next start."""
        tasks = [*self._attempts, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """The outbox has something new."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                self._news.clear()
                saved = await self._save()
                self._send_due()
                await self._sleep(saved)
            except Exception:
                log.exception("deliveries failed; they go on")
                await asyncio.sleep(SAVE_AGAIN_S)

    async def _save(self) -> bool:
        if not self._outbox.has_unsaved:
            return True
        try:
            await self._outbox.save()
        except Exception as error:
            if self._failed != repr(error):
                self._failed = repr(error)
                log.warning("the outbox cannot be saved; deliveries go on", error=self._failed)
                self._trouble(self._failed)
            return False
        if self._failed:
            self._failed = None
            self._trouble(None)
        return True

    def _send_due(self) -> None:
        while parcel := self._outbox.take_due(self._clock()):
            attempt = asyncio.create_task(self._attempt(parcel))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._attempts.discard)

    async def _attempt(self, parcel: Parcel) -> None:
        answer = Answer("it could not be sent: see the log")
        try:
            answer = await self._senders[parcel.channel](parcel)
        except Exception:
            log.exception("an attempt failed", channel=parcel.channel, key=parcel.key)
        self._outbox.settle(parcel, answer, self._clock(), random.random())  # noqa: S311 - jitter
        self._tell_health(parcel.channel, answer)
        self._news.set()

    def _tell_health(self, channel: str, answer: Answer) -> None:
        backlog = self._outbox.backlogs[channel]
        was = self._failing[channel]
        if backlog.is_failing and was is not True:
            self._failing[channel] = True
            self._health(channel, answer.error)
        elif answer.error is None and was is not False:
            self._failing[channel] = False
            self._health(channel, None)

    async def _sleep(self, saved: bool) -> None:
        due = self._outbox.next_due()
        wait_s = None if due is None else max(due - self._clock(), 0.0)
        if not saved:
            wait_s = SAVE_AGAIN_S if wait_s is None else min(wait_s, SAVE_AGAIN_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._news.wait()
        except TimeoutError:
            pass
