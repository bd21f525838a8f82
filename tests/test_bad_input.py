"""Bad input of every kind at a real server: counted where a person sees it, harmless to others."""

import json
import random
import socket
import threading
from pathlib import Path

import psutil
import pytest

from tests.server import Server, wait_for
from tests.wire import Acks, connect_packet, connected, publish_packet

# What is sent, and the reason that shows at the device.
PAYLOADS: dict[str, tuple[bytes, str]] = {
    "malformed": (b"{temp: 1}", "not JSON"),
    "empty": (b"", "the payload is empty"),
    "NaN": (b'{"a": NaN}', "not JSON"),
    "1e999": (b'{"a": 1e999}', "out of range"),
    "nested 10,000 deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested deeper than 16"),
    "invalid UTF-8": (b'{"a": "\xff"}', "not JSON"),
    "wrong clock": (b'{"ts": "noon", "a": 1}', "ts 'noon' is not a time"),
}


class Healthy:
    """A client beside the bad ones: publishes numbered readings, one after the other's ack."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.acked = 0
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        acks = Acks()
        try:
            with connected(self._server.mqtt, "healthy") as sock:
                while not self._stop.is_set():
                    packet_id = self.acked % 65_535 + 1
                    payload = json.dumps({"seq": self.acked}).encode()
                    sock.sendall(publish_packet("devices/healthy/telemetry", payload, 1, packet_id))
                    while len(acks.ids) <= self.acked:
                        data = sock.recv(4096)
                        assert data, "the healthy client was disconnected"
                        acks.feed(data)
                    self.acked += 1
        except BaseException as problem:
            self.problem = problem

    def finish(self) -> int:
        """How many readings were acknowledged. Raises what went wrong, if anything did."""
        self._stop.set()
        self._thread.join(10)
        if self.problem:
            raise self.problem
        return self.acked


def test_each_bad_payload_is_counted_with_its_reason(server: Server):
    healthy = Healthy(server)
    with connected(server.mqtt, "bad") as sock:
        for n, (payload, reason) in enumerate(PAYLOADS.values(), 1):
            sock.sendall(publish_packet("devices/bad/telemetry", payload, 1, n))
            assert sock.recv(4) == b"\x40\x02" + n.to_bytes(2, "big"), "a bad payload is acked"
            device = server.get("/api/devices/bad")
            assert device["rejected_total"] == n
            assert reason in device["last_rejected"]["reason"]
            assert len(device["last_rejected"]["payload_preview"]) <= 4096
        sock.sendall(publish_packet("devices/bad/telemetry", b'{"a": 1}'))
        found = wait_for(
            "the good one", lambda: (d := server.device("bad")) and d["readings_total"] and d
        )
        assert found["readings_total"] == 1
    acked = healthy.finish()
    assert server.get("/api/devices/healthy")["readings_total"] == acked > 0


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (publish_packet("devices/+/telemetry", b"1"), "wildcard"),
        (publish_packet("devices/#", b"1"), "wildcard"),
        (publish_packet("devices/big/telemetry", b"x" * 300 * 1024), "bytes"),
        (b"\x00\x00", "malformed"),
        (b"\x3f\x05hello", "malformed"),
        (b"\x82\xff\xff\xff\xff\x7f", "malformed"),
    ],
)
def test_a_bad_packet_ends_that_connection_alone(server: Server, packet: bytes, reason: str):
    healthy = Healthy(server)
    with connected(server.mqtt, "rude") as sock:
        sock.sendall(packet)
        assert closed(sock)
    refusals = server.get("/api/broker")["refusals"]
    assert reason in refusals[-1]["reason"]
    assert refusals[-1]["client"] == "rude"
    assert healthy.finish() > 0


def test_a_payload_too_large_shows_at_its_device_also_after_a_restart(tmp_path: Path):
    server = Server(tmp_path / "data").start()
    try:
        with connected(server.mqtt, "camera") as sock:
            sock.sendall(
                publish_packet("devices/big/telemetry", b'{"picture": "' + b"x" * 300 * 1024)
            )
            assert closed(sock)
        device = wait_for("the device", lambda: server.device("big"))
        assert (device["messages_total"], device["rejected_total"]) == (1, 1)
        assert device["last_rejected"]["topic"] == "devices/big/telemetry"
        assert "expected at most 266240" in device["last_rejected"]["reason"]
        assert device["last_rejected"]["payload_preview"].startswith('{"picture": "xxx')
        assert device["via"] == "camera"
        server.kill()
        server.start()
        assert server.get("/api/devices/big")["rejected_total"] == 1
    finally:
        server.kill()


def closed(sock: socket.socket) -> bool:
    """Whether the other side ends the connection, without having said more."""
    try:
        return sock.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_packets_cut_anywhere_and_noise_leave_no_trace(server: Server):
    healthy = Healthy(server)
    whole = connect_packet("cut") + publish_packet("devices/cut/telemetry", b'{"a": 1}', 1, 1)
    process = psutil.Process(server.pid)
    files = process.num_fds()
    for cut in range(len(whole)):
        with socket.create_connection(server.mqtt) as sock:
            sock.sendall(whole[:cut])
    noise = random.Random(1)
    for _ in range(200):
        with socket.create_connection(server.mqtt) as sock:
            sock.sendall(noise.randbytes(noise.randrange(1, 2000)))
    wait_for("their sockets are gone", lambda: process.num_fds() <= files + 3)
    assert server.device("cut") is None, "no whole PUBLISH was ever sent"
    assert healthy.finish() > 0


def test_a_client_that_never_connects_is_sent_away(tmp_path: Path):
    server = Server(tmp_path / "data", env={"TOCSIN_BROKER__CONNECT_TIMEOUT_S": "0.5"}).start()
    try:
        with socket.create_connection(server.mqtt) as sock:
            sock.settimeout(5)
            assert closed(sock)
    finally:
        server.kill()


def flood_with_names(server: Server, count: int) -> None:
    """`count` metrics that were never seen before, four a message, as one device."""
    acks = Acks()
    messages = count // 4
    with connected(server.mqtt, "random") as sock:
        for n in range(messages):
            names = {f"m{n * 4 + k:x}": k for k in range(4)}
            payload = json.dumps(names).encode()
            sock.sendall(publish_packet("devices/random/telemetry", payload, 1, n % 65_535 + 1))
            while len(acks.ids) < n - 500:
                acks.feed(sock.recv(1 << 16))
        while len(acks.ids) < messages:
            acks.feed(sock.recv(1 << 16))


def check_random_names(server: Server, warm: int, count: int) -> None:
    flood_with_names(server, warm)
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    healthy = Healthy(server)
    flood_with_names(server, count)
    acked = healthy.finish()
    grown = process.memory_info().rss - before
    assert grown < 30 << 20, f"{grown >> 20} MiB more after {count} random metric names"
    device = server.get("/api/devices/random")
    assert len(device["metrics"]) == 256
    assert device["rejected_total"] == (warm + count) // 4 - 2 * 64, "all but the first 256 names"
    assert "one too many" in device["last_rejected"]["reason"]
    assert server.get("/api/devices/healthy")["readings_total"] == acked > 0


def test_random_metric_names_do_not_fill_the_memory(server: Server):
    check_random_names(server, 20_000, 60_000)


@pytest.mark.long
def test_a_million_random_metric_names(server: Server):
    check_random_names(server, 100_000, 1_000_000)
