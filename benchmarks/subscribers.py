"""MQTT subscribers that only count: raw sockets, one process for all of them.

    python -m benchmarks.subscribers --port 1883 --count 100 --filter 'devices/#' --qos 0 [--slow]

Prints {"ready": …} when all are subscribed. Each line on stdin is answered with {"seen": …}, the
deliveries since the line before. At QoS 1 it acknowledges. With `--slow` each takes 1 KiB every
half second, connects again when it is cut off, and {"seen": {"cut": …}} counts how often that was.
"""

import argparse
import selectors
import socket
import sys

from tocsin.simulators.bench.lines import say
from tocsin.simulators.bench.packets import CONNACK_ACCEPTED, DISCONNECT, connect, puback, subscribe

SLOW_BYTES = 1024
SLOW_EVERY_S = 0.5


class Subscriber:
    """One connection; counts the PUBLISH packets that came."""

    __slots__ = ("_unread", "deliveries", "sock")

    def __init__(self, name: str, port: int, topic_filter: str, qos: int, slow: bool) -> None:
        self.sock = socket.socket()
        if slow:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(connect(name) + subscribe(topic_filter, qos))
        # Retained messages may follow at once, so no more than CONNACK and SUBACK are taken.
        answer = self.sock.recv(9, socket.MSG_WAITALL)
        if answer[:4] != CONNACK_ACCEPTED or answer[8] == 0x80:
            raise RuntimeError(f"{name} got {answer.hex()}; expected CONNACK and SUBACK")
        self._unread = b""
        self.deliveries = 0

    def read(self) -> bool:
        """Takes what the socket has; whether the connection goes on."""
        received = self.sock.recv(1 << 18)
        data = self._unread + received
        at = 0
        acknowledgements: list[bytes] = []
        while len(data) - at >= 2:
            size, shift, body = 0, 0, at + 1
            while body < len(data):
                digit = data[body]
                size |= (digit & 127) << shift
                shift += 7
                body += 1
                if digit < 128:
                    break
            else:
                break
            if body + size > len(data):
                break
            if data[at] & 0xF0 == 0x30:
                self.deliveries += 1
                if data[at] & 0x06:
                    ends = body + 2 + int.from_bytes(data[body : body + 2])
                    acknowledgements.append(puback(data[ends : ends + 2]))
            at = body + size
        self._unread = data[at:]
        if acknowledgements:
            self.sock.sendall(b"".join(acknowledgements))
        return bool(received)

    def trickle(self) -> bool:
        """Takes very little and looks at none of it; whether the connection goes on."""
        self.sock.setblocking(False)
        try:
            going_on = bool(self.sock.recv(SLOW_BYTES))
        except BlockingIOError:
            return True
        except ConnectionError:
            going_on = False
        if not going_on:
            self.sock.close()
        return going_on


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.subscribers")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--filter", default="devices/#")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0)
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args()
    names = [f"subscriber-{n}" for n in range(args.count)]
    if args.slow:
        return _read_slowly(names, args)
    subscribers = [Subscriber(name, args.port, args.filter, args.qos, False) for name in names]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    for subscriber in subscribers:
        selector.register(subscriber.sock, selectors.EVENT_READ, subscriber)
    say("ready", {})
    closed = 0
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                if not key.data.read():
                    selector.unregister(key.fileobj)
                    closed += 1
            elif sys.stdin.readline():
                deliveries = sum(subscriber.deliveries for subscriber in subscribers)
                say("seen", {"deliveries": deliveries, "closed": closed})
                for subscriber in subscribers:
                    subscriber.deliveries = 0
            else:
                for subscriber in subscribers:
                    subscriber.sock.sendall(DISCONNECT)
                return 0


def _read_slowly(names: list[str], args: argparse.Namespace) -> int:
    def subscriber(name: str) -> Subscriber:
        return Subscriber(f"slow-{name}", args.port, args.filter, args.qos, True)

    subscribers = [subscriber(name) for name in names]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    cut = 0
    say("ready", {})
    while True:
        if selector.select(SLOW_EVERY_S):
            if not sys.stdin.readline():
                return 0
            say("seen", {"cut": cut})
            cut = 0
        for place, name in enumerate(names):
            if not subscribers[place].trickle():
                cut += 1
                subscribers[place] = subscriber(name)


if __name__ == "__main__":
    sys.exit(main())
