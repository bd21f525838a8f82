"""Sockets that accept clients."""

import asyncio
import errno
from collections.abc import Sequence
from functools import partial

from tocsin.broker.listener import Caller, Listener
from tocsin.broker.secure_server import BACKLOG, SecureServer
from tocsin.broker.surroundings import Surroundings
from tocsin.broker.throttled import make_connection
from tocsin.broker.tls import CertificateError, Certificates
from tocsin.broker.websocket.socket import WebSocket


class ListenError(OSError):
    """An address cannot be listened on: says which, and why."""

    def __init__(self, number: int | None, why: str, listener: Listener) -> None:
        super().__init__(number, why)
        self.listener = listener


class Listeners:
    """Owns the listening sockets."""

    def __init__(self) -> None:
        self._servers: list[tuple[Listener, asyncio.Server | SecureServer]] = []

    @property
    def bound(self) -> list[tuple[Listener, str, int]]:
        """Every socket with its listener, host and port; port 0 is resolved."""
        return [
            (listener, *socket.getsockname()[:2])
            for listener, server in self._servers
            for socket in server.sockets
        ]

    async def open(self, wanted: Sequence[Listener], around: Surroundings) -> None:
        """Listens at each, or at none. Raises ListenError."""
        for listener in wanted:
            try:
                server = await _open(listener, around)
            except CertificateError as error:
                self.close()
                why = f"MQTT cannot listen on {listener}: {error}"
                raise ListenError(None, why, listener) from error
            except OSError as error:
                self.close()
                busy = error.errno == errno.EADDRINUSE
                why = "the port is in use" if busy else error.strerror or str(error)
                raise ListenError(
                    error.errno, f"MQTT cannot listen on {listener}: {why}", listener
                ) from error
            self._servers.append((listener, server))

    def close(self) -> None:
        """Stops accepting. Open connections are not touched, and not waited for."""
        for _, server in self._servers:
            server.close()
        self._servers.clear()


async def _open(listener: Listener, around: Surroundings) -> asyncio.Server | SecureServer:
    """Raises OSError and CertificateError."""

    def accept(caller: Caller) -> asyncio.Protocol:
        inner = partial(make_connection, around)
        return WebSocket(around, caller, inner) if listener.websocket else inner(caller)

    if listener.tls is None:
        return await asyncio.get_running_loop().create_server(
            lambda: accept(Caller(listener)), listener.host, listener.port, backlog=BACKLOG
        )
    certificates = Certificates(listener.tls, lambda why: around.refusals.add(why, str(listener)))
    server = SecureServer(around, listener, certificates, accept)
    await server.open()
    return server
