"""A real broker on a free port, and clients that show every packet."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tocsin.broker import AccessControl, Authenticate, Broker, Listener, Login, Settings
from tocsin.broker.access import Advice
from tocsin.broker.codec import decode, encode
from tocsin.broker.fold import Fold
from tocsin.broker.intake import MOST_MESSAGES
from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_311,
    Connack,
    Connect,
    Packet,
    Pingreq,
    Pingresp,
    Suback,
    Subscribe,
    Will,
)
from tocsin.broker.properties import NO_PROPERTIES, Properties
from tocsin.devices.broker_fact import BrokerFact
from tocsin.devices.credentials import ANONYMOUS, Identity
from tocsin.devices.message import Message

P = TypeVar("P")

WITHIN_S = 5.0


class Sink:
    """Records batches. Stores at once, or when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []
        """The messages of each call that had some."""
        self.facts: list[BrokerFact] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.held = False
        self.error: Exception | None = None
        """Raised by the call itself, when set."""
        self.order: list[str] = []
        """Payloads, and what the broker tells of connections, in the order they came."""

    def __call__(self, records: Sequence[Message | BrokerFact], at: float) -> asyncio.Future[None]:
        if self.error is not None:
            raise self.error
        messages = [each for each in records if isinstance(each, Message)]
        self.facts += [each for each in records if isinstance(each, BrokerFact)]
        if messages:
            self.batches.append(messages)
        self.order += [message.payload.decode(errors="replace") for message in messages]
        future = asyncio.get_running_loop().create_future()
        if self.held:
            self.waiting.append(future)
        else:
            future.set_result(None)
        return future

    @property
    def messages(self) -> list[Message]:
        return [message for batch in self.batches for message in batch]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def store(self) -> None:
        """Everything held so far is stored now."""
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def fail(self, error: Exception) -> None:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            future.set_exception(error)


class Peer:
    """A client made of bytes: sends packets, or anything else, and reads packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    level = LEVEL_311

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def exactly(self, size: int) -> bytes:
        return await self.reader.readexactly(size)

    async def send(self, *packets: Packet | bytes) -> None:
        await self.write(
            b"".join(p if isinstance(p, bytes) else encode(p, self.level) for p in packets)
        )

    async def receive(self) -> Packet:
        """The next packet. EOFError or ConnectionError when the broker closed instead."""
        async with asyncio.timeout(WITHIN_S):
            first = (await self.exactly(1))[0]
            length = shift = 0
            while True:
                digit = (await self.exactly(1))[0]
                length |= (digit & 127) << shift
                shift += 7
                if digit < 128:
                    break
            return decode(first, await self.exactly(length), self.level)

    async def expect(self, kind: type[P]) -> P:
        packet = await self.receive()
        assert isinstance(packet, kind), f"got {packet}; expected {kind.__name__}"
        return packet

    async def connect(self, packet: Connect) -> Connack:
        self.level = packet.level
        await self.send(packet)
        return await self.expect(Connack)

    async def subscribe(
        self, topic_filter: str, options: int = 0, properties: Properties = NO_PROPERTIES
    ) -> int:
        """Subscribes; the code of the SUBACK."""
        await self.send(Subscribe(1, ((topic_filter, options),), properties))
        return (await self.expect(Suback)).codes[0]

    async def round_trip(self) -> None:
        """When this returns without anything else in between, nothing else was on its way."""
        await self.send(Pingreq())
        await self.expect(Pingresp)

    async def closed(self) -> None:
        """Returns when the broker has closed; what it sent before is skipped."""
        async with asyncio.timeout(WITHIN_S):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                return

    async def leave(self) -> None:
        """Closes the socket without DISCONNECT."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return


@dataclass
class Running:
    """A broker under test, with everything that it told."""

    broker: Broker
    sink: Sink
    port: int
    connections: list[tuple[str, bool, str]] = field(default_factory=list[tuple[str, bool, str]])
    """Client id, online, reason."""
    refusals: list[tuple[Message, str]] = field(default_factory=list[tuple[Message, str]])
    """Messages that were not taken in, their payload cut, and why."""

    @asynccontextmanager
    async def peer(
        self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> AsyncGenerator[Peer]:
        """A socket that has not said anything."""
        reader, writer = await asyncio.open_connection(host, port or self.port, ssl=tls)
        peer = Peer(reader, writer)
        try:
            yield peer
        finally:
            await peer.leave()

    @asynccontextmanager
    async def client(self, client: str = "c1", clean: bool = True) -> AsyncGenerator[Peer]:
        """A client whose CONNECT was accepted."""
        async with self.peer() as peer:
            assert not (await peer.connect(Connect(client, clean))).code
            yield peer

    @asynccontextmanager
    async def client5(
        self,
        client: str = "c5",
        clean: bool = True,
        will: Will | None = None,
        **properties: int,
    ) -> AsyncGenerator[Peer]:
        """The same with MQTT 5 and these properties."""
        wanted = Properties(**properties)  # pyright: ignore[reportArgumentType] (numbers only)
        async with self.peer() as peer:
            connect = Connect(client, clean, will=will, level=LEVEL_5, properties=wanted)
            assert not (await peer.connect(connect)).code
            yield peer

    async def until(self, what: str, look: Callable[[], object]) -> None:
        """Waits until `look` gives something true; AssertionError naming `what` if never."""
        deadline = time.monotonic() + WITHIN_S
        while not look():
            assert time.monotonic() < deadline, f"not within {WITHIN_S} s: {what}"
            await asyncio.sleep(0.005)

    async def ended(self, client: str) -> str:
        """The reason with which the client's connection ended, once it has."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [
                why for who, online, why in self.connections if who == client and not online
            ]
            return bool(found)

        await self.until(f"{client} is offline", look)
        return found[-1]

    def refused(self) -> Mapping[str, int]:
        return self.broker.report().refused


async def anybody(login: Login) -> Identity | None:
    return ANONYMOUS


@asynccontextmanager
async def running(
    settings: Settings | None = None,
    *,
    authenticate: Authenticate = anybody,
    access: AccessControl | None = None,
    advise: Callable[[Login], Advice | None] = lambda _: None,
    fold: Fold | None = None,
    room: Callable[[], int] = lambda: MOST_MESSAGES,
) -> AsyncGenerator[Running]:
    sink = Sink()
    heard: list[tuple[str, bool, str]] = []
    refusals: list[tuple[Message, str]] = []

    def hear(
        client: str, online: bool, reason: str, username: str | None, address: str, at: float
    ) -> None:
        heard.append((client, online, reason))
        sink.order.append(f"{client} {reason}")

    def refuse(message: Message, reason: str, at: float) -> None:
        refusals.append((message, reason))
        sink.order.append(f"refused {message.topic}")

    broker = Broker(
        settings or local(),
        clock=time.time,
        sink=sink,
        on_connection=hear,
        on_refusal=refuse,
        authenticate=authenticate,
        access=access or AccessControl(),
        advise=advise,
        version="0.0-test",
        fold=fold,
        room=room,
    )
    await broker.start()
    try:
        yield Running(broker, sink, broker.addresses[0][1], heard, refusals)
    finally:
        sink.store()
        await broker.stop()


def local(**limits: float) -> Settings:
    """Settings on a free loopback port, with these limits."""
    return Settings(listeners=(Listener("127.0.0.1", 0),), **limits)  # pyright: ignore[reportArgumentType]
