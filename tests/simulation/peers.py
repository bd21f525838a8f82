"""Clients of the simulation: they keep to the protocol, and remember over connections and crashes
of the server what it asks of them."""

from dataclasses import dataclass, field

from tocsin.broker.codec import encode
from tocsin.broker.packets import (
    Connack,
    Connect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
)


@dataclass
class Open:
    """A message of the client that is not completed. `received`: PUBREC came."""

    packet: Publish
    received: bool = False


@dataclass
class Peer:
    """One client: what it wrote and the server has not read is in `to_server`."""

    id: str
    filters: tuple[tuple[str, int], ...] = ()
    online: bool = False
    """Its CONNECT was accepted on this connection."""
    to_server: bytearray = field(default_factory=bytearray)
    had_session: bool = False
    subscribed: bool = False
    """A SUBACK came, in this session."""
    sent: list[bytes] = field(default_factory=list[bytes])
    acked: set[bytes] = field(default_factory=set[bytes])
    open: dict[int, Open] = field(default_factory=dict[int, Open])
    got: list[tuple[str, bytes, int]] = field(default_factory=list[tuple[str, bytes, int]])
    """Topic, payload and QoS of what was delivered to the application, each time; what it got as
    retained for its subscription is not in it."""
    lost_session: bool = False
    unreleased: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """QoS 2 messages of the server by id, from PUBLISH to PUBREL."""
    unacked: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """The newest payload by id, of deliveries whose end the server may not know."""
    problems: list[str] = field(default_factory=list[str])
    sloppy: bool = False
    """DUP is not asked of the server: after a full disk and a crash it may not know."""

    def connect(self) -> None:
        """On a new connection."""
        self.online = False
        self.to_server = bytearray(encode(Connect(self.id, clean=False)))

    def lost(self) -> None:
        self.online = False
        self.to_server = bytearray()

    def send(self, packet: Packet) -> None:
        self.to_server += encode(packet)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool = False) -> None:
        # The lowest one that is free: it comes again as soon as can be.
        packet_id = min(set(range(1, 20)) - self.open.keys())
        packet = Publish(topic, payload, qos, retain, packet_id=packet_id)
        self.open[packet_id] = Open(packet)
        self.sent.append(payload)
        if self.online:
            self.send(packet)

    @property
    def may_publish(self) -> bool:
        return len(self.open) < 8

    def take(self, packet: Packet) -> None:
        """What the server sent."""
        match packet:
            case Connack(code, session_present):
                self._connected(int(code), session_present)
            case Suback():
                self.subscribed = True
            case Puback(packet_id):
                self.acked.add(self.open.pop(packet_id).packet.payload)
            case Pubrec(packet_id):
                if packet_id in self.open:
                    self.open[packet_id].received = True
                    self.acked.add(self.open[packet_id].packet.payload)
                self.send(Pubrel(packet_id))
            case Pubcomp(packet_id):
                self.open.pop(packet_id, None)
            case Publish():
                self._received(packet)
            case Pubrel(packet_id):
                self.unreleased.pop(packet_id, None)
                self.send(Pubcomp(packet_id))
            case _:
                self.problems.append(f"{self.id} got {packet}")

    def _connected(self, code: int, session_present: bool) -> None:
        if code:
            self.problems.append(f"{self.id} was refused with {code}")
        if self.had_session and not session_present:
            self.lost_session = True
            self.subscribed = False
            self.unreleased.clear()
        self.online = self.had_session = True
        if self.filters and not self.subscribed:
            self.send(Subscribe(1, self.filters))
        for packet_id, message in self.open.items():
            again = message.packet
            self.send(
                Pubrel(packet_id)
                if message.received
                else Publish(again.topic, again.payload, again.qos, again.retain, True, packet_id)
            )

    def _received(self, packet: Publish) -> None:
        known = self.unacked.get(packet.packet_id) == packet.payload
        if packet.packet_id and known and not packet.dup and not self.sloppy:
            self.problems.append(f"{self.id} got {packet} again without DUP")
        if packet.qos == 2:
            held = self.unreleased.get(packet.packet_id)
            if held is None:
                self.unreleased[packet.packet_id] = packet.payload
                self._deliver(packet)
            elif held != packet.payload:
                self.problems.append(f"{self.id} got {packet} where it has {held}: it is lost")
            self.send(Pubrec(packet.packet_id))
        else:
            self._deliver(packet)
            if packet.qos:
                self.send(Puback(packet.packet_id))
        if packet.packet_id:
            self.unacked[packet.packet_id] = packet.payload

    def _deliver(self, packet: Publish) -> None:
        if not packet.retain:
            self.got.append((packet.topic, packet.payload, packet.qos))
