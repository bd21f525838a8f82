"""The fleet: the MQTT connections of all devices, driven by one thread through one selector."""

import selectors
from collections.abc import Callable, Sequence
from dataclasses import fields
from heapq import heappop, heappush
from itertools import count

from tocsin.simulators.broker_address import BrokerAddress
from tocsin.simulators.chance import stream
from tocsin.simulators.connection import Connection, Counters, Settings

CONNECTS_PER_TURN = 20
"""A thousand devices that come back at once must not starve those that are connected."""

KEEP_ALIVE_CHECK_S = 1.0


class Fleet:
    """State: the connections, which of them are due to connect, and whether the broker is there.

    `now` is monotonic time in seconds. `say(line)` gets one line for each change in what the
    broker does to us, however many devices it befalls.
    """

    def __init__(
        self,
        devices: Sequence[str],
        broker: BrokerAddress,
        settings: Settings,
        *,
        seed: int,
        now: float,
        say: Callable[[str], None],
    ) -> None:
        self._broker = broker
        self._settings = settings
        self._say = say
        self._selector = selectors.DefaultSelector()
        self._chance = stream(seed, "reconnects")
        self._connections = {device: self._connection(device) for device in devices}
        self._order = count()
        self._due: list[tuple[float, int, Connection]] = []
        self._ended: list[Connection] = []
        self._writers: dict[Connection, None] = {}
        self._failed_connects = 0
        self._blocked_until = now
        self._complaint = ""
        self._checked_at = now
        self.ever_accepted = False
        for connection in self._connections.values():
            self._connect_at(now, connection)

    @property
    def connected(self) -> int:
        return sum(connection.accepted for connection in self._connections.values())

    @property
    def in_flight(self) -> int:
        return sum(connection.in_flight for connection in self._connections.values())

    def counters(self) -> Counters:
        """The sum over all devices."""
        every = [connection.counters for connection in self._connections.values()]
        return Counters(*(sum(getattr(c, f.name) for c in every) for f in fields(Counters)))

    def publish(self, device: str, payload: bytes) -> None:
        self._connections[device].offer(payload)

    def turn(self, now: float, timeout_s: float) -> None:
        """Connects what is due, reads and writes; waits up to `timeout_s` for something to do."""
        self._connect_due(now)
        self._exchange(timeout_s)
        if now - self._checked_at >= KEEP_ALIVE_CHECK_S:
            self._checked_at = now
            for connection in self._connections.values():
                connection.keep_alive()
        for connection in self._ended:
            delay = self._settings.retry_delay(connection.attempts, self._chance)
            self._connect_at(now + delay, connection)
        self._ended.clear()

    def close(self, clock: Callable[[], float], within_s: float = 0.7) -> None:
        """Waits shortly for acknowledgements, then sends each broker connection a DISCONNECT."""
        began = clock()
        while self.in_flight and self.connected and clock() - began < within_s / 2:
            self._exchange(0.02)
        for connection in self._connections.values():
            connection.close()
        while any(c.is_open for c in self._connections.values()) and clock() - began < within_s:
            self._exchange(0.02)
        for connection in self._connections.values():
            connection.abandon()
        self._selector.close()

    def _connection(self, device: str) -> Connection:
        return Connection(
            device,
            self._settings,
            self._selector,
            on_accept=self._accepted,
            on_end=self._connection_ended,
            wants_write=self._wants_write,
        )

    def _exchange(self, timeout_s: float) -> None:
        self._write()
        for key, events in self._selector.select(timeout_s):
            key.data.ready(events)
        self._write()

    def _write(self) -> None:
        # Written directly: a selector's word before every small write would double the work.
        while self._writers:
            self._writers.popitem()[0].write()

    def _wants_write(self, connection: Connection) -> None:
        self._writers[connection] = None

    def _connect_at(self, at: float, connection: Connection) -> None:
        heappush(self._due, (at, next(self._order), connection))

    def _connect_due(self, now: float) -> None:
        """Opens connections, unless a TCP connect failed lately: then one device tries for all."""
        for _ in range(CONNECTS_PER_TURN):
            if not self._due or self._due[0][0] > now or self._blocked_until > now:
                return
            _, _, connection = heappop(self._due)
            try:
                connection.connect(self._broker)
            except OSError as error:
                delay = self._settings.retry_delay(self._failed_connects, self._chance)
                self._failed_connects += 1
                self._blocked_until = now + delay
                self._connect_at(self._blocked_until, connection)
                self._complain(f"cannot be reached ({error.strerror or error})")
            else:
                self._failed_connects = 0

    def _accepted(self, connection: Connection) -> None:
        self.ever_accepted = True
        if self._complaint:
            self._complaint = ""
            self._say(f"broker {self._broker} accepts devices again")

    def _connection_ended(self, connection: Connection, reason: str) -> None:
        self._ended.append(connection)
        self._complain(reason if reason.startswith("refused") else f"ends connections ({reason})")

    def _complain(self, complaint: str) -> None:
        if not self._complaint:
            self._say(f"broker {self._broker} {complaint}; trying again until it works")
        self._complaint = complaint
