"""MQTT subscribers that only count: raw sockets, one process for all of them.

    python -m benchmarks.subscribers --port 1883 --count 100 --filter 'devices/#' --qos 0 [--slow]

Prints {"ready": …} when all are subscribed. Each line on stdin is answered with {"seen": …}, the
deliveries since the line before. At QoS 1 it acknowledges. With `--slow` it reads nothing more.
"""

import argparse
import json
import selectors
import socket
import sys

from benchmarks.packets import CONNACK_ACCEPTED, DISCONNECT, connect, puback, subscribe


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.subscribers")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--filter", default="devices/#")
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0)
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args()
    subscribers = [
        Subscriber(f"subscriber-{n}", args.port, args.filter, args.qos, args.slow)
        for n in range(args.count)
    ]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    for subscriber in subscribers if not args.slow else []:
        selector.register(subscriber.sock, selectors.EVENT_READ, subscriber)
    print(json.dumps({"ready": {}}), flush=True)
    closed = 0
    while True:
        for key, _ in selector.select():
            if key.data is not None:
                if not key.data.read():
                    selector.unregister(key.fileobj)
                    closed += 1
            elif sys.stdin.readline():
                seen = {"deliveries": sum(s.deliveries for s in subscribers), "closed": closed}
                print(json.dumps({"seen": seen}), flush=True)
                for subscriber in subscribers:
                    subscriber.deliveries = 0
            else:
                if not args.slow:
                    for subscriber in subscribers:
                        subscriber.sock.sendall(DISCONNECT)
                return 0


if __name__ == "__main__":
    sys.exit(main())
