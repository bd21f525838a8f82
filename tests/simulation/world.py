"""One schedule of the simulation: a server with its journal, and clients, under one seed.

Nothing waits for real time and nothing is random but by the seed, so a seed that fails fails again.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.simulation.disk import Disk
from tests.simulation.peers import Peer
from tests.simulation.wire import Wire, take_packet
from tocsin.broker import AccessControl, Broker, Listener, Login, Settings
from tocsin.broker.connection import Connection
from tocsin.broker.fold import Fold
from tocsin.broker.listener import Caller
from tocsin.broker.packets import LEVEL_311
from tocsin.devices.credentials import ANONYMOUS, Identity
from tocsin.devices.message import Message

SETTINGS = Settings(
    listeners=(),
    in_flight=4,
    queued_messages=5_000,
    address_connects_per_s=1e9,
    address_connections=1_000,
)
HERE = Listener("127.0.0.1", 1883)

SHARED = "$share/crew/t/#"


async def anybody(_: Login) -> Identity | None:
    return ANONYMOUS


def ignore(*_: object) -> None:
    """Who connects is seen from the clients."""


class World:
    """Owns the server's life, the time, and who is connected how."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1_000_000.0
        self.disk = Disk(folder, self.chance)
        self.said: list[bytes] = []
        """What the server itself published while the disk did what it should."""
        self.peers = [
            Peer("publisher-1"),
            Peer("publisher-2"),
            Peer("all-2", (("t/#", 2),)),
            Peer("all-1", (("t/#", 1), ("tocsin/#", 2))),
            Peer("crew-1", ((SHARED, 2),)),
            Peer("crew-2", ((SHARED, 2),)),
        ]
        self._wires: dict[str, tuple[Wire, Connection]] = {}
        self._numbers: Counter[str] = Counter()
        self._snapshot: bytes = b""
        self._taking: asyncio.Task[None] | None = None
        self.lives = 0
        self.refusing = seed % 4 == 0
        """Now and then the disk is full in this schedule."""
        for peer in self.peers:
            peer.sloppy = self.refusing
        # Each schedule has a disk of its own pace, and its own luck.
        self._disk_pace = self.chance.choice((0.1, 0.4, 1.0))
        self._bad_luck = self.chance.choice((0.005, 0.02, 0.05))

    # -- the server ------------------------------------------------------------------------

    async def start(self) -> None:
        """A server begins, on what the journal and perhaps a snapshot have."""
        self.lives += 1
        fold = self.rebuilt(from_snapshot=self.chance.random() < 0.7)
        self.broker = Broker(
            SETTINGS,
            clock=lambda: self.now,
            sink=self.disk.sink,
            on_connection=ignore,
            authenticate=anybody,
            access=AccessControl(),
            fold=fold,
        )
        starting = asyncio.create_task(self.broker.start())
        while not starting.done():
            await self.settle()
            self.disk.commit(self.disk.pending)
        await starting

    def rebuilt(self, *, from_snapshot: bool) -> Fold:
        fold = Fold(SETTINGS, lambda: self.now)
        if from_snapshot:
            fold.restore(self._snapshot)
        for position, at, records in self.disk.entries():
            fold.replay(records, at, position)
        return fold

    async def crash(self) -> None:
        """SIGKILL: no callback of the old server runs on, and what was not committed is gone."""
        await self._end()
        self.disk.crash()
        await self.start()

    async def stop_and_start(self) -> None:
        """SIGTERM: it says goodbye, and commits."""
        stopping = asyncio.create_task(self.broker.stop())
        while not stopping.done():
            await self.settle()
            self.disk.commit(self.disk.pending)
        await stopping
        await self._end()
        await self.start()

    async def _end(self) -> None:
        for peer in self.peers:
            self._wires.pop(peer.id, None)
            peer.lost()
        if (ticking := self.broker._ticking) is not None:  # pyright: ignore[reportPrivateUsage]
            ticking.cancel()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self._taking = None

    def take_snapshot(self) -> None:
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take_snapshot())

    async def _take_snapshot(self) -> None:
        self._snapshot = await self.broker.snapshot()

    async def settle(self) -> None:
        """The event loop turns until it has nothing to do."""
        for _ in range(6):
            await asyncio.sleep(0)

    # -- connections -----------------------------------------------------------------------

    def connect(self, peer: Peer) -> None:
        """Also while it is connected: the server sees the old one taken over."""
        around = self.broker._around  # pyright: ignore[reportPrivateUsage]
        connection = Connection(around, Caller(HERE))
        wire = Wire(lambda: connection.connection_lost(None))
        connection.connection_made(wire)
        self._wires[peer.id] = wire, connection
        peer.connect()

    def drop(self, peer: Peer) -> None:
        """The connection breaks; what was on its way in either direction is lost."""
        wire, _ = self._wires.pop(peer.id)
        wire.abort()
        peer.lost()

    def is_connected(self, peer: Peer) -> bool:
        entry = self._wires.get(peer.id)
        if entry is not None and entry[0].is_closing() and not entry[0].to_client:
            del self._wires[peer.id]
            peer.lost()
            return False
        return entry is not None

    def to_server(self, peer: Peer, size: int) -> None:
        wire, connection = self._wires[peer.id]
        data = bytes(peer.to_server[:size])
        if data and wire.reading and not wire.is_closing():
            del peer.to_server[:size]
            connection.data_received(data)

    def to_client(self, peer: Peer, packets: int) -> bool:
        """Hands the client what the server wrote. False: there was nothing."""
        wire, _ = self._wires[peer.id]
        for taken in range(packets):
            packet = take_packet(wire.to_client, LEVEL_311)
            if packet is None:
                return taken > 0
            peer.take(packet)
        return True

    # -- what happens ----------------------------------------------------------------------

    def publish(self, peer: Peer) -> None:
        if not peer.may_publish:
            return
        qos = self.chance.choice((1, 2))
        topic = f"t/{peer.id}/{qos}"
        self._numbers[topic] += 1
        payload = f"{topic} {self._numbers[topic]:06d}".encode()
        peer.publish(topic, payload, qos, retain=self.chance.random() < 0.3)

    def say(self) -> None:
        self._numbers["tocsin"] += 1
        payload = b"tocsin %06d" % self._numbers["tocsin"]
        self.said.append(payload)
        self.broker.publish("tocsin/x", payload, qos=self.chance.choice((1, 2)))

    async def step(self) -> None:
        """One thing happens."""
        chance = self.chance
        self.now += chance.random()
        if chance.random() < self._bad_luck:
            await self.crash()
        elif chance.random() < 0.3:
            if chance.random() < self._disk_pace:
                self.disk.commit(chance.randrange(1, 4))
        else:
            await self._client_step(chance.choice(self.peers), chance.random())
        await self.settle()

    async def _client_step(self, peer: Peer, what: float) -> None:
        chance = self.chance
        if not self.is_connected(peer):
            if what < 0.4:
                self.connect(peer)
        elif what < 0.40:
            if not peer.filters:
                self.publish(peer)
            self.to_server(peer, chance.choice((7, 40, 1_000)))
        elif what < 0.86:
            self.to_client(peer, chance.choice((1, 3, 50)))
            self.to_server(peer, chance.choice((7, 40, 1_000)))
        elif what < 0.89:
            self.drop(peer)
        elif what < 0.92:
            self.connect(peer)
        elif what < 0.95:
            self.take_snapshot()
        elif what < 0.98:
            self.say()
        elif what < 0.985:
            await self.stop_and_start()
        elif self.refusing:
            self.disk.refuse(chance.randrange(1, 4))

    async def heal(self) -> None:
        """Everybody is back, the disk writes, and all that is open comes to its end."""
        for _ in range(400):
            moved = self.disk.pending > 0
            self.disk.commit(self.disk.pending)
            for peer in self.peers:
                if not self.is_connected(peer):
                    self.connect(peer)
                    moved = True
                moved |= bool(peer.to_server)
                self.to_server(peer, 100_000)
                moved |= self.to_client(peer, 1_000)
            await self.settle()
            if not moved and not self.disk.pending:
                return
        raise AssertionError("there is no end of what is open")

    def in_journal(self) -> Counter[bytes]:
        """How often the rest of the server got each message."""
        return Counter(
            record.payload
            for _, _, records in self.disk.entries()
            for record in records
            if isinstance(record, Message)
        )
