"""An acknowledged message is never lost, and a bad disk never silences an alarm."""

import json
import re
import select
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.server import Server, wait_for
from tests.wire import Acks, connected, publish_packet

FAULTS = Path(__file__).parent / "faults"
RULE = {"name": "rings-once", "when": "seq >= 500", "severity": "critical"}
TOTAL = 20_000
ROUNDS = 4
BEGAN = time.time() - 86_400


def reading(seq: int) -> bytes:
    """Reading number `seq`, at an event time of its own."""
    return json.dumps({"ts": BEGAN + seq / 10, "seq": seq}).encode()


def publish_until_killed(server: Server, first: int, kill_after: int) -> int:
    """Publish readings from `first` on at QoS 1 as fast as it goes, SIGKILL the server once
    `kill_after` are acknowledged, and give how many were."""
    acks = Acks()
    with connected(server.mqtt, "counter") as sock:
        sock.setblocking(False)
        unsent, seq = b"", first
        while len(acks.ids) < kill_after:
            if len(unsent) < 1 << 16 and seq < first + kill_after + 2_000:
                unsent += b"".join(
                    publish_packet("devices/counter/telemetry", reading(n), 1, n % 65_535 + 1)
                    for n in range(seq, seq + 50)
                )
                seq += 50
            readable, writable, _ = select.select([sock], [sock] if unsent else [], [], 10)
            assert readable or writable, "the server neither reads nor writes"
            if readable:
                acks.feed(sock.recv(1 << 16))
            if writable:
                unsent = unsent[sock.send(unsent) :]
        server.kill()
        drain(sock, acks)
    assert acks.ids == [n % 65_535 + 1 for n in range(first, first + len(acks.ids))]
    return len(acks.ids)


def drain(sock: socket.socket, acks: Acks) -> None:
    """What the dead server had still sent."""
    sock.setblocking(True)
    try:
        while data := sock.recv(1 << 16):
            acks.feed(data)
    except OSError:
        pass


def test_kill_9_loses_no_acknowledged_reading_and_rings_once(tmp_path: Path):
    server = Server(tmp_path / "data").start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        counted = 0
        alert_id = None
        for _ in range(ROUNDS):
            acked = publish_until_killed(server, counted, TOTAL // ROUNDS)
            assert acked >= TOTAL // ROUNDS
            server.start()
            device = server.get("/api/devices/counter")
            # Readings are numbered and judged in order, so this many are the first this many.
            assert device["readings_total"] >= counted + acked, "an acknowledged reading is gone"
            counted = device["readings_total"]
            assert device["metrics"]["seq"]["value"] == counted - 1
            assert device["duplicates_total"] == 0
            [alert] = server.get("/api/alerts")
            assert (alert["state"], alert["revision"]) == ("active", 1)
            assert alert_id in (None, alert["id"]), "it rang again"
            alert_id = alert["id"]
        series = server.get(
            "/api/devices/counter/series",
            **{"metric": "seq", "from": BEGAN - 1, "to": BEGAN + counted / 10 + 1, "points": 500},
        )
        filled = [i for i, n in enumerate(series["count"]) if n]
        assert sum(series["count"][i] for i in filled) == counted
        total = sum(series["avg"][i] * series["count"][i] for i in filled)
        assert round(total) == counted * (counted - 1) // 2, "every one of them, each once"
    finally:
        server.kill()


def test_an_alarm_does_not_wait_for_the_disk_but_the_ack_does(tmp_path: Path):
    server = Server(tmp_path / "data", program=FAULTS / "slow_disk.py").start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        with server.events() as page, connected(server.mqtt, "d") as sock:
            sent = time.monotonic()
            sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 900}', 1, 7))
            rang, _ = page.first_at("alert", lambda a: a["state"] == "active")
            assert sock.recv(4) == b"\x40\x02\x00\x07"
            acked = time.monotonic()
        assert rang - sent < 0.1
        assert acked - sent >= 1.0
    finally:
        server.kill()


def test_a_disk_that_does_not_answer_does_not_keep_the_server_from_ending(tmp_path: Path):
    hangs = tmp_path / "hangs"
    program, env = FAULTS / "hung_disk.py", {"TEST_DISK_HANGS": str(hangs)}
    server = Server(tmp_path / "data", program=program, env=env).start()
    try:
        with connected(server.mqtt, "d") as sock, server.events() as page:
            sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 1}', 1, 7))
            assert sock.recv(4) == b"\x40\x02\x00\x07"
            hangs.touch()
            sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 2}', 1, 8))
            page.first("readings", lambda r: '"seq"' in json.dumps(r) and "2" in json.dumps(r))
            assert server.stop() < 3.5
            assert sock.recv(4) != b"\x40\x02\x00\x08", "acknowledged what was never synced"
        hangs.unlink()
        server.start()
        device = server.device("d")
        assert device
        assert device["readings_total"] >= 1, "what was acknowledged is there"
    finally:
        server.kill()


def test_a_full_disk_stops_acks_but_no_alarm_and_recovers(tmp_path: Path):
    flag = tmp_path / "full"
    server = Server(
        tmp_path / "data", program=FAULTS / "full_disk.py", env={"TEST_DISK_FULL": str(flag)}
    ).start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        told: list[bytes] = []
        with server.events() as page, server.client("siren") as siren:
            siren.on_message = lambda _c, _u, m: told.append(bytes(m.payload))
            siren.subscribe("tocsin/alerts/#", qos=1)
            page.first("status", lambda s: s["connections"] == 1)
            flag.touch()
            with connected(server.mqtt, "d") as sock:
                sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 900}', 1, 7))
                alert = page.first("alert", lambda a: a["state"] == "active")
                page.first("status", lambda s: s["journal"]["state"] == "failing")
                message = wait_for("the siren hears it", lambda: told[0] if told else None)
                assert json.loads(message)["id"] == alert["id"]
                assert json.loads(message)["durable"] is False
                flag.unlink()
                page.first("status", lambda s: s["journal"]["state"] == "ok" and s is not None)
                answered = sock.recv(4)
            if answered:  # within the journal's patience: acknowledged late
                assert answered == b"\x40\x02\x00\x07"
            with connected(server.mqtt, "d") as sock:
                sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 901}', 1, 8))
                assert sock.recv(4) == b"\x40\x02\x00\x08"
    finally:
        server.kill()


def acknowledged(server: Server, seq: int, packet_id: int) -> bool:
    """Publish one reading at QoS 1; whether it is acknowledged before the connection ends."""
    with connected(server.mqtt, "d") as sock:
        sock.settimeout(15)
        sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": %d}' % seq, 1, packet_id))
        return sock.recv(4) == b"\x40\x02" + packet_id.to_bytes(2, "big")


def test_beyond_patience_nothing_refused_is_in_force_and_nothing_rings_twice(tmp_path: Path):
    flag = tmp_path / "full"
    server = Server(
        tmp_path / "data", program=FAULTS / "full_disk.py", env={"TEST_DISK_FULL": str(flag)}
    ).start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        flag.touch()
        assert not acknowledged(server, 900, 1), "refused, so that the device tries again"
        [alert] = server.get("/api/alerts")
        answer = server.send("POST", f"/api/alerts/{alert['id']}/ack", {})
        assert answer.status_code == 503
        assert server.send("POST", "/api/rules", {**RULE, "name": "other"}).status_code == 503
        assert [r["name"] for r in server.get("/api/rules")] == ["rings-once"]
        assert server.get("/api/alerts")[0]["state"] == "active"

        # Connection facts of the device waited too; from here on nobody writes by themselves.
        waiting = lambda: server.get("/api/status")["journal"]["pending_bytes"]  # noqa: E731
        wait_for("all that waited is refused", lambda: waiting() == 0, 15)
        flag.unlink()
        recovered = lambda: server.get("/api/status")["journal"]["state"] == "ok"  # noqa: E731
        wait_for("the journal writes again by itself", recovered)
        snapshots = tmp_path / "data" / "snapshots"
        wait_for("a checkpoint of what was refused", lambda: any(snapshots.glob("*.snapshot")))
        server.kill()
        server.start()
        [after] = server.get("/api/alerts")
        assert after["id"] == alert["id"]
        series = server.get("/api/devices/d/series", metric="seq")
        assert sum(series["count"]) == 1, "what was seen stays in the chart"
    finally:
        server.kill()


def test_a_server_starts_on_a_full_disk_and_rings(tmp_path: Path):
    flag = tmp_path / "full"
    environment = {"TEST_DISK_FULL": str(flag)}
    server = Server(tmp_path / "data", program=FAULTS / "full_disk.py", env=environment).start()
    try:
        assert server.send("POST", "/api/rules", RULE).status_code == 201
        server.stop()
        flag.touch()
        server.start()
        with server.events() as page, connected(server.mqtt, "d") as sock:
            page.first("status", lambda s: s["journal"]["state"] == "failing")
            sock.sendall(publish_packet("devices/d/telemetry", b'{"seq": 900}'))
            page.first("alert", lambda a: a["state"] == "active")
    finally:
        server.kill()


# -- the order of system calls ----------------------------------------------------------------

CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$")


def acks_before_sync(trace: str, marker: str) -> list[str]:
    """The acknowledgements that left before the message `marker` was synced, from an strace log.

    Reads line by line: a write of the marker to a file makes the disk dirty, the end of the
    fdatasync after it makes it clean; a PUBACK sent while it is dirty or unwritten is early.
    """
    written = synced = False
    early: list[str] = []
    for line in trace.splitlines():
        match = CALL.match(line)
        if not match:
            continue
        _, call, rest = match.groups()
        if call in ("pwrite64", "pwritev") and marker in rest:
            written = True
        elif call == "fdatasync" and written and rest.rstrip().endswith("= 0"):
            synced = True
        elif call in ("write", "writev", "sendto", "sendmsg") and r"@\2\0\t" in rest and not synced:
            early.append(line)
    assert written, "the message was never written"
    return early


def trace_one_publish(folder: Path, program: Path | None) -> str:
    """Publish one marked message at QoS 1, packet id 9, to a server under strace."""
    log = folder / "trace"
    server = Server(folder / "data", program=program).start()
    tracer = subprocess.Popen(
        ["strace", "-f", "-s", "400", "-o", str(log), "-p", str(server.pid),
         "-e", "trace=pwrite64,pwritev,fdatasync,write,writev,sendto,sendmsg"],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert tracer.stderr
        assert b"attached" in tracer.stderr.readline()
        with connected(server.mqtt, "d") as sock:
            sock.sendall(publish_packet("devices/d/telemetry", b'{"marked": 4711}', 1, 9))
            assert sock.recv(4) == b"\x40\x02\x00\x09"
            wait_for("the write in the trace", lambda: "marked" in log.read_text() or None)
    finally:
        server.kill()
        tracer.wait(10)
        tracer.stderr.close() if tracer.stderr else None
    return log.read_text()


def test_no_acknowledgement_before_fdatasync_returned(tmp_path: Path):
    assert acks_before_sync(trace_one_publish(tmp_path, None), "marked") == []


def test_the_order_test_sees_an_early_acknowledgement(tmp_path: Path):
    trace = trace_one_publish(tmp_path, FAULTS / "early_ack.py")
    assert len(acks_before_sync(trace, "marked")) == 1


@pytest.mark.long
def test_many_kills(tmp_path: Path):
    for n in range(10):
        folder = tmp_path / str(n)
        folder.mkdir()
        test_kill_9_loses_no_acknowledged_reading_and_rings_once(folder)
