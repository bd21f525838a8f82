"""One client's connection: packets in, what the protocol says about each, packets out."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from time import monotonic

from tocsin.broker.access import Action, Advice, Permit, Undecided
from tocsin.broker.batch import Receipt
from tocsin.broker.clients import Client
from tocsin.broker.closing import CLEAN, CONNECTION_LOST, KEEPALIVE, Closing
from tocsin.broker.codec import (
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    ack,
    encode,
    negative_ack,
)
from tocsin.broker.decoder import Decoder, OversizedError, RefusedPublish
from tocsin.broker.fields import decode_topic
from tocsin.broker.listener import Caller
from tocsin.broker.outbound import FIRST_LOOSE_ID, Answer
from tocsin.broker.packets import (
    LEVEL_5,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
    Will,
)
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import CONNECT_CODES, FAILURE, ConnectCode, Reason
from tocsin.broker.session import Arrival
from tocsin.broker.stream import Hold
from tocsin.broker.surroundings import Surroundings
from tocsin.broker.topics import inner_filter
from tocsin.devices.message import Message

# Who sends a segment this long has had a share of a loop turn: the others come before its next one.
TURN_BYTES = 65_536


class Connection(Closing):
    """Owns one client's dialogue from its first byte to the end of its socket."""

    __slots__ = (
        "_acks",
        "_decoder",
        "_keepalive_s",
        "_login",
        "_owed",
        "_publishing",
        "_seen",
        "caller",
        "unacked",
        "will",
    )

    throttled = 0
    """Times that reading paused, because the client sent faster than it may: see `Throttled`."""

    def __init__(self, around: Surroundings, caller: Caller) -> None:
        super().__init__(around)
        self.caller = caller
        self._decoder = Decoder(around.settings.connect_packet_bytes)
        # The login, later a question to an advice: what it waits for.
        self._login: asyncio.Task[None] | None = None
        self._acks: bytearray | None = None
        self._owed = 0
        self.unacked = 0
        """QoS 1 messages of an MQTT 5 client whose PUBACK has not left: its Receive Maximum."""
        self._keepalive_s = 0.0
        self._seen = 0.0
        self._publishing = False
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
        refusal = around.door.enter(self.caller, self.host, self._seen)
        if refusal is not None:
            self.close(refusal, cut=True)
            return
        around.deadlines.set(self, self._seen + around.settings.connect_timeout_s)

    def data_received(self, data: bytes) -> None:
        """Hot path: everything a loop turn brings for this client, often many packets."""
        if self.closed:
            return
        around = self._around
        around.bytes_received += len(data)
        decoder = self._decoder
        if around.intake.full and self.client is not None:
            decoder.keep(data)
            around.intake.rest(self)
            return
        packets = decoder.feed(data)
        if packets:
            self._seen = monotonic()
            self._take(packets, len(data))
            if (decoder.more or len(data) >= TURN_BYTES) and not self.closed:
                around.intake.rest(self)
        if decoder.error is not None and not self.closed:
            error = decoder.error
            if isinstance(error, OversizedError):
                self.hit("packet_bytes" if self.client else "connect_packet_bytes")
                if error.head is not None:
                    self.opened().messages_received += 1
                    around.refused(error.head, str(error))
            self.close(f"malformed packet: {error}", error.reason, answer=error.answer)

    def rested(self) -> None:
        """It is this client's turn again."""
        if self._decoder.more and not self.holds & (Hold.COMMIT | Hold.ADVICE):
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
        five = self.five
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
                    if five:
                        self._owed += 1
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
        if five:
            self._check_receive_maximum()

    def _handle(self, packet: Packet | Message | RefusedPublish) -> None:
        match packet:
            case Puback():
                if self.opened().session.acknowledge(packet.packet_id):
                    self._delivered(packet.packet_id)
            case Pubrec(packet_id, reason) if reason >= FAILURE:
                # 5, 4.3.3: the client does not take the message, and no PUBREL is due.
                if self.opened().session.abandon(packet_id):
                    self.opened().drop("refused by the client")
                    self._delivered(packet_id)
            case Pubrec(packet_id):
                self._received(packet_id)
            case Pubcomp():
                if self.opened().session.complete(packet.packet_id):
                    self._delivered(packet.packet_id)
            case Pubrel(packet_id):
                self._released(packet_id)
            case Message():
                self._receive_once(packet)
            case RefusedPublish():
                self._refused_publish(packet)
            case Pingreq():
                self.send(PINGRESP)  # [MQTT-3.12.4-1]
            case Connect():
                self._connect(packet)
            case Disconnect():
                self._disconnect(packet)
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                self.unsubscribe(packet)
            case _:
                # AUTH too: no login here has a second step.
                self.close(
                    f"malformed packet: {type(packet).__name__} is for servers to send",
                    Reason.PROTOCOL_ERROR,
                )

    def _delivered(self, packet_id: int) -> None:
        self.delivered(self.opened(), packet_id)
        self.continue_sending()

    def _received(self, packet_id: int) -> None:
        """PUBREC: PUBREL is due, for a session that is kept when that is in the journal."""
        client = self.opened()
        session = client.session
        answer = session.received(packet_id)
        if answer is Answer.PENDING:
            return
        if answer is Answer.NEW:
            if client.durable and packet_id < FIRST_LOOSE_ID:
                self._around.intake.answers.received(self, client.id, packet_id)
                self._around.intake.answered()
                return
            session.release_due(packet_id)
        # [MQTT-4.3.3-1] Also for an id we do not know, so that the client can let go.
        self._answer(PUBREL, packet_id, answer is not Answer.UNKNOWN)

    def _released(self, packet_id: int) -> None:
        """PUBREL: PUBCOMP is due, for a session that is kept when that is in the journal."""
        client = self.opened()
        session = client.session
        if client.durable and session.is_kept(packet_id):
            self._around.intake.answers.released(self, client.id, packet_id)
            self._around.intake.answered()
            return
        known = session.knows(packet_id)
        session.release(packet_id)
        # [MQTT-4.3.3-2] Also for an id we do not know: our PUBCOMP may have been lost.
        self._answer(PUBCOMP, packet_id, known)

    def _answer(self, kind: int, packet_id: int, known: bool) -> None:
        """PUBREL or PUBCOMP; MQTT 5 has a word for an id that is not known."""
        if known or not self.five:
            self.send(ack(kind, packet_id))
        else:
            self.send(negative_ack(kind, packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND))

    def _disconnect(self, packet: Disconnect) -> None:
        client = self.opened()
        expiry_s = packet.properties.session_expiry_s
        if expiry_s is not None:
            if expiry_s and not client.session_expiry_s:  # 5: 3.14.2.2.2
                self.close(
                    f"malformed packet: session expiry is {expiry_s} at the end; "
                    "expected 0 as at the start",
                    Reason.PROTOCOL_ERROR,
                )
                return
            client.session_expiry_s = min(expiry_s, self._around.settings.session_expiry_s)
        if packet.reason == Reason.SUCCESS:
            self.will = None  # [MQTT-3.14.4-3]
        if packet.reason >= FAILURE:
            self.close(f"client failed: it disconnects with reason {packet.reason:#04x}")
        else:
            self.close(CLEAN)

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
        self.lost = True
        self._around.deadlines.drop(self)
        self._around.departures.add(self)

    def depart(self) -> None:
        """Whatever follows from a lost connection; does nothing the second time."""
        around = self._around
        if self not in around.connections:
            return
        around.connections.discard(self)
        around.door.leave(self.caller)
        self.end(CONNECTION_LOST)
        self._decoder.shut()
        around.lost(self)

    def ended(self, reason: str) -> None:
        if self._login is not None:
            self._login.cancel()
        self._around.intake.publishers.discard(self)
        self._around.ended(self, reason)

    def overdue(self, now: float) -> None:
        """The deadline passed: of CONNECT, of keepalive, or of the last bytes before the close."""
        if self.closed:
            self.transport.abort()
        elif self.client is None:
            self.hit("connect_timeout_s")
            self.close("connect timeout: no CONNECT in time", cut=True)
        elif self.holds:
            # We do not read: the client's silence is ours.
            self._around.deadlines.set(self, now + self._keepalive_s)
        elif now < self._seen + self._keepalive_s:
            self._around.deadlines.set(self, self._seen + self._keepalive_s)
        else:
            self.close(KEEPALIVE, Reason.KEEP_ALIVE_TIMEOUT, cut=True)  # [MQTT-3.1.2-24]

    def take_acks(self) -> tuple[bytes, int]:
        """The PUBACKs that the batch being submitted owes, and how many an MQTT 5 client."""
        acks = bytes(self._acks or b"")
        self._acks = None
        owed, self._owed = self._owed, 0
        self.unacked += owed
        return acks, owed

    # -- CONNECT -------------------------------------------------------------------------

    def _connect(self, packet: Connect) -> None:
        # What follows is not read before the answer: it may not be allowed at all.
        self.hold(Hold.LOGIN)
        self._login = asyncio.create_task(self._around.login(self, packet))

    def refuse(self, packet: Connect, code: Reason, reason: str) -> None:
        """Answers CONNECT with a code other than 0 and closes [MQTT-3.2.2-5]."""
        if packet.level == LEVEL_5:
            # Words only for who got in: a stranger learns the code.
            self.close(reason, answer=encode(Connack(code), LEVEL_5))
        else:
            connect_code = CONNECT_CODES.get(code, ConnectCode.NOT_AUTHORIZED)
            self.close(reason, answer=encode(Connack(connect_code)))

    def accept(
        self,
        client: Client,
        permit: Permit,
        packet: Connect,
        *,
        session_present: bool,
        told: Properties,
    ) -> None:
        """Answers CONNECT with 0 and resumes the session [MQTT-3.2.0-1] [MQTT-3.2.2-2].

        `told` is what an MQTT 5 client hears of the server's terms.
        """
        around = self._around
        settings = around.settings
        self.agree(packet.level, packet.properties)
        self.will = packet.will
        self._permit = permit
        self._seen = monotonic()
        self._keepalive_s = 1.5 * client.keepalive_s
        if client.keepalive_s:
            around.deadlines.set(self, self._seen + self._keepalive_s)
        else:
            around.deadlines.drop(self)
        if self.five:
            answer = encode(Connack(Reason.SUCCESS, session_present, told), LEVEL_5)
            if len(answer) > self._packet_limit:  # [MQTT-3.1.2-24]
                self.client, self.will = client, None
                self.close(
                    f"CONNACK has {len(answer)} bytes; the client takes {self._packet_limit}"
                )
                return
            self.send(answer)
        else:
            self.send(encode(Connack(ConnectCode.ACCEPTED, session_present)))
        self.resume(client)
        self._decoder.pauses = permit.advice is not None
        self._decoder.open(
            client.id, settings.packet_bytes, permit.topics, self._admit, packet.level,
            settings.topic_aliases,
        )  # fmt: skip

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
        if self.beyond(topic, len(name)) is not None:
            return None
        permit = self._permit
        if permit is None or not permit.may_publish(topic):
            return None
        if permit.advice is not None:
            allowed = permit.verdict(Action.PUBLISH, topic, monotonic())
            if allowed is None:
                self._ask(permit, permit.advice, Action.PUBLISH, [topic])
                raise Undecided
            return topic if allowed else None
        self._around.access.remember(permit, name, topic)
        return topic

    # -- advice ----------------------------------------------------------------------------

    def _subscribe(self, packet: Subscribe) -> None:
        permit = self._permit
        if permit is None or permit.advice is None:
            self.subscribe(packet)
            return
        filters = [inner_filter(each) for each, _ in packet.filters]
        self._ask(permit, permit.advice, Action.SUBSCRIBE, filters, lambda: self.subscribe(packet))

    def _ask(
        self,
        permit: Permit,
        advice: Advice,
        action: Action,
        topics: Sequence[str],
        then: Callable[[], None] | None = None,
    ) -> None:
        """Reads on, after `then`, when `advice` has answered for all topics."""
        self.hold(Hold.ADVICE)

        async def answered() -> None:
            for topic in topics:
                if permit.verdict(action, topic, monotonic()) is None:
                    permit.note(action, topic, await advice(action, topic), monotonic())
            self._login = None
            if self.closed:
                return
            if then is not None:
                then()
            self.release(Hold.ADVICE)
            if self._decoder.more:
                self._around.intake.rest(self)

        self._login = asyncio.create_task(answered())

    def _refused_publish(self, packet: RefusedPublish) -> None:
        client = self.opened()
        client.messages_received += 1
        client.drop("not allowed")
        topic = packet.topic[:64].decode(errors="replace")
        if packet.qos and not self.five and not packet.empty:
            # 3.1.1: [MQTT-3.3.5-2] An ack would be a lie, and there is no negative one.
            self.close(f"not allowed: publish to {topic!r}")
            return
        if client.dropped and client.dropped["not allowed"] == 1:
            self._around.refusals.add(f"not allowed: publish to {topic!r}", self.address, client.id)
        if packet.qos:
            self._refuse_in_turn(packet)

    def _refuse_in_turn(self, packet: RefusedPublish) -> None:
        """A PUBACK or PUBREC that says no, in its place among the others [MQTT-4.6.0-2].

        3.1.1 cannot say no. What has no payload is acknowledged and ignored there: nothing is lost.
        """
        intake = self._around.intake
        if packet.qos == 1:
            if self._acks is None:
                self._acks = bytearray()
                intake.acking.append(self)
            if self.five:
                self._acks += negative_ack(PUBACK, packet.packet_id, Reason.NOT_AUTHORIZED)
                self._owed += 1
            else:
                self._acks += ack(PUBACK, packet.packet_id)
        else:
            session = self.opened().session
            refused = Reason.NOT_AUTHORIZED
            intake.receipts.append(Receipt(self, session, packet.packet_id, False, refused))
        intake.gathered(0, 0)

    def send_refused(self, packet_id: int, reason: Reason) -> None:
        """The PUBREC of a message that was refused."""
        five = self.five
        self.send(negative_ack(PUBREC, packet_id, reason) if five else ack(PUBREC, packet_id))

    def _check_receive_maximum(self) -> None:
        """MQTT 5: no more messages without an answer than the client was told [MQTT-3.3.4-8]."""
        limit = self._around.settings.unreleased
        open_messages = self.unacked + self._owed + self.opened().session.unreleased
        if not self.closed and open_messages > limit:
            self.hit("unreleased")
            self.close(
                f"too many unacknowledged messages: {open_messages}; expected at most {limit}",
                Reason.RECEIVE_MAXIMUM_EXCEEDED,
            )

    def _receive_once(self, message: Message) -> None:
        """A QoS 2 PUBLISH: handed on if it was not received before, its PUBREC due either way."""
        intake = self._around.intake
        if self.opened().degraded:
            # Exactly once takes a session that outlives us: it is to come back and get one.
            self.not_stored()
            return
        session = self.opened().session
        kind = session.receive(message.packet_id)
        if kind is Arrival.TOO_MANY:
            self.hit("unreleased")
            limit = self._around.settings.unreleased
            self.close(
                f"too many unreleased messages: expected at most {limit}",
                Reason.RECEIVE_MAXIMUM_EXCEEDED,
            )
            return
        if kind is Arrival.NEW:
            intake.messages.append(message)
        intake.receipts.append(Receipt(self, session, message.packet_id, kind is Arrival.NEW))
        self._published(1, len(message.payload))
