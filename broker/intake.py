"""What clients publish, from the loop turn it arrives in to the commit that lets its acks go.

All PUBLISHes of one loop turn, over all connections, and the facts that sessions depend on, in
their places between them, are one batch and one call of the sink.
Batches settle in the order in which they were submitted, whatever order the sink finishes
them in, so per client the order of the journal is the order to subscribers and of acks.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from tocsin.broker.answers import Answers
from tocsin.broker.batch import Batch, Pending, Receipt, Then
from tocsin.broker.clients import Client
from tocsin.broker.codec import PUBREC, ack
from tocsin.broker.facts import Delivered, Expired, Fact, Left, Parted, Restarted, to_record
from tocsin.broker.fold import Fold
from tocsin.broker.stream import Hold, Outbox
from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.message import Message

if TYPE_CHECKING:
    from tocsin.broker.connection import Connection

Sink = Callable[[Sequence[Message | BrokerFact], float], Awaitable[object]]
"""Records, and when they came → done when they are stored; an int: their place in the journal."""

HOLD_ANYWAY = (Left, Expired, Parted, Delivered, Restarted)
"""Facts that take effect also if they cannot be stored: what is lost with them costs a repeated
delivery at QoS 1, or a session kept for longer."""

MOST_MESSAGES = 1_024
"""What one loop turn takes of all clients: the segments of those that come later wait their turn.
"""
MOST_WAITING = 4_096
"""Messages that may wait for room in the sink: behind them the rest of all clients stays in their
sockets, and is TCP's to hold back."""
MOST_SHARES = 16
"""What it gives to clients that sent much, also where these are no messages: a millisecond's work.
"""

# What a message costs in memory besides its bytes on the wire: the objects that hold it.
MESSAGE_OVERHEAD_BYTES = 200
ANSWER_BYTES = 100


class Intake:
    """Owns the batch that gathers, the batches awaiting their commit, and the pause of reading.

    `messages` is appended to by connections; they call `gathered` after each segment.
    `on_failure` hears of the first batch that the sink fails after one that it stored. `room` says
    how many more messages the sink can take in soon: without room, connections that sent much rest.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Callable[[], float],
        fold: Fold,
        outbox: Outbox,
        uncommitted_bytes: int,
        on_failure: Callable[[BaseException], None],
        room: Callable[[], int] = lambda: MOST_MESSAGES,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._fold = fold
        self._router = fold.router
        self._outbox = outbox
        self._limit = uncommitted_bytes
        self._on_failure = on_failure
        self._room = room
        self._scheduled = False
        self._settling = False
        self.failing = False
        """The sink could not store the newest batch it is done with."""
        self._resting: deque[Connection] = deque()
        self._routed = 0
        self._size = 0
        self._wills = False
        self._pending: deque[Batch] = deque()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self.messages: list[Message] = []
        self.answers = Answers()
        self._facts: list[Pending] = []
        self.acking: list[Connection] = []
        self.receipts: list[Receipt] = []
        self.publishers: set[Connection] = set()
        """Connections that have published: those a pause holds."""
        self.sequence = 0
        """Messages submitted so far: the place of the next one in the order of arrival."""
        self.uncommitted = 0
        """Bytes gathered or with the sink, objects included."""
        self.paused = False
        self.pauses = 0
        self.not_stored = 0
        self.not_retained = 0

    def take_will(self, will: Message) -> None:
        """A connection ended without DISCONNECT: its will joins the batch that gathers."""
        self.messages.append(will)
        self._wills = True
        self.gathered(1, len(will.payload))

    def record(
        self,
        fact: Fact,
        then: Then | None = None,
        *,
        guest: Client | None = None,
        applied: bool = False,
    ) -> None:
        """Puts a fact behind what gathered. In its turn, when it is stored, it is applied.

        `then` is called after that, or when it is known that it is not stored.
        """
        if self.answers:
            # They were before it.
            self.answers.flush(self._record_answers)
        record = to_record(fact)
        place = len(self.messages)
        self._facts.append(Pending(place, fact, record, then, guest, applied))
        self.gathered(1, len(record.body))

    def after(self, then: Then) -> None:
        """Calls `then` when all that gathered so far is stored, or is known not to be."""
        if self.answers:
            self.answers.flush(self._record_answers)
        if not (self.messages or self._facts or self._pending):
            then(True, False)
            return
        self._facts.append(Pending(len(self.messages), None, None, then, None, True))
        self._schedule()

    def _record_answers(self, fact: Fact, then: Callable[[bool], None] | None) -> None:
        self.record(fact, None if then is None else lambda stored, _: then(stored))

    def answered(self) -> None:
        """Something was added to `answers`."""
        self.gathered(0, ANSWER_BYTES)

    def gathered(self, messages: int, wire_bytes: int) -> None:
        """Messages or acks due were added: they leave at the end of this loop turn."""
        size = wire_bytes + MESSAGE_OVERHEAD_BYTES * messages
        self._size += size
        self.uncommitted += size
        self._schedule()
        if self.uncommitted > self._limit and not self.paused:
            self.paused = True
            self.pauses += 1
            self._fold.clients.hits.add("uncommitted_bytes")
            for connection in self.publishers:
                connection.hold(Hold.COMMIT)

    def rest(self, connection: "Connection") -> None:
        """The connection sent much: it is read again when those before it had their turn."""
        connection.hold(Hold.TURN)
        self._resting.append(connection)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self.submit()
        self._outbox.flush()
        if self._resting:
            self._serve_resting()

    def _serve_resting(self) -> None:
        """Shares for the connections that rest, in turn, while the sink has room for them."""
        most = min(self._room(), MOST_MESSAGES)
        for _ in range(MOST_SHARES):
            if not self._resting or len(self.messages) >= most:
                break
            self._resting.popleft().rested()
        if self._resting:
            self._schedule()

    @property
    def full(self) -> bool:
        """This turn has read enough, or so much waits that nobody's turn is now."""
        return len(self.messages) >= MOST_MESSAGES or self._room() <= -MOST_WAITING

    def route_gathered(self) -> None:
        """Delivers QoS 0 of the gathering batch: at its end, and before subscriptions change."""
        messages = self.messages
        router = self._router
        while self._routed < len(messages):
            message = messages[self._routed]
            self._routed += 1
            if message.qos == 0:
                if message.retain:
                    self._retain(message, self.sequence + self._routed - 1)
                router.route(message)

    def _retain(self, message: Message, sequence: int, at: float | None = None) -> None:
        kept = self._router.retain(message, sequence, at)
        if not kept:
            self.not_retained += 1
            limit, clients = self._router.retained.full, self._fold.clients
            client = clients.get(message.client)
            clients.hits.add(limit) if client is None else client.hit(limit)

    def submit(self) -> None:
        """Hands what gathered to the sink: at the end of a turn, and before a connection ends."""
        self.route_gathered()
        if self.answers:
            self.answers.flush(self._record_answers)
        messages = self.messages
        if not (messages or self.acking or self.receipts or self._facts):
            return
        acks = [(connection, *connection.take_acks()) for connection in self.acking]
        at = self._clock()
        facts: Sequence[Pending] = ()
        if self._facts:
            facts, self._facts = self._facts, []
        batch = Batch(
            messages, self.sequence, acks, self.receipts, facts, self._wills, self._size, at
        )
        self.sequence += len(messages)
        self._routed = 0
        self._size = 0
        self._wills = False
        self.messages = []
        self.acking = []
        self.receipts = []
        self._pending.append(batch)
        self._idle.clear()
        records: Sequence[Message | BrokerFact] = batch.records() if facts else messages
        if not records:
            batch.stored = True
            self._settle()
            return
        try:
            stored = self._sink(records, at)
            future: asyncio.Future[object] = asyncio.ensure_future(stored)
        except Exception as error:
            self._fail(batch, error)
            self._settle()
            return
        if future.done():
            self._finish(batch, future)
        else:
            future.add_done_callback(lambda done: self._finish(batch, done))

    def _finish(self, batch: Batch, future: asyncio.Future[object]) -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is None:
            batch.stored = True
            position = future.result()
            batch.position = position if isinstance(position, int) else 0
            self.failing = False
        else:
            self._fail(batch, error)
        self._settle()
        self._outbox.flush()

    def _fail(self, batch: Batch, error: BaseException) -> None:
        batch.stored = False
        self.not_stored += len(batch.messages)
        if not self.failing:
            self.failing = True
            self._on_failure(error)

    def _settle(self) -> None:
        """Settles the batches that are done and have none before them that is not."""
        if self._settling:
            return
        self._settling = True
        try:
            while self._pending and self._pending[0].stored is not None:
                batch = self._pending.popleft()
                self.uncommitted -= batch.size
                if batch.stored:
                    self._release(batch)
                else:
                    self._refuse(batch)
                self._router.retained.settle(batch.first_sequence + len(batch.messages))
        finally:
            self._settling = False
        if not self._pending:
            self._idle.set()
        if self.paused and self.uncommitted < self._limit // 2:
            self.paused = False
            for connection in self.publishers:
                connection.committed()

    def _release(self, batch: Batch) -> None:
        """The batch is stored: subscribers get their messages, publishers their acks."""
        if batch.facts:
            taken = 0
            for pending in batch.facts:
                self._hand_out(batch, taken, pending.before)
                taken = pending.before
                self._apply(pending, batch.at, stored=True)
            self._hand_out(batch, taken, len(batch.messages))
        elif batch.acks or batch.receipts or batch.wills:
            self._hand_out(batch, 0, len(batch.messages))
        if batch.position:
            facts = sum(each.fact is not None for each in batch.facts)
            self._fold.passed(batch.position, len(batch.messages) + facts, batch.at)
        for connection, acks, count in batch.acks:
            connection.unacked -= count
            if not connection.closed:
                connection.send(acks)
        for receipt in batch.receipts:
            if receipt.fresh:
                receipt.session.keep(receipt.packet_id)
            if receipt.connection.closed:
                continue
            if receipt.refused is not None:
                receipt.connection.send_refused(receipt.packet_id, receipt.refused)
            elif receipt.session.is_kept(receipt.packet_id):
                receipt.connection.send(ack(PUBREC, receipt.packet_id))
            else:
                receipt.connection.not_stored()

    def _hand_out(self, batch: Batch, start: int, end: int) -> None:
        take = self._fold.take
        sequence = batch.first_sequence + start
        for message in batch.messages[start:end]:
            if message.qos:
                if message.retain:
                    self._retain(message, sequence, batch.at)
                take(message, batch.at)
            sequence += 1

    def _apply(self, pending: Pending, at: float, *, stored: bool) -> None:
        result = False
        fact = pending.fact
        if fact is not None and not pending.applied and (stored or isinstance(fact, HOLD_ANYWAY)):
            result = self._fold.apply(fact, at, pending.guest)
        if pending.then is not None:
            pending.then(stored, result)

    def _refuse(self, batch: Batch) -> None:
        """The batch is not stored: no ack leaves, and who waits for one shall try again."""
        for pending in batch.facts:
            self._apply(pending, batch.at, stored=False)
        for receipt in batch.receipts:
            if receipt.fresh:
                receipt.session.forget(receipt.packet_id)
        waiting = {connection for connection, _, _ in batch.acks}
        waiting |= {receipt.connection for receipt in batch.receipts}
        for connection in waiting:
            connection.not_stored()

    async def settled(self, timeout_s: float) -> None:
        """Submits what gathered and waits until nothing is pending, at most `timeout_s`."""
        self.submit()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return
