"""Disks that are full for real, folders that cannot be written, a disk that turns read-only."""

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, wait_for
from tests.test_sessions import client, publish, subscribe
from tests.tocsin.command import run
from tests.wire import connected, publish_packet
from tocsin.broker.packets import Pingreq, Pingresp, Puback, Publish, Subscribe

FAULTS = Path(__file__).parent / "faults"
RULE = {"name": "hot", "when": "seq >= 500", "severity": "critical"}
PADDING = b" " * 6_000
"""A full disk still has the rest of a page in each file: small messages may fit there."""


def mount(*arguments: str | Path) -> bool:
    command = ["mount", *map(str, arguments)]
    return not subprocess.run(command, capture_output=True, check=False).returncode


class SmallDisk:
    """A file system of 24 MiB that can be filled and made read-only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4_096))

    def clear(self) -> None:
        self._filler.unlink()

    def make_read_only(self) -> None:
        assert mount("-o", "remount,ro", self.folder)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or not mount("-t", "tmpfs", "-o", "size=24m", "tmpfs", folder):
        pytest.skip("mounting a small file system needs root")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def running(data: Path, **options: Path) -> Generator[Server]:
    server = Server(data, env={"TOCSIN_ENGINE__CHECKPOINT_S": "1"}, **options).start()
    try:
        yield server
    finally:
        server.kill()


def reading(seq: int) -> bytes:
    return b'{"seq": %d%s}' % (seq, PADDING)


def is_active(device: str) -> Callable[[Any], bool]:
    return lambda alert: alert["state"] == "active" and alert["device"] == device


def journal(server: Server) -> str:
    return str(server.get("/api/status")["journal"]["state"])


def publish_all(server: Server, first: int, count: int) -> None:
    """Acknowledged readings, each of them also retained on a topic of its own."""
    with client(server, f"from-{first}", present=False) as raw:
        for seq in range(first, first + count):
            publish(raw, Publish("devices/d/telemetry", reading(seq), 1, packet_id=1))
            publish(raw, Publish(f"kept/{seq}", b"%d" % seq, 2, retain=True, packet_id=2))


def test_a_disk_that_is_full_for_real_loses_nothing_acknowledged(disk: SmallDisk):
    with running(disk.folder / "data") as server:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        with client(server, "away", present=False) as away:
            subscribe(away, "devices/+/telemetry", 1)
        publish_all(server, 1, 20)
        disk.fill()
        with server.events() as page, connected(server.mqtt, "d") as sock:
            sock.settimeout(20)
            sock.sendall(publish_packet("devices/d/telemetry", reading(900), 1, 7))
            page.first("alert", lambda a: a["state"] == "active")
            page.first("status", lambda s: s["journal"]["state"] == "failing")
            assert sock.recv(4) == b"", "what could not be stored was acknowledged"
        with connected(server.mqtt, "retains") as sock:
            sock.settimeout(20)
            # One topic that is retained already, and one that is not.
            for packet_id, topic in ((1, "kept/20"), (2, "kept/99")):
                packet = bytearray(publish_packet(topic, b"refused" + bytes(6_000), 1, packet_id))
                packet[0] |= 1
                sock.sendall(packet)
            assert sock.recv(4) == b"", "what could not be stored was acknowledged"
        with client(server, "newcomer", present=False) as raw:
            raw.send(Subscribe(1, (("t", 1),)))
        disk.clear()
        wait_for("the journal writes again", lambda: journal(server) == "ok" or None, 20)
        publish_all(server, 101, 20)
        server.kill()
        server.start()
        with client(server, "away", present=True) as away:
            got: list[int] = []
            while 120 not in got:
                packet = away.expect(Publish)
                assert isinstance(packet, Publish)
                got.append(json.loads(packet.payload)["seq"])
                away.send(Puback(packet.packet_id))
        assert [seq for seq in got if seq != 900] == [*range(1, 21), *range(101, 121)]
        assert retained(server) == {
            f"kept/{seq}": b"%d" % seq for seq in (*range(1, 21), *range(101, 121))
        }


def retained(server: Server) -> dict[str, bytes]:
    with client(server, "reader", present=False) as raw:
        subscribe(raw, "kept/#", 0)
        raw.send(Pingreq())
        found: dict[str, bytes] = {}
        while not isinstance(packet := raw.expect(Publish, Pingresp), Pingresp):
            assert isinstance(packet, Publish)
            found[packet.topic] = packet.payload
        return found


@pytest.mark.long
def test_a_server_starts_on_a_disk_that_is_full_for_real_and_rings(disk: SmallDisk):
    with running(disk.folder / "data") as server:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        for device, end in (("stopped", server.stop), ("killed", server.kill)):
            end()
            disk.fill()
            server.start()
            with server.events() as page, connected(server.mqtt, "d") as sock:
                sock.sendall(publish_packet(f"devices/{device}/telemetry", reading(900)))
                page.first("alert", is_active(device))
                page.first("status", lambda s: s["journal"]["state"] == "failing")
            disk.clear()
            wait_for("the journal writes again", lambda: journal(server) == "ok" or None, 20)


@pytest.mark.parametrize("folder", ["data", pytest.param("new", marks=pytest.mark.long)])
def test_a_folder_that_is_read_only_is_refused_in_one_line(disk: SmallDisk, folder: str):
    with running(disk.folder / "data") as server:
        server.stop()
    disk.make_read_only()
    refused = run(disk.folder.parent, "serve", "--data", str(disk.folder / folder))
    assert refused.refusal() == (
        f"data folder {disk.folder / folder} cannot be used: Read-only file system;"
        " choose another with --data DIR"
    )


def test_a_state_db_that_is_read_only_is_refused_in_one_line(disk: SmallDisk):
    with running(disk.folder / "data") as server:
        server.stop()
    state = disk.folder / "data" / "state.db"
    assert mount("--bind", state, state)
    try:
        assert mount("-o", "remount,bind,ro", state)
        refused = run(disk.folder.parent, "serve", "--data", str(disk.folder / "data"))
    finally:
        subprocess.run(["umount", state], check=True)
    assert refused.refusal().startswith(f"{state} cannot be written; expected a file of who runs")


@pytest.mark.parametrize("name", ["journal", "snapshots", "history"])
def test_what_is_in_the_way_in_the_folder_is_named_in_one_line(tmp_path: Path, name: str):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).touch()
    refused = run(
        tmp_path, "serve", "--data", str(tmp_path / "data"), "--mqtt", "127.0.0.1:0",
        "--http", "127.0.0.1:0",
    )  # fmt: skip
    assert refused.refusal().startswith(f"{tmp_path / 'data' / name} cannot be used: File exists;")


def test_a_disk_that_turns_read_only_stops_acks_but_no_alarm_and_recovers(tmp_path: Path):
    flag = tmp_path / "read-only"
    server = Server(
        tmp_path / "data",
        program=FAULTS / "read_only.py",
        env={"TEST_READ_ONLY": str(flag), "TOCSIN_ENGINE__CHECKPOINT_S": "1"},
    ).start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        flag.touch()
        with server.events() as page, connected(server.mqtt, "d") as sock:
            sock.settimeout(20)
            sock.sendall(publish_packet("devices/d/telemetry", reading(900), 1, 7))
            page.first("alert", lambda a: a["state"] == "active" and not a["durable"])
            failing = page.first("status", lambda s: s["journal"]["state"] == "failing")
            assert "Read-only file system" in failing["journal"]["error"]
            assert server.get("/healthz")["status"] == "troubled"
            assert server.send("POST", "/api/rules", {**RULE, "name": "x"}).status_code == 503
            assert sock.recv(4) == b"", "what could not be stored was acknowledged"
            flag.unlink()
            wait_for("the journal writes again", lambda: journal(server) == "ok" or None, 20)
            page.first("alert", lambda a: a["state"] == "active" and a["durable"])
            healthy = lambda: server.get("/healthz")["status"] == "ok" or None  # noqa: E731
            wait_for("all is well again", healthy, 20)
        with connected(server.mqtt, "d") as sock:
            sock.sendall(publish_packet("devices/d/telemetry", reading(901), 1, 8))
            assert sock.recv(4) == b"\x40\x02\x00\x08"
        server.kill()
        server.start()
        assert [alert["rule"] for alert in server.get("/api/alerts")] == ["hot"]
    finally:
        server.kill()
