"""Sockets that accept clients."""

import asyncio
import errno
from collections.abc import Callable

_BACKLOG = 1024


class ListenError(OSError):
    """An address cannot be listened on: says which, and why."""


class Listeners:
    """Owns the listening sockets."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Bound host and port of every socket; port 0 is resolved."""
        bound = [socket.getsockname() for server in self._servers for socket in server.sockets]
        return [(name[0], name[1]) for name in bound]

    async def open(
        self, wanted: tuple[tuple[str, int], ...], accept: Callable[[], asyncio.Protocol]
    ) -> None:
        """Listens on each host and port, or on none. Raises ListenError."""
        loop = asyncio.get_running_loop()
        for host, port in wanted:
            try:
                server = await loop.create_server(accept, host, port, backlog=_BACKLOG)
            except OSError as error:
                self.close()
                busy = error.errno == errno.EADDRINUSE
                why = "the port is in use" if busy else error.strerror or str(error)
                raise ListenError(
                    error.errno, f"MQTT cannot listen on {host}:{port}: {why}"
                ) from error
            self._servers.append(server)

    def close(self) -> None:
        """Stops accepting. Open connections are not touched, and not waited for."""
        for server in self._servers:
            server.close()
        self._servers.clear()
