"""Sockets that accept clients."""

import asyncio
import errno
from collections.abc import Sequence
from functools import partial

from tocsin.broker.acceptor import Acceptor
from tocsin.broker.listener import Caller, Listener
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
        self._acceptors: list[tuple[Listener, Acceptor]] = []

    @property
    def bound(self) -> list[tuple[Listener, str, int]]:
        """Every socket with its listener, host and port; port 0 is resolved."""
        return [
            (listener, *socket.getsockname()[:2])
            for listener, acceptor in self._acceptors
            for socket in acceptor.sockets
        ]

    async def open(self, wanted: Sequence[Listener], around: Surroundings) -> None:
        """Listens at each, or at none. Raises ListenError."""
        for listener in wanted:
            try:
                acceptor = await _open(listener, around)
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
            self._acceptors.append((listener, acceptor))

    def close(self) -> None:
        """Stops accepting. Open connections are not touched, and not waited for."""
        for _, acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()


async def _open(listener: Listener, around: Surroundings) -> Acceptor:
    """Raises OSError and CertificateError."""

    def accept(caller: Caller) -> asyncio.Protocol:
        inner = partial(make_connection, around)
        return WebSocket(around, caller, inner) if listener.websocket else inner(caller)

    certificates = None
    if listener.tls is not None:
        refused = around.refusals.add
        certificates = Certificates(listener.tls, lambda why: refused(why, str(listener)))
    acceptor = Acceptor(around, listener, certificates, accept)
    await acceptor.open()
    return acceptor
