"""The load generator: raw sockets, prebuilt packets, one thread.

Devices take turns, each a connection of its own. Three ways to load:

open loop     R messages a second in all, whatever the server does. Message i is due at
              start + i/R; latency counts from then, so that waiting is not omitted.
closed loop   C messages under way in all, more as some are acknowledged. At QoS 0 the answer to
              a PINGREQ says that the server has read what came before it; a device asks when
              half of its share is out, since asking costs about what a message does.
reconnect     all connections break; all devices come back and publish one message.

At the end a PINGREQ on each connection is answered only when the server has read all before it, so
the measured time covers all messages.
"""

import gc
import selectors
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from types import TracebackType

from tocsin.simulators.bench.packets import (
    CONNACK_ACCEPTED,
    DISCONNECT,
    PACKET_IDS,
    PINGREQ,
    Publications,
    Segments,
    connect,
)
from tocsin.simulators.open_files import allow_sockets

CONNECTS_AT_ONCE = 50
"""Below the listen backlog of every broker."""
CONNECT_S = 10.0
PATIENCE_S = 20.0
"""How long the server may take for what is under way at the end."""
HOT_C = 150.0
WARMUP_PER_S = 5000.0
BURST = 64
"""Messages between two looks at the sockets, so that acknowledgements are read in time."""
REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses this client id",
    3: "it is unavailable",
    4: "bad user name or password",
    5: "not authorised",
}


class LoadError(Exception):
    """The server did not do its part, so there is no figure."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the load looks like. `pipeline` joins that many messages of a device to one segment."""

    host: str = "127.0.0.1"
    port: int = 1883
    connections: int = 1000
    qos: int = 1
    metrics: int = 4
    pipeline: int = 1
    prefix: str = "bench"
    warmup: int = 2
    """Messages of each device before the measured ones, so that the server knows each."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What was sent and how it was answered. `cpu` is the generator's own part of one core."""

    sent: int
    acked: int
    elapsed_s: float
    drain_s: float
    """Of it after the last message was sent."""
    latency_s: "array[float]"
    """Publish → acknowledgement of each message at QoS 1."""
    lateness_s: "array[float]"
    """How late the generator was with each message of an open loop."""
    cpu: float


class Device:
    """One connection: its socket, its messages, and what is under way on it."""

    __slots__ = (
        "began",
        "next_id",
        "pending",
        "pings",
        "publications",
        "segments",
        "sock",
        "unconfirmed",
        "unread",
    )

    def __init__(self, name: str, sock: socket.socket, shape: Shape) -> None:
        self.sock = sock
        self.publications = Publications(name, shape.metrics, shape.qos)
        self.segments = (
            Segments(name, shape.metrics, shape.qos, shape.pipeline) if shape.pipeline > 1 else None
        )
        self.began: deque[float] = deque()  # due times of unacknowledged messages, oldest first
        self.next_id = 0
        self.unconfirmed = 0  # messages at QoS 0 since the last PINGREQ
        self.pending = b""  # bytes the socket did not take
        self.unread = b""  # the begin of a packet
        # By PINGREQ not yet answered, oldest first: the messages that its answer confirms.
        self.pings: deque[int] = deque()


class Load:
    """State: the devices, the counts, and the latency of every acknowledged message.

    A context manager: the devices say DISCONNECT at the end, unless it is an error. Raises
    LoadError or OSError where the server does not answer as a broker does, ValueError when the
    operating system does not allow that many sockets.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        allow_sockets(shape.connections)
        self._selector = selectors.DefaultSelector()
        self._devices: list[Device] = []
        self._forget()
        self._connect()

    def warm_up(self) -> None:
        """Lets the server meet every device and every shape of message, and forgets the figures."""
        if messages := self._shape.warmup * len(self._devices):
            self._publish_at(WARMUP_PER_S, messages / WARMUP_PER_S, 0.0)
            self._drain()
        self._forget()

    def open_loop(self, rate: float, seconds: float, storm: float = 0.0) -> Result:
        """`rate` messages a second. From the middle on, every message of the part `storm` of the
        devices has a temperature of 150 °C."""
        return self._measure(lambda: self._publish_at(rate, seconds, storm))

    def closed_loop(self, credit: int, seconds: float) -> Result:
        """Always `credit` messages under way."""
        return self._measure(lambda: self._publish_as_acknowledged(credit, seconds))

    def reconnect(self) -> Result:
        return self._measure(self._publish_anew)

    def __enter__(self) -> "Load":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            for device in self._devices:
                device.sock.setblocking(True)
                device.sock.sendall(DISCONNECT)
        self._close_sockets()
        self._selector.close()

    def _measure(self, publish: Callable[[], None]) -> Result:
        self._forget()
        gc.collect()
        used_s, began = time.process_time(), time.monotonic()
        publish()
        published = time.monotonic()
        self._drain()
        ended = time.monotonic()
        return Result(
            sent=self._sent,
            acked=self._acked,
            elapsed_s=ended - began,
            drain_s=ended - published,
            latency_s=self._latency_s,
            lateness_s=self._lateness_s,
            cpu=(time.process_time() - used_s) / (ended - began),
        )

    def _forget(self) -> None:
        self._sent = self._acked = self._confirmed = 0
        self._latency_s = array("d")
        self._lateness_s = array("d")

    # -- loops ----------------------------------------------------------------------------

    def _publish_at(self, rate: float, seconds: float, storm: float) -> None:
        devices, lateness_s = self._devices, self._lateness_s
        total, done = int(rate * seconds), 0
        hot = self._hot(storm)
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
                for device, publications in zip(devices, hot, strict=False):
                    device.publications = publications
                hot = []
            behind = done < due
            self._exchange(0.0 if behind else max(0.0, began + done / rate - time.monotonic()))

    def _hot(self, part: float) -> list[Publications]:
        shape = self._shape
        return [
            Publications(f"{shape.prefix}-{n}", shape.metrics, shape.qos, HOT_C)
            for n in range(int(len(self._devices) * part))
        ]

    def _publish_as_acknowledged(self, credit: int, seconds: float) -> None:
        """A segment of each device in turn, as long as fewer than `credit` are under way."""
        pipeline, qos = self._shape.pipeline, self._shape.qos
        # A device with half of its share unconfirmed asks: the other half goes on meanwhile.
        share = max(1, credit // (2 * len(self._devices)))
        free, devices = max(credit, pipeline), cycle(self._devices)
        returned = 0
        deadline = time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            turns = min(BURST, free // pipeline)
            for device in islice(devices, turns):
                if device.segments:
                    self._publish_joined(device, device.segments, now)
                else:
                    self._publish(device, now)
                if not qos:
                    device.unconfirmed += pipeline
                    if device.unconfirmed >= share:
                        self._ping(device)
            free -= turns * pipeline
            self._exchange(0.1 if free < pipeline else 0.0)
            free += self._acked + self._confirmed - returned
            returned = self._acked + self._confirmed

    def _publish_anew(self) -> None:
        self._close_sockets()
        self._connect()
        for device in self._devices:
            self._publish(device, time.monotonic())

    # -- connections ----------------------------------------------------------------------

    def _connect(self) -> None:
        shape = self._shape
        names = [f"{shape.prefix}-{n}" for n in range(shape.connections)]
        try:
            for start in range(0, len(names), CONNECTS_AT_ONCE):
                self._connect_some(names[start : start + CONNECTS_AT_ONCE])
        except BaseException:
            self._close_sockets()
            raise

    def _connect_some(self, names: Sequence[str]) -> None:
        shape = self._shape
        some: list[Device] = []
        for name in names:
            sock = socket.create_connection((shape.host, shape.port), CONNECT_S)
            device = Device(name, sock, shape)
            self._selector.register(sock, selectors.EVENT_READ, device)
            self._devices.append(device)
            some.append(device)
        for name, device in zip(names, some, strict=True):
            device.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            device.sock.sendall(connect(name, shape.username, shape.password))
        for name, device in zip(names, some, strict=True):
            _check_connack(name, device.sock)
            device.sock.setblocking(False)

    def _close_sockets(self) -> None:
        for device in self._devices:
            self._selector.unregister(device.sock)
            device.sock.close()
        self._devices = []

    # -- messages -------------------------------------------------------------------------

    def _publish(self, device: Device, at: float) -> None:
        packet_id = b""
        if self._shape.qos:
            device.next_id = number = device.next_id % 65535 + 1
            packet_id = PACKET_IDS[number]
            device.began.append(at)
        self._sent += 1
        # A device that repeats a time repeats a reading: microseconds keep them apart.
        stamp = b"%d.%03d" % divmod(time.time_ns() // 1000, 1000)
        self._send(device, device.publications.next(packet_id, stamp))

    def _publish_joined(self, device: Device, segments: Segments, at: float) -> None:
        size, ids = segments.size, PACKET_IDS
        if self._shape.qos:
            first = device.next_id + 1 if device.next_id + size < 65536 else 1
            device.next_id = first + size - 1
            ids = PACKET_IDS[first : first + size]
            device.began.extend([at] * size)
        self._sent += size
        self._send(device, segments.next(ids, time.time_ns() // 1_000_000))

    def _ping(self, device: Device) -> None:
        device.pings.append(device.unconfirmed)
        device.unconfirmed = 0
        self._send(device, PINGREQ)

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
        received = device.sock.recv(65536)
        if not received:
            raise LoadError(f"the server closed a connection after {self._sent:,} messages")
        now = time.monotonic()
        data = device.unread + received if device.unread else received
        at, acked, size = 0, 0, len(data)
        if not size % 4 and data[::4].count(0x40) == size // 4:
            at, acked = size, size // 4  # PUBACKs and nothing else, as nearly always
        while at < size:
            kind = data[at]
            if kind == 0x40:  # PUBACK, in the order of the messages
                if at + 4 > size:
                    break
                acked += 1
                at += 4
            elif kind == 0xD0:  # PINGRESP
                if at + 2 > size:
                    break
                if not device.pings:
                    raise LoadError("a PINGRESP came for no PINGREQ")
                self._confirmed += device.pings.popleft()
                at += 2
            else:
                raise LoadError(f"packet type {kind:#x} came; expected PUBACK or PINGRESP")
        device.unread = data[at:]
        if acked:
            began = device.began
            if acked > len(began):
                raise LoadError(f"{acked} PUBACKs came for {len(began)} messages under way")
            self._latency_s.extend([now - began.popleft() for _ in range(acked)])
            self._acked += acked

    def _drain(self) -> None:
        """Waits until the server has read and acknowledged everything."""
        for device in self._devices:
            self._ping(device)
        deadline = time.monotonic() + PATIENCE_S
        while any(device.pings or device.began for device in self._devices):
            if time.monotonic() > deadline:
                missing = sum(len(device.began) for device in self._devices)
                raise LoadError(f"{missing:,} messages unacknowledged after {PATIENCE_S:.0f} s")
            self._exchange(0.1)


def _check_connack(name: str, sock: socket.socket) -> None:
    answer = sock.recv(4, socket.MSG_WAITALL)
    if answer == CONNACK_ACCEPTED:
        return
    if len(answer) == 4 and answer[0] == 0x20:
        reason = REFUSALS.get(answer[3], f"return code {answer[3]}")
        raise LoadError(f"the server refused the connection of {name}: {reason}")
    raise LoadError(f"{name} got {answer.hex() or 'nothing'} for its CONNECT; expected a CONNACK")
