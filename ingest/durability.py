"""Which alerts were told before they were on disk, and when they are."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.outcome import Outcome

Mark = Callable[[Sequence[str], bool], None]


class Durability:
    """State: the alerts told with `durable` false, each with the commit it waits for, or None if
    that was refused: then a checkpoint brings it to disk. Only alerts in the book are kept.

    `mark` makes it a fact that alerts are durable, or not: everybody is told of a new revision.
    """

    def __init__(self, book: Callable[[], AlertBook], mark: Mark) -> None:
        self._book = book
        self._mark = mark
        self._waiting: dict[str, asyncio.Future[int] | None] = {}
        self._closed = False

    def start(self) -> None:
        """What was read from disk is on it."""
        book = self._book()
        stored = [alert.id for alert in (*book.open(), *book.recent()) if not alert.durable]
        if stored:
            self._mark(stored, True)

    def overdue(self, outcome: Outcome, committed: "asyncio.Future[int]") -> None:
        """Alerts were told ahead of their commit, which takes too long or was refused."""
        ids = [alert.id for alert in outcome.alerts]
        if self._closed or not ids:
            return
        for each in ids:
            if self._waiting.get(each, committed) is not None:
                self._waiting[each] = committed
        # Not in the middle of telling: it is a fact of its own.
        asyncio.get_running_loop().call_soon(self._set, ids, False)
        committed.add_done_callback(lambda done: self._answered(ids, done))

    def _answered(self, ids: Sequence[str], committed: "asyncio.Future[int]") -> None:
        if committed.cancelled() or committed.exception() is not None:
            self._waiting |= dict.fromkeys(ids)
            book = self._book()
            self._waiting = {i: f for i, f in self._waiting.items() if f or book.get(i)}
            return
        stored = [each for each in ids if self._waiting.get(each) is committed]
        for each in stored:
            del self._waiting[each]
        self._set(stored, True)

    def before_checkpoint(self) -> Mapping[str, int]:
        """What a checkpoint that begins now brings to disk, for `after_checkpoint`."""
        found = [self._book().get(each) for each, waits in self._waiting.items() if waits is None]
        return {alert.id: alert.revision for alert in found if alert is not None}

    def after_checkpoint(self, before: Mapping[str, int]) -> None:
        """Alerts that have not changed meanwhile are on disk."""
        book = self._book()
        stored: list[str] = []
        for each, revision in before.items():
            alert = book.get(each)
            if alert is None or alert.revision == revision:
                self._waiting.pop(each, None)
                stored.append(each)
        self._set(stored, True)

    def close(self) -> None:
        """Nothing more becomes durable, or not."""
        self._closed = True

    def _set(self, ids: Sequence[str], durable: bool) -> None:
        book = self._book()
        alerts = (book.get(each) for each in ids)
        changing = [alert.id for alert in alerts if alert and alert.durable is not durable]
        if changing and not self._closed:
            self._mark(changing, durable)
