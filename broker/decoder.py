"""A server's side of one connection as bytes in, packets out; no socket, no clock.

Hot path: a PUBLISH becomes one `Message`, and nothing else is made on the way: its topic is
found by its bytes in a dict of topics already checked and allowed.
"""

from collections.abc import Callable, Mapping

from tocsin.broker.access import Undecided
from tocsin.broker.codec import decode, publish_qos
from tocsin.broker.fields import Body, MalformedPacketError, decode_topic
from tocsin.broker.packets import LEVEL_5, LEVEL_311, Connect, Packet, Subscribe
from tocsin.broker.properties import Place, passed_on, read_properties
from tocsin.broker.reasons import Reason
from tocsin.devices.message import Message

# What one `feed` gives at most: a client's share of a loop turn, then it is the others' turn.
PACKETS_PER_FEED = 128
# Of a PUBLISH that is too large: enough to see what it was to be, topic and properties included.
HEAD_BYTES = 8_192


class RefusedPublish:
    """A well-formed PUBLISH to a topic the client may not publish to; `empty`: without payload."""

    __slots__ = ("empty", "packet_id", "qos", "topic")

    def __init__(self, topic: bytes, qos: int, packet_id: int, empty: bool) -> None:
        self.topic = topic
        self.qos = qos
        self.packet_id = packet_id
        self.empty = empty


class OversizedError(MalformedPacketError):
    """A packet over the limit. `head`: topic and first bytes of a PUBLISH the client may send."""

    def __init__(self, length: int, limit: int, head: Message | None = None) -> None:
        super().__init__(
            f"packet has {length} bytes; expected at most {limit}", Reason.PACKET_TOO_LARGE
        )
        self.head = head


class Decoder:
    """Owns the unfinished packet at the end of what was fed, and the peer's first error.

    Until `open` it gives one CONNECT and stops there: what follows waits for the answer to it.
    """

    __slots__ = (
        "_admit",
        "_alias_limit",
        "_aliases",
        "_client",
        "_last_properties",
        "_level",
        "_limit",
        "_need",
        "_rest",
        "_stopped_at",
        "_topics",
        "error",
        "more",
        "pauses",
    )

    def __init__(self, connect_packet_bytes: int) -> None:
        self._limit = connect_packet_bytes
        self._client: str | None = None
        self._topics: Mapping[bytes, str] = {}
        self._admit: Callable[[bytes], str | None] = _nothing
        self._rest: bytes | bytearray = b""
        self._need = 0
        self._stopped_at = 0
        self._level = LEVEL_311
        self._alias_limit = 0
        self._aliases: dict[int, bytes] | None = None
        # Properties repeat from message to message: the last ones as they came and as passed on.
        self._last_properties: tuple[bytes, bytes | None] | None = None
        self.more = False
        """The last `feed` stopped at its bound: `feed(b"")` goes on."""
        self.error: MalformedPacketError | None = None
        self.pauses = False
        """A SUBSCRIBE is the last packet of a `feed`: what follows waits for the answer to it."""

    def open(
        self,
        client: str,
        packet_bytes: int,
        topics: Mapping[bytes, str],
        admit: Callable[[bytes], str | None],
        level: int = LEVEL_311,
        topic_aliases: int = 0,
    ) -> None:
        """Lets packets other than CONNECT through, read as those of protocol `level`.

        `topics` has the topics known to be good, by their bytes; `admit` is asked for others: the
        topic, None when it is refused, MalformedPacketError when it is none, Undecided when it
        is to be asked again: `feed(b"")` goes on with that packet. The client may
        use aliases up to `topic_aliases`.
        """
        self._client = client
        self._limit = packet_bytes
        self._topics = topics
        self._admit = admit
        self._level = level
        self._alias_limit = topic_aliases

    def shut(self) -> None:
        """Forgets what was fed and lets go of `admit`."""
        self._rest = b""
        self._admit = _nothing

    def feed(self, data: bytes) -> list[Packet | Message | RefusedPublish]:
        """The packets that `data` completes, in order; at most `PACKETS_PER_FEED`.

        After the first malformed one `error` is set, what came before it is returned, and
        nothing more comes out. Feed `b""` after `open` to get what waited behind the CONNECT.
        """
        packets: list[Packet | Message | RefusedPublish] = []
        if self._rest:
            # A packet that comes byte by byte is joined once, when it is whole.
            if len(self._rest) + len(data) < self._need:
                if not isinstance(self._rest, bytearray):
                    self._rest = bytearray(self._rest)
                self._rest += data
                return packets
            data = bytes(self._rest) + data
            self._rest = b""
        if self.error is not None:
            return packets
        try:
            end = self._split(data, packets)
        except MalformedPacketError as error:
            self.error = error
        except Undecided:
            self._rest = data[self._stopped_at :]
            self._need = 0
            self.more = True
        else:
            self._rest = data[end:]
        return packets

    def keep(self, data: bytes) -> None:
        """As `feed`, but the packets come out of the next one: `more` says so."""
        self._rest = bytes(self._rest) + data if self._rest else data
        self._need = 0
        self.more = True

    def _split(self, data: bytes, packets: list[Packet | Message | RefusedPublish]) -> int:
        """Appends the whole packets of `data`; returns where the unfinished one begins."""
        at = 0
        size = len(data)
        client = self._client
        topics = self._topics
        limit = self._limit
        five = self._level == LEVEL_5
        properties: bytes | None = None
        self.more = False
        for _ in range(PACKETS_PER_FEED):
            if size - at < 2:
                self._need = 2
                return at
            first = data[at]
            length = data[at + 1]
            body = at + 2
            if length > 127:
                length &= 127
                shift = 7
                while True:
                    if body == size:
                        self._need = body - at + 1
                        return at
                    digit = data[body]
                    body += 1
                    length |= (digit & 127) << shift
                    if digit < 128:
                        break
                    shift += 7
                    if shift > 21:
                        raise MalformedPacketError("remaining length has more than 4 bytes")
            if length > limit:
                end = body + min(length, HEAD_BYTES)
                if client is not None and 0x30 <= first <= 0x3F:
                    if end > size:
                        self._need = end - at
                        return at
                    raise OversizedError(length, limit, self._head(first, data, body, end))
                raise OversizedError(length, limit)
            end = body + length
            if client is None and first != 0x10:  # [MQTT-3.1.0-1]
                raise MalformedPacketError(
                    f"first packet is of type {first >> 4}; expected CONNECT"
                )
            if end > size:
                self._need = end - at
                return at
            if 0x30 <= first <= 0x3F and client is not None:
                qos = publish_qos(first) if first > 0x31 else 0
                start = body + 2
                stop = start + (data[body] << 8) + data[body + 1] if length > 1 else end + 1
                payload = stop + 2 if qos else stop
                if payload > end:
                    raise MalformedPacketError(
                        f"PUBLISH has {length} bytes; expected its topic and packet id to fit"
                    )
                name = data[start:stop]
                packet_id = 0
                if qos:
                    packet_id = (data[stop] << 8) + data[stop + 1]
                    if not packet_id:  # [MQTT-2.3.1-1]
                        raise MalformedPacketError("packet id is 0; expected 1 to 65535")
                if five:
                    if payload < end and data[payload] == 0:
                        payload += 1
                        properties = None
                    else:
                        payload, properties, name = self._extras(data, payload, end, name)
                topic = topics.get(name) or self._asked(name, at)
                if topic is None:
                    packets.append(RefusedPublish(name, qos, packet_id, payload == end))
                elif properties is not None:
                    packets.append(
                        Message(
                            client,
                            topic,
                            data[payload:end],
                            qos,
                            first & 1 == 1,
                            packet_id,
                            properties,
                        )
                    )
                else:
                    packets.append(
                        Message(client, topic, data[payload:end], qos, first & 1 == 1, packet_id)
                    )
            else:
                packet = decode(first, data[body:end], self._level)
                packets.append(packet)
                if type(packet) is Connect:
                    if client is not None:  # [MQTT-3.1.0-2]
                        packets.pop()
                        raise MalformedPacketError(
                            "CONNECT came twice; expected one", Reason.PROTOCOL_ERROR
                        )
                    self._need = 0
                    return end
                if self.pauses and type(packet) is Subscribe:
                    self.more = True
                    self._need = 0
                    return end
            at = end
        self.more = True
        self._need = 0
        return at

    def _asked(self, name: bytes, at: int) -> str | None:
        """The answer to a topic not seen before; `at` is where its packet begins."""
        self._stopped_at = at
        return self._admit(name)

    def _head(self, first: int, data: bytes, body: int, end: int) -> Message | None:
        """The PUBLISH that begins at `body`, cut at `end`; None when it could not be taken in."""
        try:
            qos = publish_qos(first)
            start = body + 2
            stop = start + (data[body] << 8) + data[body + 1]
            at = stop + 2 if qos else stop
            name = data[start:stop]
            if at > end:
                return None
            if self._level == LEVEL_5:
                at, _, name = self._extras(data, at, end, name)
            topic = self._topics.get(name) or self._admit(name)
        except (IndexError, MalformedPacketError, Undecided):
            return None
        if topic is None or self._client is None:
            return None
        return Message(self._client, topic, data[at:end], qos, first & 1 == 1)

    def _extras(
        self, data: bytes, at: int, end: int, name: bytes
    ) -> tuple[int, bytes | None, bytes]:
        """Reads the properties at `at`: where the payload begins, what is passed on, the topic.

        An alias is taken also where the topic is refused: the client counts on it.
        """
        sized = Body(data, at, end)
        size = sized.variable("property length")
        start = sized.at + size
        raw = data[at:start]
        if self._last_properties is not None and self._last_properties[0] == raw and name:
            return start, self._last_properties[1], name
        properties = read_properties(Body(data, at, end), Place.PUBLISH)
        if properties.subscription_ids:  # [MQTT-3.3.4-6]
            raise MalformedPacketError(
                "PUBLISH has a subscription identifier; expected it from servers only",
                Reason.PROTOCOL_ERROR,
            )
        passed = passed_on(properties)
        alias = properties.topic_alias
        if alias is None:
            self._last_properties = raw, passed
            return start, passed, name
        if not 1 <= alias <= self._alias_limit:  # [MQTT-3.3.2-8] [MQTT-3.3.2-9]
            raise MalformedPacketError(
                f"topic alias is {alias}; expected 1 to {self._alias_limit}",
                Reason.TOPIC_ALIAS_INVALID,
            )
        if self._aliases is None:
            self._aliases = {}
        if name:
            decode_topic(name)
            self._aliases[alias] = name
        elif alias not in self._aliases:
            raise MalformedPacketError(
                f"topic alias {alias} stands for nothing yet; expected a topic with it",
                Reason.PROTOCOL_ERROR,
            )
        return start, passed, self._aliases[alias]


def _nothing(_: bytes) -> None:
    """Nobody may publish before `open`."""
