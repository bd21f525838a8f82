"""`run` as a person uses it: a process that publishes until it is told to stop."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pytest
from paho.mqtt.client import MQTTMessage

from tocsin.simulators import run


class Broker(Protocol):
    port: int

    @property
    def url(self) -> str: ...
    @property
    def log(self) -> str: ...
    def stop(self) -> None: ...


PROGRAM = "import sys; from tocsin.simulators import run; sys.exit(run(broker=sys.argv[1]))"


def start_process(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, url], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_a_second_with_disconnects_and_totals(
    number: signal.Signals, mosquitto: Broker, received: list[MQTTMessage]
) -> None:
    process = start_process(mosquitto.url)
    try:
        deadline = time.monotonic() + 10.0
        while len(received) < 60:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        signalled = time.monotonic()
        _, said = process.communicate(timeout=5.0)
        assert time.monotonic() - signalled < 1.0
        assert process.returncode == 0
    finally:
        process.kill()
    sent, acked = (int(part.split()[0].replace(",", "")) for part in said.split(", ")[:2])
    assert sent == acked >= 60
    mosquitto.stop()
    assert sum(mosquitto.log.count(f"Client {kind}-") for kind in ("cold", "gas")) == 14
    assert mosquitto.log.count(" disconnected.\n") >= 30


def test_without_a_broker_it_says_so_once_and_fails_when_stopped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    process = start_process(f"mqtt://127.0.0.1:{port}")
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=5.0)
    assert f"broker 127.0.0.1:{port} cannot be reached (Connection refused)" in first
    assert rest.startswith("0 messages sent")
    assert process.returncode == 1


def test_readings_and_truth_are_on_one_clock_at_any_speed(
    mosquitto: Broker, received: list[MQTTMessage], tmp_path: Path
) -> None:
    """At 60 times the speed a hazard of two minutes takes two seconds."""
    truth = tmp_path / "truth.jsonl"
    stop = threading.Event()

    def stop_after_first_hazard() -> None:
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline and not (truth.exists() and truth.stat().st_size):
            time.sleep(0.01)
        stop.set()

    watcher = threading.Thread(target=stop_after_first_hazard)
    watcher.start()
    began = time.time()
    status = run(broker=mosquitto.url, devices=4, speed=60.0, truth=truth, stop=stop)
    watcher.join()
    assert status == 0
    first, *others = [json.loads(line) for line in truth.read_text().splitlines()]
    assert all(other["end"] is None for other in others)  # written because the run stopped
    start, peak, end = (datetime.fromisoformat(first[key]) for key in ("start", "peak", "end"))
    assert began < start.timestamp() < began + 3.0
    assert 0.8 < (peak - start).total_seconds() < 1.2
    assert 1.0 < (end - start).total_seconds() < 3.4
    stamps = [json.loads(m.payload)["ts"] for m in received if first["device"] in m.topic]
    assert stamps == sorted(stamps)
    assert stamps[0] < start.timestamp() + 0.1 < stamps[-1]
    assert stamps[-1] <= time.time()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: run("farm"), "scenario 'farm' is unknown; expected plant"),
        (lambda: run(qos=3), "qos 3 is not a quality of service"),
        (lambda: run(speed=0.0), "speed 0.0 is out of range"),
        (lambda: run(devices=0), "devices 0 is too few"),
        (lambda: run(broker="tcp://x"), "broker 'tcp://x' has scheme"),
    ],
)
def test_wrong_arguments_are_named_before_anything_starts(
    call: Callable[[], int], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        call()
