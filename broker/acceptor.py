"""The sockets of a listener: who comes is let in a few at a time, and counted at once.

`asyncio` accepts all that come in one turn of the event loop: with a thousand devices that
reconnect everybody else would wait for all of them. With TLS it calls a protocol after
the handshake only, so that sockets without one would be counted nowhere.
"""

import asyncio
import socket
from collections.abc import Callable
from time import monotonic

from tocsin.broker.listener import Caller, Listener
from tocsin.broker.surroundings import Surroundings
from tocsin.broker.tls import Certificates, failure

BACKLOG = 1024

# Accepted in one turn of the loop: the others come before the next ones.
_AT_ONCE = 16
# With no file descriptors left every turn would fail again.
_REST_S = 0.5


class Acceptor:
    """Owns listening sockets, and each accepted one until it is a connection: with `certificates`,
    until its handshake is done.

    A socket here counts against the bounds on connections and has the connect timeout.
    """

    def __init__(
        self,
        around: Surroundings,
        listener: Listener,
        certificates: Certificates | None,
        accept: Callable[[Caller], asyncio.Protocol],
    ) -> None:
        self._around = around
        self._listener = listener
        self._certificates = certificates
        self._accept = accept
        self.sockets: list[socket.socket] = []

    async def open(self) -> None:
        """Listens on every address of the listener's host. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._listener.host,
            self._listener.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
        try:
            for family, kind, protocol, _, place in dict.fromkeys(found):
                sock = socket.socket(family, kind, protocol)
                self.sockets.append(sock)
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind(place)
                sock.listen(BACKLOG)
        except OSError:
            for sock in self.sockets:
                sock.close()
            raise
        for sock in self.sockets:
            loop.add_reader(sock, self._come, sock)

    def close(self) -> None:
        """Stops accepting. Handshakes under way are not touched."""
        loop = asyncio.get_running_loop()
        for sock in self.sockets:
            loop.remove_reader(sock)
            sock.close()
        self.sockets.clear()

    def _come(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._around.refusals.add(f"cannot accept: {error.strerror}", str(self._listener))
                self._rest(listening)
                return
            self._take(sock, peer)

    def _rest(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)

        def go_on() -> None:
            if listening in self.sockets:
                loop.add_reader(listening, self._come, listening)

        loop.call_later(_REST_S, go_on)

    def _take(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        around = self._around
        host, port = peer[:2]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        caller = Caller(self._listener)
        why = around.door.enter(caller, host, monotonic())
        if why is not None:
            around.refusals.add(why, address)
            sock.close()
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.get_running_loop().create_task(self._agree(sock, caller, address))
        around.arriving.add(task)
        task.add_done_callback(around.arriving.discard)

    async def _agree(self, sock: socket.socket, caller: Caller, address: str) -> None:
        settings, certificates = self._around.settings, self._certificates
        loop, began = asyncio.get_running_loop(), monotonic()
        try:
            if certificates is None:
                await loop.connect_accepted_socket(lambda: self._accept(caller), sock)
            else:
                await loop.connect_accepted_socket(
                    lambda: self._accept(caller),
                    sock,
                    ssl=certificates.context(began),
                    ssl_handshake_timeout=settings.connect_timeout_s,
                    ssl_shutdown_timeout=settings.linger_s,
                )
        except OSError as error:  # ssl.SSLError, ConnectionError, TimeoutError
            self._around.door.leave(caller)
            if certificates is None:
                self._around.refusals.add(f"cannot accept: {error.strerror}", address)
                return
            if monotonic() - began >= settings.connect_timeout_s:
                self._around.clients.hits.add("connect_timeout_s")
            self._around.refusals.add(f"TLS handshake failed: {failure(error)}", address)
        except BaseException:
            self._around.door.leave(caller)
            raise
