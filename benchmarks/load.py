"""The load generator: raw sockets, prebuilt packets, one thread, one process of its own.

    python -m benchmarks.load --port 1883 --connections 1000 --qos 1 --rate 5000 --seconds 10

Three ways to load:

--rate R     open loop: R messages a second in all, whatever the server does. Message i is due at
             start + i/R; latency counts from then, so that waiting is not omitted.
--credit C   closed loop: C messages under way in all, the next segment as one is acknowledged.
             At QoS 0 a PINGREQ ends each segment; its answer says that the server has read it.
--reconnect  all connections break; all devices come back and publish one message.

Before, every device publishes `--warmup` messages that count for nothing, so that each is known.
With `--storm P`, every message of the part P of the devices is over the limit of a temperature
rule from the middle of an open loop on, and a storm of alarms begins within one round.

In each, the devices take turns. `--pipeline K` joins K messages of a device to one segment; with
1, every message is a segment of its own. At the end a PINGREQ on each connection is
answered only when the server has read all before it, so the measured time covers all messages.

Talks to its parent in lines of JSON: prints {"connected": …}, and after a line on stdin
warms up and prints {"ready": …}, and after another runs and prints {"result": …}. It disconnects
when stdin closes.
"""

import argparse
import json
import resource
import selectors
import socket
import sys
import time
from array import array
from collections import deque
from itertools import cycle, islice

from benchmarks.measure import Snapshot, percentiles
from benchmarks.packets import (
    CONNACK_ACCEPTED,
    DISCONNECT,
    PINGREQ,
    Publications,
    connect,
    packet_ids,
)

CONNECTS_AT_ONCE = 50
"""Below the listen backlog of every peer."""
PATIENCE_S = 30.0
"""How long the server may take for what is under way at the end."""
HOT_C = 150.0
WARMUP_PER_S = 5000.0
BURST = 64
"""Messages between two looks at the sockets, so that acknowledgements are read in time."""


class LoadError(Exception):
    """The server did not do its part, so there is no figure."""


class Device:
    """One connection: its socket, its messages, and what is under way on it."""

    __slots__ = ("acked", "began", "hot", "next_id", "pending", "pings", "publications", "sock")

    def __init__(self, name: str, sock: socket.socket, metrics: int, qos: int) -> None:
        self.sock = sock
        self.publications = Publications(name, metrics, qos)
        self.hot = Publications(name, metrics, qos, temp_c=HOT_C)
        self.began: deque[float] = deque()  # due times of unacknowledged messages, oldest first
        self.acked = 0
        self.next_id = 0
        self.pending = b""  # bytes the socket did not take
        self.pings = 0  # not yet answered


class Load:
    """State: the devices, the counts, and the latency of every acknowledged message."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._ids = packet_ids()
        self._selector = selectors.DefaultSelector()
        self._devices = _connect_all(args)
        for device in self._devices:
            self._selector.register(device.sock, selectors.EVENT_READ, device)
        self._stamp_ms = 0
        self._stamp = b""
        self._freed: deque[Device] = deque()
        self._forget()

    def warm_up(self) -> None:
        """Lets the server meet every device and every shape of message, and forgets the figures."""
        if messages := self._args.warmup * len(self._devices):
            self._open_loop(WARMUP_PER_S, messages / WARMUP_PER_S)
            self._drain()
        self._forget()

    def _forget(self) -> None:
        self.sent = self.acked = 0
        self.latency_s = array("d")
        self.lateness_s = array("d")
        self._freed.clear()

    def run(self) -> dict[str, object]:
        args = self._args
        usage, accounts = resource.getrusage(resource.RUSAGE_SELF), Snapshot.take({})
        began = time.monotonic()
        if args.rate:
            self._open_loop(args.rate, args.seconds, storm=args.storm)
        elif args.credit:
            self._closed_loop(args.credit, args.seconds)
        else:
            self._reconnect()
        published = time.monotonic()
        self._drain()
        ended = time.monotonic()
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime - usage.ru_utime - usage.ru_stime
        return {
            "sent": self.sent,
            "acked": self.acked,
            "elapsed_s": round(ended - began, 4),
            "drain_s": round(ended - published, 4),
            "messages_per_s": round(self.sent / (ended - began)),
            "latency_ms": percentiles(self.latency_s),
            "lateness_ms": percentiles(self.lateness_s),
            "generator_cpu": round(cpu_s / (ended - began), 3),
            "steal": round(Snapshot.take({}).steal_since(accounts), 4),
        }

    def close(self) -> None:
        for device in self._devices:
            device.sock.setblocking(True)
            device.sock.sendall(DISCONNECT)
            device.sock.close()

    def _open_loop(self, rate: float, seconds: float, storm: float = 0.0) -> None:
        devices, lateness_s = self._devices, self.lateness_s
        total, done = int(rate * seconds), 0
        hot = devices[: int(len(devices) * storm)]
        began = time.monotonic()
        while done < total:
            now = time.monotonic()
            due = min(total, int((now - began) * rate) + 1)
            for i in range(done, min(due, done + BURST)):
                at = began + i / rate
                lateness_s.append(now - at)
                self._publish(devices[i % len(devices)], at)
                done += 1
            if hot and done >= total // 2:
                for device in hot:
                    device.publications = device.hot
                hot = []
            behind = done < due
            self._exchange(0.0 if behind else max(0.0, began + done / rate - time.monotonic()))

    def _closed_loop(self, credit: int, seconds: float) -> None:
        """A turn is one segment under way; it is given to the devices round and round."""
        size = self._args.pipeline
        waiting = deque(islice(cycle(self._devices), max(1, credit // size)))
        deadline = time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            for _ in range(min(BURST, len(waiting))):
                self._publish_joined(waiting.popleft(), size, now)
            self._exchange(0.0 if waiting else 0.1)
            waiting += self._freed
            self._freed.clear()

    def _reconnect(self) -> None:
        for device in self._devices:
            self._selector.unregister(device.sock)
            device.sock.close()
        self._devices = _connect_all(self._args)
        for device in self._devices:
            self._selector.register(device.sock, selectors.EVENT_READ, device)
            self._publish(device, time.monotonic())

    def _publish(self, device: Device, at: float) -> None:
        self._send(device, self._packet(device, at))

    def _publish_joined(self, device: Device, count: int, at: float) -> None:
        self._send(device, b"".join([self._packet(device, at) for _ in range(count)]))
        if not self._args.qos:
            self._ping(device)

    def _ping(self, device: Device) -> None:
        device.pings += 1
        self._send(device, PINGREQ)

    def _packet(self, device: Device, at: float) -> bytes:
        packet_id = b""
        if self._args.qos:
            device.next_id = number = device.next_id % 65535 + 1
            packet_id = self._ids[number]
            device.began.append(at)
        self.sent += 1
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds != self._stamp_ms:
            self._stamp_ms, self._stamp = milliseconds, b"%d" % milliseconds
        return device.publications.next(packet_id, self._stamp)

    def _send(self, device: Device, data: bytes) -> None:
        if device.pending:
            device.pending += data
            return
        try:
            taken = device.sock.send(data)
        except BlockingIOError:
            taken = 0
        if taken < len(data):
            device.pending = data[taken:]
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(device.sock, both, device)

    def _exchange(self, timeout_s: float) -> None:
        for key, events in self._selector.select(timeout_s):
            device: Device = key.data
            if events & selectors.EVENT_WRITE:
                data, device.pending = device.pending, b""
                self._selector.modify(device.sock, selectors.EVENT_READ, device)
                self._send(device, data)
            if events & selectors.EVENT_READ:
                self._receive(device)

    def _receive(self, device: Device) -> None:
        data = device.sock.recv(65536)
        if not data:
            raise LoadError(f"the server closed a connection after {self.sent} messages")
        now = time.monotonic()
        at = 0
        while at < len(data):
            if data[at] == 0x40:  # PUBACK, in the order of the messages
                if at + 4 > len(data):
                    data += _exactly(device.sock, at + 4 - len(data))
                self.latency_s.append(now - device.began.popleft())
                self.acked += 1
                at += 4
                device.acked += 1
                if device.acked % self._args.pipeline == 0:
                    self._freed.append(device)
            elif data[at] == 0xD0:  # PINGRESP
                if at + 2 > len(data):
                    data += _exactly(device.sock, at + 2 - len(data))
                device.pings -= 1
                self._freed.append(device)
                at += 2
            else:
                raise LoadError(f"packet type {data[at]:#x} came; expected PUBACK or PINGRESP")

    def _drain(self) -> None:
        """Waits until the server has read and acknowledged everything."""
        for device in self._devices:
            self._ping(device)
        deadline = time.monotonic() + PATIENCE_S
        while any(device.pings or device.began for device in self._devices):
            if time.monotonic() > deadline:
                missing = sum(len(device.began) for device in self._devices)
                raise LoadError(f"{missing} messages unacknowledged after {PATIENCE_S} s")
            self._exchange(0.1)


def _exactly(sock: socket.socket, count: int) -> bytes:
    """The rest of a packet that a read cut in two."""
    sock.setblocking(True)
    data = sock.recv(count, socket.MSG_WAITALL)
    sock.setblocking(False)
    return data


def _connect_all(args: argparse.Namespace) -> list[Device]:
    needed = args.connections + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
    devices: list[Device] = []
    names = [f"{args.prefix}-{n}" for n in range(args.connections)]
    for start in range(0, len(names), CONNECTS_AT_ONCE):
        some = names[start : start + CONNECTS_AT_ONCE]
        socks = [socket.create_connection(("127.0.0.1", args.port), 10.0) for _ in some]
        for name, sock in zip(some, socks, strict=True):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(connect(name))
        for name, sock in zip(some, socks, strict=True):
            answer = sock.recv(4, socket.MSG_WAITALL)
            if answer != CONNACK_ACCEPTED:
                raise LoadError(f"{name} got {answer.hex()} for its CONNECT; expected 20020000")
            sock.setblocking(False)
            devices.append(Device(name, sock, args.metrics, args.qos))
    return devices


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0)
    parser.add_argument("--metrics", type=int, choices=(1, 2, 3, 4), default=4)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--prefix", default="bench")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--storm", type=float, default=0.0)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float)
    how.add_argument("--credit", type=int)
    how.add_argument("--reconnect", action="store_true")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    began = time.monotonic()
    try:
        load = Load(args)
        connect_s = round(time.monotonic() - began, 3)
        print(json.dumps({"connected": {"connect_s": connect_s}}), flush=True)
        sys.stdin.readline()
        load.warm_up()
        print(json.dumps({"ready": {}}), flush=True)
        sys.stdin.readline()
        print(json.dumps({"result": load.run()}), flush=True)
        sys.stdin.read()
        load.close()
    except (LoadError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
