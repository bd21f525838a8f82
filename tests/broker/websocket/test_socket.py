"""WebSocket on a real socket: what is refused, what is answered, how it ends."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.typing import Origin, Subprotocol

from tests.broker.clauses import clause, clause311
from tests.broker.harness import WITHIN_S, Peer, Running, running
from tests.broker.test_paho import Paho
from tocsin.broker import Listener, Settings
from tocsin.broker.codec import encode
from tocsin.broker.packets import Connack, Connect, Pingreq, Pingresp, Publish, Subscribe

HEAD = (
    b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
)


def framed(*origins: str, **limits: float) -> Settings:
    listeners = (Listener("127.0.0.1", 0, websocket=True, origins=origins),)
    return Settings(listeners=listeners, **limits)  # pyright: ignore[reportArgumentType]


@asynccontextmanager
async def client(broker: Running, origin: str | None = None) -> AsyncGenerator[ClientConnection]:
    async with connect(
        f"ws://127.0.0.1:{broker.port}/mqtt",
        subprotocols=[Subprotocol("mqtt")],
        origin=Origin(origin) if origin else None,
        proxy=None,
    ) as connection:
        yield connection


@asynccontextmanager
async def narrow(broker: Running) -> AsyncGenerator[Peer]:
    """A socket with a small buffer: what is not read stays with the broker soon."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", broker.port))
    peer = Peer(*await asyncio.open_connection(sock=sock, limit=1_024))
    yield peer
    await peer.leave()


def client_frame(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


@clause311("MQTT-6.0.0-2")
@clause("MQTT-6.0.0-2")
async def test_packets_and_frames_need_not_agree() -> None:
    async with running(framed()) as broker, client(broker) as connection:
        wire = encode(Connect("c")) + encode(Pingreq())
        for at in range(0, len(wire), 5):
            await connection.send(wire[at : at + 5])
        got = b""
        while len(got) < 6:
            piece = await connection.recv()
            assert isinstance(piece, bytes)
            got += piece
        assert got == encode(Connack()) + encode(Pingresp())
        assert connection.subprotocol == "mqtt"


async def test_paho_over_websocket() -> None:
    # Its requests name the broker's own origin.
    async with running(framed("*")) as broker:
        paho = Paho("paho", transport="websockets")
        paho.mqtt.ws_set_options("/mqtt")
        await asyncio.to_thread(paho.connect, broker.port)
        await asyncio.to_thread(paho.subscribe, "t/#", 2)
        await asyncio.to_thread(paho.publish, "t/1", "x" * 100_000, 2)
        await broker.until("it comes back", lambda: paho.payloads == ["x" * 100_000])
        await asyncio.to_thread(paho.leave)
        assert await broker.ended("paho") == "clean"


@clause311("MQTT-6.0.0-1")
@clause("MQTT-6.0.0-1")
async def test_a_text_frame_ends_the_connection() -> None:
    async with running(framed()) as broker, client(broker) as connection:
        await connection.send(encode(Connect("c")))
        await connection.recv()
        await connection.send("text")
        with pytest.raises(ConnectionClosed) as raised:
            await connection.recv()
        assert raised.value.rcvd is not None
        assert raised.value.rcvd.code == 1003
        assert await broker.ended("c") == "malformed frame: text frame; expected binary ones"


async def test_a_ping_is_answered_and_a_close_too() -> None:
    async with running(framed()) as broker:
        async with client(broker) as connection:
            await connection.send(encode(Connect("c")))
            await asyncio.wait_for(await connection.ping(b"there?"), WITHIN_S)
        assert connection.close_code == 1000
        assert await broker.ended("c") == "connection lost"


async def test_pings_of_a_peer_that_reads_nothing_take_no_memory() -> None:
    settings = framed(packet_bytes=20_000, write_buffer_bytes=50_000)
    async with running(settings) as broker, narrow(broker) as peer:
        subscribe = encode(Connect("c")) + encode(Subscribe(1, (("t", 0),)))
        await peer.send(HEAD, client_frame(Opcode.BINARY, subscribe))
        await broker.until("it is subscribed", lambda: broker.broker.totals().subscriptions)
        while not broker.broker.totals().messages_dropped:
            broker.broker.publish("t", b"x" * 10_000)
            await asyncio.sleep(0)
        full = broker.broker.report().clients[0].write_buffer_bytes
        for _ in range(500):  # each in a segment of its own
            await peer.send(client_frame(Opcode.PING, b"x" * 125))
            await asyncio.sleep(0)
        await peer.send(client_frame(Opcode.BINARY, encode(Publish("other", b"read"))))
        await broker.until("all was read", lambda: broker.sink.payloads)
        broker.broker.publish("t", b"y")  # with it the buffer is looked at again
        await asyncio.sleep(0)
        assert broker.broker.report().clients[0].write_buffer_bytes <= full + 100


async def test_pages_of_other_sites_stay_out_unless_they_are_named() -> None:
    page = "https://plant.example"
    async with running(framed()) as broker:
        with pytest.raises(InvalidStatus) as raised:
            async with client(broker, page):
                pass
        assert raised.value.response.status_code == 403
        assert broker.refused() == {"WebSocket handshake failed": 1}
        await broker.until("its place is free", lambda: not broker.broker.totals().connections)
    async with running(framed(page)) as broker, client(broker, page) as connection:
        await connection.send(encode(Connect("c")))
        assert await connection.recv() == encode(Connack())


async def test_a_request_in_pieces_with_frames_right_behind_it() -> None:
    async with running(framed()) as broker, broker.peer() as peer:
        frames = client_frame(Opcode.BINARY, encode(Connect("c")))
        await peer.send(HEAD[:50])
        await peer.send(HEAD[50:] + frames[:4])
        await peer.send(frames[4:])
        head = await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), WITHIN_S)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert await peer.exactly(6) == b"\x82\x04" + encode(Connack())


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        (encode(Connect("c")) + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n", b"426"),
        (b"GET /mqtt HTTP/1.1\r\nCookie: " + b"x" * 20_000, b"431"),
    ],
)
async def test_what_is_no_handshake_is_answered_and_closed(wire: bytes, status: bytes) -> None:
    async with running(framed()) as broker, broker.peer() as peer:
        await peer.send(wire)
        answer = await asyncio.wait_for(peer.reader.read(), WITHIN_S)
        assert answer.split(b" ")[1] == status
        assert broker.refused() == {"WebSocket handshake failed": 1}


async def test_a_handshake_that_does_not_come_is_given_up() -> None:
    settings = framed(connect_timeout_s=0.3, connections=1)
    async with running(settings) as broker, broker.peer() as silent, broker.peer() as second:
        await second.closed()
        await silent.send(HEAD[:20])
        await silent.closed()
        assert broker.refused() == {"too many connections": 1, "WebSocket handshake failed": 1}
        assert broker.broker.report().refusals[-1].reason.endswith(": not done in time")
        await broker.until("its place is free", lambda: not broker.broker.totals().connections)


async def test_stop_does_not_wait_for_handshakes() -> None:
    async with running(framed()) as broker, broker.peer() as silent:
        await broker.until("it is there", lambda: broker.broker.totals().connections)
        await broker.broker.stop()
        await silent.closed()
