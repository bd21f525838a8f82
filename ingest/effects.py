"""Effects that cannot be taken back wait until their cause is on disk."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from tocsin.ingest.outcome import Outcome

Tell = Callable[[Outcome], None]
Overdue = Callable[[Outcome, asyncio.Future[Any]], None]


class Effects:
    """Holds outcomes back until the batch that caused them is committed, and tells them in order.

    A full disk must not silence an alarm: an outcome whose commit fails, or takes longer than
    `patience_s`, is told all the same, its alerts marked `durable=False`, and `overdue` learns of
    it. State: what waits, oldest first; bounded by what the broker lets in before a commit.
    """

    def __init__(self, tell: Tell, patience_s: float, overdue: Overdue | None = None) -> None:
        self._tell = tell
        self._overdue = overdue
        self._patience_s = patience_s
        self._waiting: deque[tuple[Outcome, asyncio.Future[Any], float, bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def hold(
        self, outcome: Outcome, committed: asyncio.Future[Any], *, as_it_is: bool = False
    ) -> None:
        """Tell `outcome` when `committed` is done, after everything held before it. What is told
        `as_it_is` says itself what is durable."""
        loop = asyncio.get_running_loop()
        self._waiting.append((outcome, committed, loop.time() + self._patience_s, as_it_is))
        if committed.done():
            self._release()
        else:
            committed.add_done_callback(self._release)
            self._wake_at_deadline(loop)

    def close(self) -> None:
        """Tell what still waits: nothing more will be committed."""
        while self._waiting:
            self._tell_next()
        if self._timer:
            self._timer.cancel()

    def _release(self, _: object = None) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][2] <= loop.time()):
            self._tell_next()
        self._wake_at_deadline(loop)

    def _tell_next(self) -> None:
        outcome, committed, _, as_it_is = self._waiting.popleft()
        durable = committed.done() and not committed.cancelled() and committed.exception() is None
        if durable:
            outcome = replace(outcome, position=committed.result())
        elif not as_it_is:
            if self._overdue is not None:
                self._overdue(outcome, committed)
            alerts = [msgspec.structs.replace(alert, durable=False) for alert in outcome.alerts]
            outcome = replace(outcome, alerts=alerts)
        self._tell(outcome)

    def _wake_at_deadline(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None and self._waiting:
            self._timer = loop.call_at(self._waiting[0][2], self._deadline_passed)

    def _deadline_passed(self) -> None:
        self._timer = None
        self._release()
