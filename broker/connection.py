"""One client's connection: packets in, what the protocol says about each, packets out."""

import asyncio
import socket
from time import monotonic

from tocsin.broker.access import Permit
from tocsin.broker.clients import Client
from tocsin.broker.codec import (
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREL,
    ack,
    decode_topic,
    encode,
)
from tocsin.broker.decoder import Decoder, RefusedPublish
from tocsin.broker.delivery import Delivery
from tocsin.broker.intake import Receipt
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
from tocsin.broker.session import Arrival
from tocsin.broker.stream import Hold
from tocsin.broker.surroundings import Surroundings
from tocsin.devices.message import Message

CLEAN = "clean"
CONNECTION_LOST = "connection lost"
KEEPALIVE = "keepalive"
TAKEN_OVER = "taken over"
STOPPING = "server stopping"

# A segment this long is a client's share of a loop turn: the others come before its next one.
TURN_BYTES = 65_536


class Connection(Delivery):
    """Owns one client's dialogue from its first byte to the end of its socket."""

    __slots__ = (
        "_acks",
        "_decoder",
        "_keepalive_s",
        "_login",
        "_overrun",
        "_permit",
        "_publishing",
        "_seen",
        "will",
    )

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._decoder = Decoder(around.settings.connect_packet_bytes)
        self._permit: Permit | None = None
        self._login: asyncio.Task[None] | None = None
        self._acks: bytearray | None = None
        self._keepalive_s = 0.0
        self._seen = 0.0
        self._publishing = False
        self._overrun = False
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
            if type(packet) is Message and packet.qos < 2:
                gathering.append(packet)
                published += 1
                if packet.qos:
                    acks = self._acks
                    if acks is None:
                        acks = self._acks = bytearray()
                        intake.acking.append(self)
                    acks += ack(PUBACK, packet.packet_id)
                continue
            if published:
                self._published(published, wire_bytes)
                published = wire_bytes = 0
            self._handle(packet)
            if self.closed:
                return
            # With another connection that ended meanwhile the batch has left.
            gathering = intake.messages
        if published:
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
            case Message():
                self._receive_once(packet)
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
        if not self._publishing:
            self._publishing = True
            intake.publishers.add(self)
        intake.gathered(messages, wire_bytes)
        if intake.paused:
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
            limit = self._around.settings.queued_messages
            why = f"slow subscriber: its queue is full; expected at most {limit} waiting"
            asyncio.get_running_loop().call_soon(lambda: self.close(why, cut=True))

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
        self.will = packet.will
        self._permit = permit
        self._seen = monotonic()
        self._keepalive_s = 1.5 * packet.keepalive_s
        if packet.keepalive_s:
            around.deadlines.set(self, self._seen + self._keepalive_s)
        else:
            around.deadlines.drop(self)
        self.send(encode(Connack(ConnectCode.ACCEPTED, session_present)))
        self.resume(client)
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

    def _receive_once(self, message: Message) -> None:
        """A QoS 2 PUBLISH: handed on if it was not received before, its PUBREC due either way."""
        intake = self._around.intake
        session = self._opened().session
        kind = session.receive(message.packet_id)
        if kind is Arrival.TOO_MANY:
            limit = self._around.settings.unreleased
            self.close(f"too many unreleased messages: expected at most {limit}")
            return
        if kind is Arrival.NEW:
            intake.messages.append(message)
        intake.receipts.append(Receipt(self, session, message.packet_id, kind is Arrival.NEW))
        self._published(1, len(message.payload))

    # -- subscriptions -----------------------------------------------------------------------

    def _subscribe(self, packet: Subscribe) -> None:
        client = self._opened()
        around = self._around
        around.intake.route_gathered()
        subscriptions = client.session.subscriptions
        codes: list[int] = []
        replays: list[tuple[list[str], int]] = []
        unread = self._replaying
        for topic_filter, qos in packet.filters:
            why_not = self._why_not(client, topic_filter, unread)
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
            replays.append((retained, qos))
            unread += len(retained)
        self.send(encode(Suback(packet.packet_id, tuple(codes))))  # [MQTT-3.8.4-5]
        self.replay(replays)

    def _why_not(self, client: Client, topic_filter: str, unread: int) -> str:
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
        if unread >= settings.retained_replay:
            return f"too many retained messages unread: {unread} are still to be sent"
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
