"""What waits for one channel, and what may be sent next."""

from collections import deque
from heapq import heapify, heappop, heappush

from msgspec.structs import replace

from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Answer, Delivery, Receipt, retry_after_s

FAILS_AFTER = 3
"""Attempts that fail in a row before people are told that the channel fails."""


class Backlog:
    """Owns the deliveries of a channel that are not over, and how the channel is doing.

    Pure: `now` and `chance` are arguments. Transitions of one alert go out one after the other, in
    order. After a failure one attempt at a time is made, with growing pauses, until one succeeds.
    Of too many the oldest go (policy: drop_oldest), and are dead.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._by_alert: dict[str, deque[Delivery]] = {}
        self._ready: list[tuple[float, int, str]] = []  # due, order of coming, alert
        self._order = 0
        self._waiting = 0
        self._in_flight: set[str] = set()  # alerts
        self._resume_at = float("-inf")
        self.failures = 0
        """Attempts that failed since the last success."""
        self.confirmed_total = self.failed_total = self.dead_total = self.dropped_total = 0
        self.last_error: str | None = None
        self.last_error_at: float | None = None
        self.last_success_at: float | None = None

    def __len__(self) -> int:
        return self._waiting

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def is_failing(self) -> bool:
        return self.failures >= FAILS_AFTER

    def find(self, delivery: Delivery) -> Delivery | None:
        """The one of this alert and revision as it stands now, if it waits or is in flight."""
        line = self._by_alert.get(delivery.alert.id, ())
        return next((each for each in line if each.key == delivery.key), None)

    def add(self, delivery: Delivery) -> list[Delivery]:
        """One more waits. Those that had to go for it, dead."""
        line = self._by_alert.setdefault(delivery.alert.id, deque())
        line.append(delivery)
        self._waiting += 1
        if len(line) == 1:
            self._offer(delivery)
        dropped: list[Delivery] = []
        while self._waiting > self.channel.backlog:
            alert, place = self._oldest()
            reason = f"dropped: more than {self.channel.backlog} were waiting"
            self.dropped_total += 1
            dropped.append(self._bury(alert, place, reason, delivery.queued_at))
        return dropped

    def take_due(self, now: float) -> Delivery | None:
        """The next to send now, as sent; None when nothing may be sent yet."""
        if now < self._resume_at or len(self._in_flight) >= self._room():
            return None
        while self._ready and self._ready[0][0] <= now:
            due, _, alert = heappop(self._ready)
            line = self._by_alert.get(alert)
            if not line or alert in self._in_flight or line[0].due != due:
                continue  # it was dropped, or is there under a later time
            sent = replace(
                line[0], state=Receipt.SENT, attempts=line[0].attempts + 1, changed_at=now
            )
            line[0] = sent
            self._in_flight.add(alert)
            return sent
        return None

    def next_due(self) -> float | None:
        """When `take_due` may give one, if nothing is added or settled before."""
        if not self._ready or len(self._in_flight) >= self._room():
            return None
        return max(self._ready[0][0], self._resume_at)

    def settle(self, sent: Delivery, answer: Answer, now: float, chance: float) -> Delivery:
        """What became of one that `take_due` gave: how it stands now."""
        self._in_flight.discard(sent.alert.id)
        line = self._by_alert.get(sent.alert.id)
        is_there = bool(line) and line[0].key == sent.key  # else it was dropped meanwhile
        if answer.error is None:
            self.failures = 0
            self._resume_at = float("-inf")
            self.confirmed_total += 1
            self.last_success_at = now
            done = replace(sent, state=answer.state, error=None, changed_at=now)
            if is_there:
                self._next_of(sent.alert.id)
            return done
        self.failures += 1
        self.failed_total += 1
        self.last_error, self.last_error_at = answer.error, now
        self._resume_at = now + max(retry_after_s(self.failures, chance), answer.after_s)
        if not is_there or not line:
            return replace(sent, state=Receipt.DEAD, error=answer.error, changed_at=now)
        if not answer.again or now - sent.queued_at >= self.channel.give_up_s:
            line[0] = sent
            return self._bury(sent.alert.id, 0, answer.error, now)
        due = now + max(retry_after_s(sent.attempts, chance), answer.after_s)
        failed = replace(sent, state=Receipt.FAILED, error=answer.error, changed_at=now, due=due)
        line[0] = failed
        self._offer(failed)
        return failed

    def _room(self) -> int:
        return 1 if self.failures else self.channel.concurrency

    def _offer(self, head: Delivery) -> None:
        self._order += 1
        heappush(self._ready, (head.due, self._order, head.alert.id))
        if len(self._ready) > 64 + 2 * self._waiting:
            self._ready = [
                each
                for each in self._ready
                if (line := self._by_alert.get(each[2])) and line[0].due == each[0]
            ]
            heapify(self._ready)

    def _next_of(self, alert: str, place: int = 0) -> Delivery:
        """Take one out of its line, and offer the one behind it if it was the first."""
        line = self._by_alert[alert]
        gone = line[place]
        del line[place]
        self._waiting -= 1
        if not line:
            del self._by_alert[alert]
        elif place == 0:
            self._offer(line[0])
        return gone

    def _bury(self, alert: str, place: int, error: str, now: float) -> Delivery:
        self.dead_total += 1
        gone = self._next_of(alert, place)
        return replace(gone, state=Receipt.DEAD, error=error, changed_at=now)

    def _oldest(self) -> tuple[str, int]:
        """Alert and place in its line of the first that is not in flight, of the alert seen first.
        There is one: fewer are in flight than may wait.
        """
        return next(
            (alert, int(alert in self._in_flight))
            for alert, line in self._by_alert.items()
            if len(line) > (alert in self._in_flight)
        )
