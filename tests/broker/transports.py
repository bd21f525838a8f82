"""The ways MQTT travels, each with a client that is not ours at its other end."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.broker.certificates import Authority
from tests.broker.harness import WITHIN_S, Peer, Running
from tocsin.broker import Listener, Settings

WAYS = ("tcp", "tls", "websocket", "wss")


class FramedPeer(Peer):
    """A peer whose bytes travel in the frames of the websockets package."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._unread = b""

    async def write(self, data: bytes) -> None:
        try:
            await self.connection.send(data)
        except ConnectionClosed as closed:
            raise ConnectionError(str(closed)) from None

    async def exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            try:
                piece = await self.connection.recv()
            except ConnectionClosed as closed:
                raise EOFError(str(closed)) from None
            assert isinstance(piece, bytes)
            self._unread += piece
        found, self._unread = self._unread[:size], self._unread[size:]
        return found

    async def closed(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed:
                return

    async def leave(self) -> None:
        self.connection.transport.abort()


class Way:
    """One of WAYS: settings for a broker, and peers that come by it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._authority = Authority(folder) if name in ("tls", "wss") else None
        self._framed = name in ("websocket", "wss")

    def settings(self, **limits: float) -> Settings:
        tls = self._authority.tls() if self._authority else None
        listeners = (Listener("127.0.0.1", 0, tls, self._framed),)
        return Settings(listeners=listeners, **limits)  # pyright: ignore[reportArgumentType]

    @property
    def trust(self) -> ssl.SSLContext | None:
        return self._authority.trusting() if self._authority else None

    @asynccontextmanager
    async def peer(self, broker: Running) -> AsyncGenerator[Peer]:
        """A peer with a small buffer: what it does not read stays with the broker soon."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", broker.port))
        name = "localhost" if self.trust else None
        if self._framed:
            scheme = "wss" if self.trust else "ws"
            framed = await connect(
                f"{scheme}://localhost:{broker.port}/mqtt",
                sock=sock,
                ssl=self.trust,
                server_hostname=name,
                subprotocols=[Subprotocol("mqtt")],
                max_queue=1,
                max_size=None,
                ping_interval=None,
                compression=None,
                proxy=None,
            )
            peer: Peer = FramedPeer(framed)
        else:
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=self.trust, server_hostname=name, limit=1_024
            )
            peer = Peer(reader, writer)
        try:
            yield peer
        finally:
            await peer.leave()
