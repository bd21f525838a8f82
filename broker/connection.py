"""One client's connection: packets in, what the protocol says about each, packets out."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from tocsin.broker.access import AccessControl, Permit
from tocsin.broker.clients import Client
from tocsin.broker.codec import (
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREL,
    ack,
    decode_topic,
    encode,
    publish_head,
)
from tocsin.broker.deadlines import Deadlines
from tocsin.broker.decoder import Decoder, RefusedPublish
from tocsin.broker.intake import Intake, Receipt
from tocsin.broker.packets import (
    SUBSCRIBE_REFUSED,
    Connack,
    Connect,
    ConnectCode,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    Will,
)
from tocsin.broker.refusals import Refusals
from tocsin.broker.router import Router
from tocsin.broker.session import Arrival, Outgoing
from tocsin.broker.settings import Settings
from tocsin.broker.stream import Hold, Outbox, Stream
from tocsin.devices.message import Message

CLEAN = "clean"
CONNECTION_LOST = "connection lost"
KEEPALIVE = "keepalive"
TAKEN_OVER = "taken over"
STOPPING = "server stopping"

# A segment this long is a client's share of a loop turn: the others come before its next one.
TURN_BYTES = 65_536


@dataclass(slots=True)
class Surroundings:
    """What all connections of a broker share, and what they tell it."""

    settings: Settings
    access: AccessControl
    outbox: Outbox
    intake: Intake
    router: Router
    refusals: Refusals
    deadlines: Deadlines["Connection"]
    login: Callable[["Connection", Connect], Coroutine[Any, Any, None]]
    """Answers a CONNECT: by `accept` or `refuse`."""
    ended: Callable[["Connection", str], None]
    """The connection is over, and why. Called once, if it had opened."""
    lost: Callable[["Connection"], None]
    """Its socket is gone."""
    refresh_system: Callable[[], None]
    """Somebody subscribes to `$SYS/…`: its values are to be new."""
    connections: "set[Connection]"
    bytes_received: int = 0


class Connection(Stream):
    """Owns one client's dialogue from its first byte to the end of its socket."""

    __slots__ = (
        "_acks",
        "_around",
        "_decoder",
        "_keepalive_s",
        "_login",
        "_overrun",
        "_permit",
        "_publishing",
        "_replay",
        "_replaying",
        "_seen",
        "client",
        "will",
    )

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around.outbox, around.settings.write_buffer_bytes)
        self._around = around
        self._decoder = Decoder(around.settings.connect_packet_bytes)
        self._permit: Permit | None = None
        self._login: asyncio.Task[None] | None = None
        self._acks: bytearray | None = None
        self._keepalive_s = 0.0
        self._seen = 0.0
        self._publishing = False
        self._overrun = False
        # Topics whose retained message is still to be sent, with the granted QoS.
        self._replay: deque[tuple[Iterator[str], int]] | None = None
        self._replaying = 0
        self.client: Client | None = None
        """None until its CONNECT is accepted."""
        self.will: Will | None = None

    # -- the socket ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        around = self._around
        around.connections.add(self)
        self._seen = monotonic()
        # With keep alive 0 only the kernel finds out that a peer is gone.
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        limit = around.settings.connections
        if len(around.connections) > limit:
            self.close(f"too many connections: {limit} are open", cut=True)
            return
        around.deadlines.set(self, self._seen + around.settings.connect_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Hot path: everything a loop turn brings for this client, often many packets."""
        if self.closed:
            return
        around = self._around
        around.bytes_received += len(data)
        decoder = self._decoder
        packets = decoder.feed(data)
        if packets:
            self._seen = monotonic()
            self._take(packets, len(data))
            if (decoder.more or len(data) >= TURN_BYTES) and not self.closed:
                around.intake.rest(self)
        if decoder.error is not None and not self.closed:
            error = decoder.error
            self.close(f"malformed packet: {error}", answer=error.answer)

    def rested(self) -> None:
        """It is this client's turn again."""
        if self._decoder.more and not self.holds & Hold.COMMIT:
            self.data_received(b"")
        if not self._decoder.more:
            self.release(Hold.TURN)

    def committed(self) -> None:
        """The sink is no longer behind."""
        self.release(Hold.COMMIT)
        if self._decoder.more:
            self._around.intake.rest(self)

    def _take(self, packets: list[Packet | Message | RefusedPublish], wire_bytes: int) -> None:
        intake = self._around.intake
        gathering = intake.messages
        published = 0
        for packet in packets:
            if type(packet) is Message:
                published += 1
                qos = packet.qos
                if qos == 0:
                    gathering.append(packet)
                elif qos == 1:
                    gathering.append(packet)
                    acks = self._acks
                    if acks is None:
                        acks = self._acks = bytearray()
                        intake.acking.append(self)
                    acks += ack(PUBACK, packet.packet_id)
                elif not self._receive_once(packet):
                    published -= 1
            else:
                self._handle(packet)
                if self.closed:
                    break
                # Another connection may have ended meanwhile, and with it the batch.
                gathering = intake.messages
        if published or self._acks:
            self._published(published, wire_bytes)

    def _handle(self, packet: Packet | Message | RefusedPublish) -> None:
        match packet:
            case Puback():
                if self._opened().session.acknowledge(packet.packet_id):
                    self.continue_sending()
            case Pubrec():
                self._opened().session.received(packet.packet_id)
                # [MQTT-4.3.3-1] Also for an id we do not know, so that the client can let go.
                self.send(ack(PUBREL, packet.packet_id))
            case Pubcomp():
                if self._opened().session.complete(packet.packet_id):
                    self.continue_sending()
            case Pubrel():
                self._opened().session.release(packet.packet_id)
                # [MQTT-4.3.3-2] Also for an id we do not know: our PUBCOMP may have been lost.
                self.send(ack(PUBCOMP, packet.packet_id))
            case RefusedPublish():
                self._refused_publish(packet)
            case Pingreq():
                self.send(PINGRESP)  # [MQTT-3.12.4-1]
            case Connect():
                self._connect(packet)
            case Disconnect():
                self.will = None  # [MQTT-3.14.4-3]
                self.close(CLEAN)
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                self._unsubscribe(packet)
            case _:
                self.close(f"malformed packet: {type(packet).__name__} is for servers to send")

    def _published(self, messages: int, wire_bytes: int) -> None:
        intake = self._around.intake
        if self.client is not None:
            self.client.messages_received += messages
        if not self._publishing and not self.closed:
            self._publishing = True
            intake.publishers.add(self)
        intake.gathered(messages, wire_bytes)
        if intake.paused and not self.closed:
            self.hold(Hold.COMMIT)

    def connection_lost(self, exc: Exception | None) -> None:
        around = self._around
        around.deadlines.drop(self)
        around.connections.discard(self)
        self._end(CONNECTION_LOST)
        self._decoder.shut()
        around.lost(self)

    def close(self, reason: str, *, answer: bytes = b"", cut: bool = False) -> None:
        """Ends the connection; `answer` leaves first. `cut`: without waiting for the peer."""
        if self.closed:
            return
        if answer:
            self.send(answer)
        transport = self.transport
        if cut:
            transport.abort()
        else:
            self.flush()
            transport.close()
            if transport.get_write_buffer_size():
                around = self._around
                around.deadlines.set(self, monotonic() + around.settings.linger_s)
        self._end(reason)

    def _end(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        if self._login is not None:
            self._login.cancel()
        self._around.intake.publishers.discard(self)
        self._around.ended(self, reason)

    def overrun(self) -> None:
        """The client does not keep up with its queue. Closes soon: routing is under way."""
        if not self._overrun:
            self._overrun = True
            waiting = self._around.settings.queued_messages
            asyncio.get_running_loop().call_soon(
                lambda: self.close(
                    f"slow subscriber: its queue is full; expected at most {waiting} waiting",
                    cut=True,
                )
            )

    def overdue(self, now: float) -> None:
        """The deadline passed: of CONNECT, of keepalive, or of the last bytes before the close."""
        if self.closed:
            self.transport.abort()
        elif self.client is None:
            self.close("connect timeout: no CONNECT in time", cut=True)
        elif self.holds:
            # We do not read: the client's silence is ours.
            self._around.deadlines.set(self, now + self._keepalive_s)
        elif now < self._seen + self._keepalive_s:
            self._around.deadlines.set(self, self._seen + self._keepalive_s)
        else:
            self.close(KEEPALIVE, cut=True)  # [MQTT-3.1.2-24]

    def take_acks(self) -> bytes:
        """The PUBACKs that the batch being submitted owes."""
        acks = bytes(self._acks or b"")
        self._acks = None
        return acks

    # -- CONNECT -------------------------------------------------------------------------

    def _connect(self, packet: Connect) -> None:
        # What follows is not read before the answer: it may not be allowed at all.
        self.hold(Hold.LOGIN)
        self._login = asyncio.create_task(self._around.login(self, packet))

    def refuse(self, code: ConnectCode, reason: str) -> None:
        """Answers CONNECT with a code other than 0 and closes [MQTT-3.2.2-5]."""
        self.close(reason, answer=encode(Connack(code)))

    def accept(
        self, client: Client, permit: Permit, packet: Connect, *, session_present: bool
    ) -> None:
        """Answers CONNECT with 0 and resumes the session [MQTT-3.2.0-1] [MQTT-3.2.2-2]."""
        around = self._around
        settings = around.settings
        self.client = client
        self.will = packet.will
        self._permit = permit
        self._seen = monotonic()
        self._keepalive_s = 1.5 * packet.keepalive_s
        if packet.keepalive_s:
            around.deadlines.set(self, self._seen + self._keepalive_s)
        else:
            around.deadlines.drop(self)
        self.send(encode(Connack(ConnectCode.ACCEPTED, session_present)))
        for resumed in client.session.resume():
            client.messages_sent += 1
            self.send(resumed)
        self.continue_sending()
        self._decoder.open(client.id, settings.packet_bytes, permit.topics, self._admit)

    def proceed(self) -> None:
        """The login is done: reads on, beginning with what came behind the CONNECT."""
        self._login = None
        if not self.closed:
            self.release(Hold.LOGIN)
            self.data_received(b"")

    # -- PUBLISH from the client -----------------------------------------------------------

    def _admit(self, name: bytes) -> str | None:
        """The topic with these bytes, if this client may publish to it."""
        topic = decode_topic(name)
        settings = self._around.settings
        if len(name) > settings.topic_bytes or topic.count("/") >= settings.topic_levels:
            return None
        permit = self._permit
        if permit is None or not permit.may_publish(topic):
            return None
        self._around.access.remember(permit, name, topic)
        return topic

    def _refused_publish(self, packet: RefusedPublish) -> None:
        client = self._opened()
        client.messages_received += 1
        client.drop("not allowed")
        topic = packet.topic[:64].decode(errors="replace")
        if packet.qos:
            # [MQTT-3.3.5-2] An ack would be a lie, and 3.1.1 has no negative one.
            self.close(f"not allowed: publish to {topic!r}")
        elif client.dropped and client.dropped["not allowed"] == 1:
            self._around.refusals.add(f"not allowed: publish to {topic!r}", self.address, client.id)

    def _receive_once(self, message: Message) -> bool:
        """A QoS 2 PUBLISH. False: it was received before."""
        intake = self._around.intake
        session = self._opened().session
        kind = session.receive(message.packet_id)
        if kind is Arrival.TOO_MANY:
            self.close(
                f"too many unreleased messages: expected at most {self._around.settings.unreleased}"
            )
            return False
        fresh = kind is Arrival.NEW
        if fresh:
            intake.messages.append(message)
        intake.receipts.append(Receipt(self, session, message.packet_id, fresh))
        if not fresh:
            intake.gathered(0, 0)
        return fresh

    # -- to the client -----------------------------------------------------------------------

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
                if qos:
                    client.session.offer(Outgoing(topic, message.payload, qos, retain=True))
                else:
                    # [MQTT-3.3.1-8] RETAIN is set for a new subscription only.
                    head = publish_head(topic, len(message.payload), 0, retain=True)
                    self.send(head + message.payload)
                    client.messages_sent += 1
                return True
            replay.popleft()
        self._replay = None
        return False

    # -- subscriptions -----------------------------------------------------------------------

    def _subscribe(self, packet: Subscribe) -> None:
        client = self._opened()
        around = self._around
        around.intake.route_gathered()
        subscriptions = client.session.subscriptions
        codes: list[int] = []
        replays: list[tuple[Iterator[str], int]] = []
        for topic_filter, qos in packet.filters:
            why_not = self._why_not(client, topic_filter)
            if why_not:
                around.refusals.add(why_not, self.address, client.id)
                codes.append(SUBSCRIBE_REFUSED)
                continue
            if topic_filter.startswith("$SYS/"):
                around.refresh_system()
            retained = [each.topic for each in around.router.retained.match(topic_filter)]
            around.router.subscriptions.add(topic_filter, client, qos)
            subscriptions[topic_filter] = qos
            codes.append(qos)
            if retained:
                self._replaying += len(retained)
                replays.append((iter(retained), qos))
        self.send(encode(Suback(packet.packet_id, tuple(codes))))  # [MQTT-3.8.4-5]
        if replays:
            self._replay = self._replay or deque()
            self._replay += replays
            self.continue_sending()

    def _why_not(self, client: Client, topic_filter: str) -> str:
        """Why the client may not subscribe to this; empty when it may."""
        settings = self._around.settings
        shown = topic_filter[:64]
        if self._permit is None or not self._permit.may_subscribe(topic_filter):
            return f"not allowed: subscribe to {shown!r}"
        if (
            len(topic_filter.encode()) > settings.topic_bytes
            or topic_filter.count("/") >= settings.topic_levels
        ):
            return f"filter too long: {shown!r}; expected at most {settings.topic_levels} levels"
        present = client.session.subscriptions
        if topic_filter not in present and len(present) >= settings.subscriptions:
            return f"too many subscriptions: expected at most {settings.subscriptions}"
        if self._replaying >= settings.retained_replay:
            return (
                f"too many retained messages unread: expected fewer than {settings.retained_replay}"
            )
        return ""

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        client = self._opened()
        self._around.intake.route_gathered()
        for topic_filter in packet.filters:
            if client.session.subscriptions.pop(topic_filter, None) is not None:
                self._around.router.subscriptions.remove(topic_filter, client)
        self.send(encode(Unsuback(packet.packet_id)))  # [MQTT-3.10.4-5] also if there was none

    def _opened(self) -> Client:
        if self.client is None:
            raise RuntimeError("a packet other than CONNECT was taken before the login")
        return self.client
