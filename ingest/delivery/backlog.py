"""What waits for one channel, and what may be sent next."""

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import islice

from msgspec.structs import replace

from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.haste import Haste
from tocsin.ingest.delivery.plan import begins_to_ring
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt, retry_after_s
from tocsin.ingest.rules.rule import Severity

FAILS_AFTER = 3
"""Attempts that fail in a row before people are told that the channel fails."""


class Backlog:
    """Owns the deliveries of a channel that are not over, and how the channel is doing.

    Pure: `now` and `chance` are arguments. Transitions of one alert, or of one group of the
    channel, stand in a line: they go out in order, and no two parcels of a line at a time.

        alone     a-1 | a-2        b-1           each a request
        together  a-1 b-1 a-2 | c-1 b-2          up to `channel.together` a request

    A line of a group is due `group_wait_s` after its first came, and `group_interval_s` after the
    group was last told; one in which a critical alert begins to ring is due at once, as far as
    `Haste` allows. After a failure one attempt at a time is made, with growing pauses, until
    one succeeds. Of too many the oldest go (policy: drop_oldest), and are dead.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._waiting: dict[str, Delivery] = {}  # by key
        self._lines: dict[str, deque[str]] = {}  # keys, by alert or group
        self._ready: list[tuple[float, int, str]] = []  # due, order of coming, line
        self._order = 0
        self._in_flight: dict[str, int] = {}  # by line, how many of its first
        self._told_at: dict[str, float] = {}  # by group
        self._urgent: dict[str, set[str]] = {}  # keys of what is to be told at once, by group
        self._haste = Haste()
        self._together = channel.together
        self._resume_at = float("-inf")
        self.failures = 0
        """Attempts that failed since the last success."""
        self.confirmed_total = self.failed_total = self.dead_total = self.dropped_total = 0
        self.last_error: str | None = None
        self.last_error_at: float | None = None
        self.last_success_at: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Attempts that run."""
        return len(self._in_flight)

    @property
    def is_failing(self) -> bool:
        return self.failures >= FAILS_AFTER

    def find(self, delivery: Delivery) -> Delivery | None:
        """The one of this alert and revision as it stands now, if it waits or is in flight."""
        return self._waiting.get(delivery.key)

    def add(self, delivery: Delivery) -> list[Delivery]:
        """One more waits. Those that had to go for it, dead."""
        group = self.channel.group_of(delivery.alert)
        urgent = group is not None and is_urgent(delivery)
        if group is not None and urgent:
            self._urgent.setdefault(group, set()).add(delivery.key)
            delivery = replace(delivery, due=max(delivery.due, self._haste.earliest(group)))
        elif group is not None and delivery.state is Receipt.QUEUED:
            due = max(delivery.due, delivery.queued_at + self.channel.group_wait_s)
            if line := self._lines.get(group):
                due = max(due, self._waiting[line[0]].due)
            delivery = replace(delivery, due=due)
        name = delivery.alert.id if group is None else group
        line = self._lines.setdefault(name, deque())
        line.append(delivery.key)
        self._waiting[delivery.key] = delivery
        if len(line) == 1 or (urgent and self._waiting[line[0]].due > delivery.due):
            self._offer(name)
        dropped: list[Delivery] = []
        while len(self._waiting) > self.channel.backlog:
            name, place = self._oldest()
            reason = f"dropped: more than {self.channel.backlog} were waiting"
            self.dropped_total += 1
            dropped.append(self._bury(name, place, reason, delivery.queued_at))
        return dropped

    def take_due(self, now: float) -> Parcel | None:
        """The next to send now, as sent; None when nothing may be sent yet."""
        if now < self._resume_at or len(self._in_flight) >= self._room():
            return None
        while self._ready and self._ready[0][0] <= now:
            due, _, name = heappop(self._ready)
            line = self._lines.get(name)
            if not line or name in self._in_flight or self._waiting[line[0]].due != due:
                continue  # it was dropped, or is there under a later time
            sent: list[Delivery] = []
            for key in islice(line, self._together):
                was = self._waiting[key]
                sent.append(
                    replace(was, state=Receipt.SENT, attempts=was.attempts + 1, changed_at=now)
                )
                self._waiting[key] = sent[-1]
            self._in_flight[name] = len(sent)
            group = self.channel.group_of(self._waiting[line[0]].alert)
            if group in self._urgent:
                self._haste.note(group, now)
            return Parcel(tuple(sent), group)
        return None

    def next_due(self) -> float | None:
        """When `take_due` may give one, if nothing is added or settled before."""
        if not self._ready or len(self._in_flight) >= self._room():
            return None
        return max(self._ready[0][0], self._resume_at)

    def settle(self, sent: Parcel, answer: Answer, now: float, chance: float) -> list[Delivery]:
        """What became of a parcel that `take_due` gave: how its deliveries stand now."""
        name = sent.deliveries[0].alert.id if sent.group is None else sent.group
        del self._in_flight[name]
        if answer.error is None:
            return self._confirm(name, sent, answer, now)
        self.failed_total += 1
        self.last_error, self.last_error_at = answer.error, now
        if not answer.again and len(sent.deliveries) > 1:
            # One of them may be what is refused, or they are too many: half of them, at once.
            self._together = len(sent.deliveries) // 2
            return self._try_again(name, sent, answer.error, now, now)
        self.failures += 1
        self._resume_at = now + max(retry_after_s(self.failures, chance), answer.after_s)
        if not answer.again:
            return [self._bury(name, 0, answer.error, now)]
        due = now + max(retry_after_s(sent.attempts, chance), answer.after_s)
        return self._try_again(name, sent, answer.error, now, due)

    def _confirm(self, name: str, sent: Parcel, answer: Answer, now: float) -> list[Delivery]:
        self.failures = 0
        self._resume_at = float("-inf")
        self.confirmed_total += len(sent.deliveries)
        self.last_success_at = now
        if sent.group is not None and len(sent.deliveries) < self._together:
            self._note_told(name, now)  # else what is left has waited already
        self._together = min(2 * self._together, self.channel.together)
        done = [
            replace(each, state=answer.state, error=None, changed_at=now)
            for each in sent.deliveries
        ]
        for _ in done:
            self._remove(name, 0)
        self._go_on(name)
        return done

    def _try_again(
        self, name: str, sent: Parcel, error: str, now: float, due: float
    ) -> list[Delivery]:
        """All of a parcel wait again until `due`, but those that have for too long."""
        settled: list[Delivery] = []
        place = 0
        for each in sent.deliveries:
            if now - each.queued_at >= self.channel.give_up_s:
                settled.append(self._bury(name, place, error, now, go_on=False))
                continue
            failed = replace(each, state=Receipt.FAILED, error=error, changed_at=now, due=due)
            self._waiting[each.key] = failed
            settled.append(failed)
            place += 1
        self._go_on(name)
        return settled

    def _note_told(self, group: str, now: float) -> None:
        self._told_at[group] = now
        if len(self._told_at) > 1000:  # groups that nobody asks about any more
            since = now - self.channel.group_interval_s
            self._told_at = {each: at for each, at in self._told_at.items() if at > since}

    def _room(self) -> int:
        return 1 if self.failures else self.channel.concurrency

    def _offer(self, name: str) -> None:
        """The first of a line is due at its time, in a group not before the group's, unless
        something in it is urgent: then all that wait go with that, in order."""
        head = self._waiting[self._lines[name][0]]
        if (urgent := self._urgent.get(name)) and head.state is Receipt.QUEUED:
            due = min(self._waiting[key].due for key in urgent)
            due = max(due, self._haste.earliest(name))
            for key in self._lines[name]:
                if (each := self._waiting[key]).state is Receipt.QUEUED:
                    self._waiting[key] = replace(each, due=due)
            head = self._waiting[head.key]
        elif (told_at := self._told_at.get(name)) is not None and head.state is Receipt.QUEUED:
            due = max(head.due, told_at + self.channel.group_interval_s)
            head = self._waiting[head.key] = replace(head, due=due)
        self._order += 1
        heappush(self._ready, (head.due, self._order, name))
        if len(self._ready) > 64 + 2 * len(self._waiting):
            self._ready = [
                each
                for each in self._ready
                if (line := self._lines.get(each[2])) and self._waiting[line[0]].due == each[0]
            ]
            heapify(self._ready)

    def _go_on(self, name: str) -> None:
        if name in self._lines:
            self._offer(name)

    def _remove(self, name: str, place: int) -> Delivery:
        """Take one out of its line."""
        line = self._lines[name]
        gone = self._waiting.pop(line[place])
        if urgent := self._urgent.get(name):
            urgent.discard(gone.key)
            if not urgent:
                del self._urgent[name]
        del line[place]
        if not line:
            del self._lines[name]
        return gone

    def _bury(
        self, name: str, place: int, error: str, now: float, *, go_on: bool = True
    ) -> Delivery:
        self.dead_total += 1
        gone = self._remove(name, place)
        if go_on and place == 0:
            self._go_on(name)
        return replace(gone, state=Receipt.DEAD, error=error, changed_at=now)

    def _oldest(self) -> tuple[str, int]:
        """Line, and place in it, of the first that is not in flight, of the line that is there
        longest. There is one: fewer are in flight than may wait.
        """
        return next(
            (name, flying)
            for name, line in self._lines.items()
            if len(line) > (flying := self._in_flight.get(name, 0))
        )


def is_urgent(delivery: Delivery) -> bool:
    """Whether it waits for no others: a critical alert begins to ring."""
    critical = delivery.alert.severity == Severity.CRITICAL
    return critical and delivery.state is Receipt.QUEUED and begins_to_ring(delivery.alert)
