"""What a connection sends to its client: resumed packets, its queue, retained messages."""

from collections import deque
from collections.abc import Iterable, Iterator
from math import ceil

from tocsin.broker.clients import Client
from tocsin.broker.codec import PUBREL, ack
from tocsin.broker.facts import Queued
from tocsin.broker.fields import VARIABLE_MAX
from tocsin.broker.outbound import FIRST_LOOSE_ID
from tocsin.broker.outgoing import Outgoing
from tocsin.broker.packets import LEVEL_5
from tocsin.broker.properties import Properties
from tocsin.broker.stream import Stream
from tocsin.broker.subscriptions import Grant
from tocsin.broker.surroundings import Surroundings


class Delivery(Stream):
    """Owns what is still to be sent beside the session's queue, each as the write buffer allows.

    First comes what a resumed session sends again, then the queue; retained messages for a new
    subscription follow whenever the queue is empty.
    """

    __slots__ = (
        "_alias_limit",
        "_aliases",
        "_around",
        "_packet_limit",
        "_queueing",
        "_releases",
        "_replay",
        "_replaying",
        "client",
        "five",
    )

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.outbox, around.settings.write_buffer_bytes)
        self._around = around
        # Ids whose PUBREL a resumed session sends first.
        self._releases: deque[int] | None = None
        # Topics whose retained message is still to be sent, with what was granted.
        self._replay: deque[tuple[Iterator[str], Grant]] | None = None
        self._replaying = 0
        self._queueing = False
        # The first topics sent get the aliases that the client allows, for the connection's life.
        self._aliases: dict[str, int] | None = None
        self._alias_limit = 0
        self._packet_limit = VARIABLE_MAX + 5
        self.five = False
        """The client speaks MQTT 5."""
        self.client: Client | None = None
        """None until its CONNECT is accepted."""

    def agree(self, level: int, properties: Properties) -> None:
        """Takes over what the client's CONNECT says of packets to it."""
        self.five = level == LEVEL_5
        self._packet_limit = properties.maximum_packet_bytes or self._packet_limit
        wanted = properties.topic_alias_maximum or 0
        self._alias_limit = min(wanted, self._around.settings.topic_aliases)

    def hit(self, limit: str) -> None:
        """Counts that this connection came to the limit with that name."""
        if self.client is not None:
            self.client.hit(limit)
        else:
            self._around.clients.hits.add(limit)

    def resume(self, client: Client) -> None:
        """The session of `client` goes on here."""
        self.client = client
        self._releases = deque(client.session.resume()) or None
        self.continue_sending()

    def replay(self, replays: Iterable[tuple[list[str], Grant]]) -> None:
        """Sends the retained messages of these topics, each as the grant beside them says."""
        for topics, grant in replays:
            self._replaying += len(topics)
            if self._replay is None:
                self._replay = deque()
            self._replay.append((iter(topics), grant))
        self.continue_sending()

    def continue_sending(self) -> None:
        """Sends what waits, as far as the session's window and the write buffer allow."""
        client = self.client
        if client is None or self.closed:
            return
        session = client.session
        while True:
            if self._room <= 0:
                self.stalled = True
                return
            if self._releases:
                self.send(ack(PUBREL, self._releases.popleft()))
                continue
            due = session.sendable()
            if due is not None:
                packet_id, message, dup = due
                if not self._publish(client, message, packet_id, dup):
                    session.abandon(packet_id)
                    self.delivered(client, packet_id)
            elif not self._replay or session.waiting or not self._replay_next(client):
                return

    def send_now(self, message: Outgoing) -> None:
        """Sends a QoS 0 message, or drops it for want of room."""
        if self.client is not None:
            if self._room - message.size < 0:
                # What was written at the start of this turn may have left since.
                self.flush()
            if self._room - message.size < 0:
                self.client.drop("write buffer full")
                self.client.hit("write_buffer_bytes")
            else:
                self._publish(self.client, message, 0)

    def _publish(
        self, client: Client, message: Outgoing, packet_id: int, dup: bool = False
    ) -> bool:
        """Sends one PUBLISH. False: it has expired, or is larger than the client takes."""
        expiry_s: int | None = None
        if message.expires_at is not None:
            left = message.expires_at - self._around.clock()
            if left <= 0 and not dup:  # [MQTT-3.3.2-5] What was begun is completed.
                client.drop("expired")
                return False
            expiry_s = max(0, ceil(left))
        if not self.five:
            self.send_parts(message.packet(packet_id, dup), message.size)
        else:
            alias, named = self._alias(message.topic) if self._alias_limit else (0, True)
            packet = message.packet5(packet_id, dup, expiry_s, alias, named)
            if len(packet) > self._packet_limit:  # [MQTT-3.1.2-24] [MQTT-3.1.2-25]
                client.drop("packet too large for the client")
                return False
            if alias and named and self._aliases is not None:
                self._aliases[message.topic] = alias
            self.send(packet)
        client.messages_sent += 1
        return True

    def _alias(self, topic: str) -> tuple[int, bool]:
        """The alias of `topic`, 0: none; and whether the topic has to be sent too."""
        if self._aliases is None:
            self._aliases = {}
        alias = self._aliases.get(topic)
        if alias is not None:
            return alias, False
        free = len(self._aliases) < self._alias_limit
        return len(self._aliases) + 1 if free else 0, True

    def delivered(self, client: Client, packet_id: int) -> None:
        """A delivery is over: its id is free when that is in the journal, if it is kept there."""
        if client.durable and packet_id < FIRST_LOOSE_ID:
            self._around.intake.answers.delivered(client.id, packet_id)
            self._around.intake.answered()
        else:
            client.session.finish(packet_id)

    def _replay_next(self, client: Client) -> bool:
        """Sends or queues the next retained messages as they are now. False: none now."""
        queued: list[Outgoing] = []
        if self._queueing:
            return False
        while (message := self._next_retained()) is not None:
            if not message.qos:
                self._publish(client, message, 0)
                if not queued:
                    return True
                break
            if not client.durable:
                client.session.offer(message)
                return True
            queued.append(message)
            if len(queued) >= self._around.settings.in_flight:
                break
        if queued:
            self._queue(client, queued)
        return False

    def _queue(self, client: Client, messages: list[Outgoing]) -> None:
        """Queues retained messages for a kept session: there when the journal has them."""
        self._queueing = True
        fact = Queued(
            client.id,
            [
                (e.topic, e.payload, e.qos, e.properties, e.expires_at, e.subscription_ids)
                for e in messages
            ],
        )

        def then(stored: bool, _: bool) -> None:
            self._queueing = False
            if not stored:
                client.drop("not stored")
            self.continue_sending()

        self._around.intake.record(fact, then)

    def _next_retained(self) -> Outgoing | None:
        replay = self._replay
        while replay:
            topics, grant = replay[0]
            for topic in topics:
                self._replaying -= 1
                kept = self._around.router.retained.get(topic)
                if kept is not None:
                    # [MQTT-3.3.1-8] RETAIN is set for a new subscription only.
                    return Outgoing(
                        topic, kept.payload, min(grant.qos, kept.qos), True, kept.properties,
                        kept.expires_at, grant.subscription_ids,
                    )  # fmt: skip
            replay.popleft()
        self._replay = None
        return None
