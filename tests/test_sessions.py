"""Sessions, their messages and retained messages survive SIGKILL, and QoS 2 stays exactly once."""

import os
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker.clauses import clause, clause311
from tests.server import Server, wait_for
from tests.simulation.wire import take_packet
from tocsin.broker.codec import encode
from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_311,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Will,
)
from tocsin.broker.properties import NO_PROPERTIES, Properties

ROUNDS = 5
LONG_ROUNDS = 100


class Raw:
    """A client that shows every packet. `receive` gives None when the server has gone."""

    def __init__(self, sock: socket.socket, level: int = LEVEL_311) -> None:
        self._sock = sock
        self._level = level
        self._data = bytearray()

    def send(self, *packets: Packet) -> None:
        self._sock.sendall(b"".join(encode(packet, self._level) for packet in packets))

    def receive(self) -> Packet | None:
        while (packet := take_packet(self._data, self._level)) is None:
            try:
                data = self._sock.recv(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self._data += data
        return packet

    def expect(self, *kinds: type[Packet]) -> Packet:
        packet = self.receive()
        assert isinstance(packet, kinds), f"got {packet}; expected one of {kinds}"
        return packet


@contextmanager
def client(
    server: Server,
    name: str,
    *,
    present: bool,
    level: int = LEVEL_311,
    will: Will | None = None,
    properties: Properties = NO_PROPERTIES,
) -> Generator[Raw]:
    """A client with a session that is kept; `present`: whether the server must have it already."""
    with socket.create_connection(server.mqtt, timeout=20) as sock:
        raw = Raw(sock, level)
        connect = Connect(name, clean=False, will=will, level=level, properties=properties)
        raw.send(connect)
        answer = raw.receive()
        assert isinstance(answer, Connack), answer
        assert (int(answer.code), answer.session_present) == (0, present), answer
        yield raw


def subscribe(raw: Raw, topic_filter: str, qos: int) -> None:
    raw.send(Subscribe(1, ((topic_filter, qos),)))
    answer = raw.receive()
    assert isinstance(answer, Suback), answer
    assert answer.codes == (qos,)


def publish(raw: Raw, packet: Publish) -> None:
    """Publishes at QoS 1, or at QoS 2 to its end."""
    raw.send(packet)
    if packet.qos == 1:
        raw.expect(Puback)
    else:
        raw.expect(Pubrec)
        raw.send(Pubrel(packet.packet_id))
        raw.expect(Pubcomp)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path / "data").start()
    yield running
    running.kill()


@clause311("MQTT-4.1.0-1", "MQTT-4.6.0-6")
def test_who_is_away_gets_everything_in_order_after_a_kill(server: Server) -> None:
    with client(server, "away", present=False) as away:
        subscribe(away, "t/#", 2)
    with client(server, "pub", present=False) as pub:
        for number in range(1, 41):
            qos = 1 + number % 2
            publish(pub, Publish("t/x", b"%d" % number, qos, packet_id=number))
    server.kill()
    server.start()
    with client(server, "away", present=True) as away:
        got = [away.expect(Publish) for _ in range(40)]
        assert [each.payload for each in got if isinstance(each, Publish)] == [
            b"%d" % number for number in range(1, 41)
        ]
        assert not any(each.dup for each in got if isinstance(each, Publish))
    # Sent, not acknowledged: the same again, with the same ids and DUP.
    server.kill()
    server.start()
    with client(server, "away", present=True) as away:
        again = [away.expect(Publish) for _ in range(40)]
        for before, after in zip(got, again, strict=True):
            assert isinstance(before, Publish)
            assert isinstance(after, Publish)
            assert (after.payload, after.packet_id) == (before.payload, before.packet_id)
            assert after.dup


@clause311("MQTT-4.3.3-1")
def test_qos_2_to_a_subscriber_is_once_at_whatever_step_the_server_is_killed(
    server: Server,
) -> None:
    with client(server, "sub", present=False) as sub:
        subscribe(sub, "t", 2)
        with client(server, "pub", present=False) as pub:
            publish(pub, Publish("t", b"v", 2, packet_id=1))
        first = sub.expect(Publish)
        assert isinstance(first, Publish)
        server.kill()
    server.start()
    with client(server, "sub", present=True) as sub:
        assert sub.expect(Publish) == Publish("t", b"v", 2, dup=True, packet_id=first.packet_id)
        sub.send(Pubrec(first.packet_id))
        assert sub.expect(Pubrel) == Pubrel(first.packet_id)
        server.kill()
    server.start()
    with client(server, "sub", present=True) as sub:
        assert sub.expect(Pubrel) == Pubrel(first.packet_id), "the message does not come again"
        sub.send(Pubcomp(first.packet_id))
        with client(server, "pub", present=True) as pub:
            publish(pub, Publish("t", b"next", 1, packet_id=2))
        following = sub.expect(Publish)
        assert isinstance(following, Publish)
        assert following.payload == b"next"


@clause311("MQTT-4.3.3-2")
def test_qos_2_from_a_publisher_counts_once_at_whatever_step_the_server_is_killed(
    server: Server,
) -> None:
    reading = Publish("devices/d/telemetry", b'{"v": 1}', 2, packet_id=7)
    with client(server, "d", present=False) as device:
        device.send(reading)
        device.expect(Pubrec)
        server.kill()
    server.start()
    with client(server, "d", present=True) as device:
        device.send(Publish(reading.topic, reading.payload, 2, dup=True, packet_id=7))
        device.expect(Pubrec)
        device.send(Pubrel(7))
        device.expect(Pubcomp)
        server.kill()
    server.start()
    assert server.get("/api/devices/d")["messages_total"] == 1
    with client(server, "d", present=True) as device:
        # The id was released: the next message of that id is a new one.
        publish(device, Publish(reading.topic, b'{"v": 2}', 2, packet_id=7))
    assert server.get("/api/devices/d")["messages_total"] == 2


@clause311("MQTT-3.1.2-7")
def test_retained_messages_and_their_deletion_survive(server: Server) -> None:
    with client(server, "pub", present=False) as pub:
        for number, payload in enumerate((b"old", b"new"), 1):
            publish(pub, Publish("r/1", payload, 1, True, packet_id=number))
        publish(pub, Publish("r/2", b"gone", 1, True, packet_id=3))
        publish(pub, Publish("r/2", b"", 2, True, packet_id=4))
    server.kill()
    server.start()
    # Once from the journal, once from a snapshot.
    server.stop()
    server.start()
    with client(server, "sub", present=False) as sub:
        subscribe(sub, "r/#", 1)
        with client(server, "pub", present=True) as pub:
            publish(pub, Publish("r/3", b"last", 1, packet_id=5))
        got = [sub.expect(Publish), sub.expect(Publish)]
        assert [(e.topic, e.payload, e.retain) for e in got if isinstance(e, Publish)] == [
            ("r/1", b"new", True),
            ("r/3", b"last", False),
        ]


@clause("MQTT-4.1.0-2")
def test_a_session_expires_while_the_server_is_down(server: Server) -> None:
    short, long = Properties(session_expiry_s=1), Properties(session_expiry_s=1_000)
    for name, properties in (("short", short), ("long", long)):
        with client(server, name, present=False, level=LEVEL_5, properties=properties) as raw:
            subscribe(raw, "t", 1)
            raw.send(Disconnect())
    wait_for("both are offline", lambda: server.get("/api/status")["connections"] == 0)
    server.kill()
    down = time.monotonic()
    wait_for("the second is over", lambda: time.monotonic() > down + 1.2)
    server.start()
    with client(server, "short", present=False, level=LEVEL_5, properties=short):
        pass
    with client(server, "long", present=True, level=LEVEL_5, properties=long):
        pass


@clause311("MQTT-3.1.2-8")
def test_a_will_waits_over_a_kill_and_is_withdrawn_when_its_client_is_back(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path / "data", env={"TOCSIN_BROKER__WILL_GRACE_S": "2"}).start()
    try:
        with client(server, "watch", present=False) as watch:
            subscribe(watch, "wills/#", 1)
        gone, back = (Will(f"wills/{name}", b"gone", 1) for name in ("gone", "back"))
        with (
            client(server, "gone", present=False, will=gone),
            client(server, "back", present=False, will=back),
        ):
            server.kill()
        server.start()
        with (
            client(server, "back", present=True),
            client(server, "watch", present=True) as watch,
        ):
            will = watch.expect(Publish)
            assert isinstance(will, Publish)
            assert will.topic == "wills/gone"
            watch.send(Puback(will.packet_id))
        with client(server, "watch", present=True) as watch:
            with client(server, "pub", present=False) as pub:
                publish(pub, Publish("wills/last", b"", 1, packet_id=1))
            last = watch.expect(Publish)
            assert isinstance(last, Publish)
            assert last.topic == "wills/last", "the other will was not published"
    finally:
        server.kill()


# -- kills at random moments -----------------------------------------------------------------


class Publisher:
    """Publishes at both QoS until the server dies, and goes on with what was not completed."""

    def __init__(self) -> None:
        self.open: dict[int, tuple[Publish, bool]] = {}
        self.acked: set[bytes] = set()
        self._sent = 0

    def run(self, server: Server, *, present: bool, until: int | None = None) -> None:
        """Until the server is gone; or until `until` were sent and all are completed."""
        with client(server, "pub", present=present) as raw:
            for packet_id, (packet, received) in self.open.items():
                again = Publish(packet.topic, packet.payload, packet.qos, dup=True,
                                packet_id=packet_id)  # fmt: skip
                raw.send(Pubrel(packet_id) if received else again)
            while True:
                try:
                    while len(self.open) < 200 and (until is None or self._sent < until):
                        self._publish(raw)
                    if not self.open:
                        return
                    self._take(raw, raw.receive())
                except (ConnectionError, EOFError):
                    return

    def _publish(self, raw: Raw) -> None:
        packet_id = next(i for i in range(1, 1_000) if i not in self.open)
        self._sent += 1
        qos = 1 + self._sent % 2
        packet = Publish(f"k/{qos}", b"%d" % self._sent, qos, packet_id=packet_id)
        self.open[packet_id] = packet, False
        raw.send(packet)

    def _take(self, raw: Raw, answer: Packet | None) -> None:
        match answer:
            case Puback(packet_id):
                self.acked.add(self.open.pop(packet_id)[0].payload)
            case Pubrec(packet_id):
                packet, _ = self.open[packet_id]
                self.acked.add(packet.payload)
                self.open[packet_id] = packet, True
                raw.send(Pubrel(packet_id))
            case Pubcomp(packet_id):
                self.open.pop(packet_id, None)
            case None:
                raise EOFError
            case _:
                raise AssertionError(f"got {answer}")


class Listener:
    """A subscriber at QoS 2 that keeps to the protocol over all lives of the server."""

    def __init__(self) -> None:
        self.got: Counter[bytes] = Counter()
        self.unreleased: set[int] = set()

    def run(self, server: Server, done: set[bytes] | None = None) -> None:
        """Until the server is gone; or until all of `done` came."""
        with client(server, "sub", present=True) as raw:
            while done is None or not done <= self.got.keys():
                packet = raw.receive()
                try:
                    match packet:
                        case Publish(qos=1):
                            self.got[packet.payload] += 1
                            raw.send(Puback(packet.packet_id))
                        case Publish():
                            if packet.packet_id not in self.unreleased:
                                self.unreleased.add(packet.packet_id)
                                self.got[packet.payload] += 1
                            raw.send(Pubrec(packet.packet_id))
                        case Pubrel(packet_id):
                            self.unreleased.discard(packet_id)
                            raw.send(Pubcomp(packet_id))
                        case None:
                            return
                        case _:
                            raise AssertionError(f"got {packet}")
                except ConnectionError:
                    return


def kill_rounds(folder: Path, seed: int, rounds: int, messages: int) -> None:
    """At least `messages` are acknowledged over so many kills, each at a moment of its own."""
    print(f"TEST_SEED={seed}")
    chance = random.Random(seed)
    server = Server(folder / "data").start()
    publisher, listener = Publisher(), Listener()
    try:
        with client(server, "sub", present=False) as sub:
            subscribe(sub, "k/#", 2)
        for number in range(rounds):
            running = [
                threading.Thread(target=publisher.run, args=(server,),
                                 kwargs={"present": number > 0}),
                threading.Thread(target=listener.run, args=(server,)),
            ]  # fmt: skip
            for thread in running:
                thread.start()
            share = messages // rounds
            goal = len(publisher.acked) + share + chance.randrange(share)
            wait_for("that many acks", lambda goal=goal: len(publisher.acked) >= goal, 120)
            server.kill()
            for thread in running:
                thread.join(20)
                assert not thread.is_alive()
            server.start(within_s=120)
        last = threading.Thread(target=publisher.run, args=(server,),
                                kwargs={"present": True, "until": 0})  # fmt: skip
        last.start()
        last.join(60)
        assert publisher.open == {}
        listener.run(server, done=publisher.acked)
        assert publisher.acked <= listener.got.keys(), "acknowledged and lost"
        twice = [p for p, count in listener.got.items() if count > 1 and int(p) % 2]
        assert twice == [], "QoS 2 more than once"
        repeated = sum(count - 1 for count in listener.got.values())
        print(f"{len(publisher.acked)} acknowledged, {rounds} kills, QoS 1 repeated {repeated}")
    finally:
        server.kill()


def seed_of_this_run() -> int:
    return int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 40))


def test_kills_at_random_moments_lose_nothing_and_repeat_no_qos_2(tmp_path: Path) -> None:
    kill_rounds(tmp_path, seed_of_this_run(), ROUNDS, 4_000)


@pytest.mark.long
def test_many_kills_at_random_moments(tmp_path: Path) -> None:
    kill_rounds(tmp_path, seed_of_this_run(), LONG_ROUNDS, 1_000_000)
