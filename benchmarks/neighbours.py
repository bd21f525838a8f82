"""MQTT clients that make life hard for others, and one that measures whether they do.

    python -m benchmarks.neighbours --port 1883 --what WHAT

ping         asks PINGREQ 200 times a second; its answer waits for the server's event loop
deaf         subscribes to everything and reads nothing
flood        publishes at QoS 0 as fast as the server takes it
logins       logs in with a wrong password 50 times a second
reconnect    1,000 clients break their connections and come back at once, again and again

Prints {"ready": …} when it has begun. Each line on stdin is answered with {"seen": …}: what it did
since the line before. Loads this machine alone.
"""

import argparse
import contextlib
import selectors
import socket
import sys
import time

from tocsin.simulators.bench.lines import say
from tocsin.simulators.bench.packets import CONNACK_ACCEPTED, PINGREQ, Segments, connect, subscribe
from tocsin.simulators.bench.percentiles import percentiles
from tocsin.simulators.open_files import allow_sockets

PINGS_PER_S = 200.0
LOGINS_PER_S = 50.0
CLIENTS = 1_000
STORM_S = 10.0
"""Clients that have no answer by then are counted as failed."""
PAUSE_S = 0.5


class Neighbour:
    """Owns the sockets of one kind of neighbour; `step` does a little and returns soon."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.begin()

    def begin(self) -> None:
        """It is there when this returns."""

    def step(self) -> None:
        raise NotImplementedError

    def seen(self) -> dict[str, object]:
        """What happened since the last call."""
        return {}

    def _connected(self, name: str, receive_bytes: int = 0) -> socket.socket:
        sock = socket.socket()
        if receive_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        sock.connect(("127.0.0.1", self.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(connect(name))
        answer = sock.recv(4, socket.MSG_WAITALL)
        if answer != CONNACK_ACCEPTED:
            raise RuntimeError(f"{name} got {answer.hex()}; expected CONNACK")
        return sock


class Ping(Neighbour):
    """Times PINGREQ → PINGRESP, from when each was due."""

    def begin(self) -> None:
        self._sock = self._connected("neighbour-ping")
        self._took_s: list[float] = []
        self._due = time.monotonic()

    def step(self) -> None:
        self._due += 1.0 / PINGS_PER_S
        if (rest_s := self._due - time.monotonic()) > 0:
            time.sleep(rest_s)
        began = time.monotonic()
        self._sock.sendall(PINGREQ)
        if len(self._sock.recv(2, socket.MSG_WAITALL)) < 2:
            raise RuntimeError("the server closed the connection that pings")
        self._took_s.append(time.monotonic() - began)
        # One that was late makes no others late: they would measure the same wait again.
        self._due = max(self._due, time.monotonic() - 1.0 / PINGS_PER_S)

    def seen(self) -> dict[str, object]:
        took_s, self._took_s = self._took_s, []
        return {"took_ms": percentiles(took_s)}


class Deaf(Neighbour):
    def begin(self) -> None:
        self._sock = self._connected("neighbour-deaf", 4096)
        self._sock.sendall(subscribe("#", 0))

    def step(self) -> None:
        time.sleep(0.05)


class Flood(Neighbour):
    def begin(self) -> None:
        self._sock = self._connected("neighbour-flood")
        self._segments = Segments("neighbour-flood", 4, 0, 64)
        self._sent = 0

    def step(self) -> None:
        self._sock.sendall(self._segments.next([], time.time_ns() // 1_000_000))
        self._sent += 64

    def seen(self) -> dict[str, object]:
        sent, self._sent = self._sent, 0
        return {"sent": sent}


class Logins(Neighbour):
    def begin(self) -> None:
        self._tried = 0

    def step(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError), socket.socket() as sock:
            sock.settimeout(2.0)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(connect("neighbour-login", f"guess-{self._tried % 500}", "wrong"))
            sock.recv(4)
        self._tried += 1
        time.sleep(max(0.0, 1.0 / LOGINS_PER_S - (time.monotonic() - began)))

    def seen(self) -> dict[str, object]:
        tried, self._tried = self._tried, 0
        return {"tried": tried}


class Reconnect(Neighbour):
    def begin(self) -> None:
        allow_sockets(CLIENTS)
        self._packets = [connect(f"neighbour-{number}") for number in range(CLIENTS)]
        self._sockets: list[socket.socket] = []
        self._storms: list[float] = []
        self._failed = 0

    def step(self) -> None:
        """All come back; those that were there break off."""
        for sock in self._sockets:
            sock.close()
        began = time.monotonic()
        selector = selectors.DefaultSelector()
        self._sockets = []
        for packet in self._packets:
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
            selector.register(sock, selectors.EVENT_WRITE, packet)
            self._sockets.append(sock)
        waiting = CLIENTS
        while waiting and time.monotonic() - began < STORM_S:
            for key, events in selector.select(1.0):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    if events & selectors.EVENT_WRITE:
                        sock.send(key.data)
                        selector.modify(sock, selectors.EVENT_READ, None)
                        continue
                    accepted = sock.recv(4) == CONNACK_ACCEPTED
                except OSError:
                    accepted = False
                selector.unregister(sock)
                waiting -= 1
                self._failed += not accepted
        selector.close()
        self._failed += waiting
        self._storms.append(time.monotonic() - began)
        time.sleep(PAUSE_S)

    def seen(self) -> dict[str, object]:
        storms, self._storms = self._storms, []
        failed, self._failed = self._failed, 0
        return {"storms": len(storms), "failed": failed, "longest_s": round(max(storms or [0]), 2)}


KINDS: dict[str, type[Neighbour]] = {
    "ping": Ping,
    "deaf": Deaf,
    "flood": Flood,
    "logins": Logins,
    "reconnect": Reconnect,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.neighbours")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--what", choices=tuple(KINDS), required=True)
    args = parser.parse_args()
    neighbour = KINDS[args.what](args.port)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    say("ready", {})
    while True:
        if selector.select(0):
            if not sys.stdin.readline():
                return 0
            say("seen", neighbour.seen())
        neighbour.step()


if __name__ == "__main__":
    sys.exit(main())
