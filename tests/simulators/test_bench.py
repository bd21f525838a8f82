"""`tocsin bench` against a real server: what it says, and what it says when it cannot measure."""

import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server import Server
from tests.tocsin.command import run
from tocsin.simulators.bench.child import Child
from tocsin.simulators.bench.load import Load, LoadError, Shape


def mqtt_url(server: Server) -> str:
    return f"mqtt://{server.mqtt[0]}:{server.mqtt[1]}"


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"{pattern!r} is not in {text!r}"
    return int(found[1].replace(",", ""))


SMALL = ("--connections", "20", "--seconds", "0.5")


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("pipeline", [1, 8])
def test_load_counts_what_the_server_took_in(
    server: Server, tmp_path: Path, qos: int, pipeline: int
) -> None:
    flags = ("--qos", str(qos), "--pipeline", str(pipeline), "--in-flight", "40")
    said = run(tmp_path, "bench", "load", "--broker", mqtt_url(server), *SMALL, *flags)
    assert (said.status, said.err) == (0, "")
    sent = number(r"^messages a second .*\(([\d,]+) in ", said.out)
    assert sent >= 40
    status = server.get("/api/status")
    warmup = 2 * 20
    assert status["messages_total"] == sent + warmup
    assert status["readings_total"] == 4 * (sent + warmup)
    assert status["devices"] == 20
    assert status["rejected_total"] == status["late_total"] == 0
    if qos:
        assert f", {sent:,} acknowledged)" in said.out
        assert number(r"^publish → ack .*\(([\d,]+) samples\)", said.out) == sent
    else:
        assert "ack" not in said.out


def test_latency_is_of_every_message_and_every_reading(server: Server, tmp_path: Path) -> None:
    with server.client("bystander") as bystander:
        bystander.publish("devices/other/telemetry", b'{"ts": 1, "temp_c": 1}', qos=1)
        where = ("--broker", mqtt_url(server), "--http", server.http.removeprefix("http://"))
        said = run(tmp_path, "bench", "latency", *where, *SMALL, "--rate", "200")
    assert (said.status, said.err) == (0, "")
    assert "20 devices to 127.0.0.1:" in said.out
    assert "messages sent       100 in " in said.out
    assert number(r"^publish → ack .*\(([\d,]+) samples\)", said.out) == 100
    assert "p50 " in said.out
    assert "p99 " not in said.out  # 100 messages are no ground for it
    assert "readings shown      400 of 400\n" in said.out
    shown = number(r"^publish → browser .*max (\d+)[. ]", said.out)
    assert 1 <= shown < 5000


def test_latency_without_a_viewer_needs_no_dashboard(server: Server, tmp_path: Path) -> None:
    flags = (*SMALL, "--rate", "100", "--no-viewer")
    said = run(tmp_path, "bench", "latency", "--broker", mqtt_url(server), *flags)
    assert said.status == 0
    assert "browser" not in said.out
    assert "(50 samples)" in said.out


def test_what_cannot_be_measured_is_one_line(server: Server, tmp_path: Path) -> None:
    here = ("--broker", mqtt_url(server))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    nobody = run(tmp_path, "bench", "load", "--broker", f"mqtt://127.0.0.1:{free}", *SMALL)
    assert nobody.refusal() == f"broker 127.0.0.1:{free}: Connection refused"
    blind = run(tmp_path, "bench", "latency", *here, "--http", f"127.0.0.1:{free}", *SMALL)
    stream = f"http://127.0.0.1:{free}/api/stream"
    assert blind.refusal() == f"viewer: {stream}: Connection refused"
    address = run(tmp_path, "bench", "load", "--broker", "127.0.0.1", *SMALL).refusal()
    assert address.endswith("expected mqtt://HOST[:PORT]")
    large = run(tmp_path, "bench", "load", *here, *SMALL, "--pipeline", "9", "--in-flight", "8")
    assert large.refusal() == "pipeline 9 is out of range; expected 1 to 8 for 8 under way"
    silent = run(tmp_path, "bench", "latency", *here, *SMALL, "--qos", "0", "--no-viewer")
    assert silent.refusal() == "qos 0 has no acknowledgement; expected 1, or a viewer"


@contextmanager
def broker_that_answers(*answers: bytes) -> Generator[int]:
    """The port of a listener that gives each connection one answer for what it sent first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                sock, _ = listener.accept()
                with sock:
                    sock.recv(1000)
                    sock.sendall(answer)
                    sock.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\x20\x02\x00\x05", "the server refused the connection of bench-0: not authorised"),
        (b"\x20\x02\x00\x77", "the server refused the connection of bench-0: return code 119"),
        (b"HTTP", "bench-0 got 48545450 for its CONNECT; expected a CONNACK"),
    ],
)
def test_a_refusal_is_told_with_its_reason(answer: bytes, reason: str) -> None:
    with broker_that_answers(answer) as port, pytest.raises(LoadError, match=f"^{reason}$"):
        Load(Shape(port=port, connections=1))


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (b"\x30\x00", "packet type 0x30 came; expected PUBACK or PINGRESP"),
        (b"\x40\x02\x00\x01" * 2, "2 PUBACKs came for 1 messages under way"),
        (b"\xd0\x00" * 2, "a PINGRESP came for no PINGREQ"),
    ],
)
def test_what_is_no_answer_to_the_load_ends_it(after: bytes, reason: str) -> None:
    with broker_that_answers(b"\x20\x02\x00\x00" + after) as port:
        with (
            pytest.raises(LoadError, match=reason),
            Load(Shape(port=port, connections=1, warmup=0)) as load,
        ):
            load.open_loop(rate=1000.0, seconds=0.001)


def test_a_viewer_that_is_cut_off_comes_back_and_resumes_as_a_browser_does() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    reading = b'["bench-1","temp_c",1700000000000,20.5,20.5,20.5,1]'
    event = b'event: readings\nid: boot.7\ndata: {"readings":[%b]}\n\n' % reading
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/stream"
        # Two viewers; the first answer, to the one that is measured, ends.
        with Child("tocsin.simulators.bench.viewer", url=url, count=2) as viewer:
            measured, _ = listener.accept()
            with measured:
                requests.append(measured.recv(1000))
                measured.sendall(head + event)
                other, _ = listener.accept()
                viewer.receive("ready")
            again, _ = listener.accept()
            with other, again:
                requests.append(again.recv(1000))
                again.sendall(head + event)
                seen = {"readings": 0, "cut": 0}
                while seen["readings"] < 2:
                    since = viewer.ask("seen")
                    seen = {name: seen[name] + since[name] for name in seen}
    assert seen == {"readings": 2, "cut": 1}
    assert b"Last-Event-ID" not in requests[0]
    assert b"\r\nLast-Event-ID: boot.7\r\n" in requests[1]
