"""What a connection sends to its client: resumed packets, its queue, retained messages."""

from collections import deque
from collections.abc import Iterable, Iterator

from tocsin.broker.clients import Client
from tocsin.broker.codec import publish_head
from tocsin.broker.session import Outgoing
from tocsin.broker.stream import Stream
from tocsin.broker.surroundings import Surroundings


class Delivery(Stream):
    """Owns what is still to be sent beside the session's queue, each as the write buffer allows.

    First comes what a resumed session sends again, then the queue; retained messages for a new
    subscription follow whenever the queue is empty.
    """

    __slots__ = ("_around", "_replay", "_replaying", "_resuming", "client")

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.outbox, around.settings.write_buffer_bytes)
        self._around = around
        self._resuming: Iterator[bytes] | None = None
        # Topics whose retained message is still to be sent, with the granted QoS.
        self._replay: deque[tuple[Iterator[str], int]] | None = None
        self._replaying = 0
        self.client: Client | None = None
        """None until its CONNECT is accepted."""

    def resume(self, client: Client) -> None:
        """The session of `client` goes on here."""
        self.client = client
        if client.session.in_flight:
            self._resuming = client.session.resume()
        self.continue_sending()

    def replay(self, replays: Iterable[tuple[list[str], int]]) -> None:
        """Sends the retained messages of these topics, each at most at the QoS beside them."""
        for topics, granted in replays:
            self._replaying += len(topics)
            if self._replay is None:
                self._replay = deque()
            self._replay.append((iter(topics), granted))
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
            if self._resuming is not None:
                packet = next(self._resuming, None)
                if packet is None:
                    self._resuming = None
                else:
                    self.send(packet)
                    client.messages_sent += 1
                continue
            due = session.sendable()
            if due is not None:
                packet_id, message = due
                self.send_parts(message.packet(packet_id), message.size)
                client.messages_sent += 1
            elif not self._replay or session.waiting or not self._replay_next(client):
                return

    def _replay_next(self, client: Client) -> bool:
        """Sends or queues one retained message as it is now. False: no more."""
        replay = self._replay
        while replay:
            topics, granted = replay[0]
            for topic in topics:
                self._replaying -= 1
                message = self._around.router.retained.get(topic)
                if message is None:
                    continue
                qos = min(granted, message.qos)
                # [MQTT-3.3.1-8] RETAIN is set for a new subscription only.
                if qos:
                    client.session.offer(Outgoing(topic, message.payload, qos, retain=True))
                else:
                    head = publish_head(topic, len(message.payload), 0, retain=True)
                    self.send(head + message.payload)
                    client.messages_sent += 1
                return True
            replay.popleft()
        self._replay = None
        return False
