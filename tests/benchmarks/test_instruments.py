"""The instruments of the benchmarks: what they send is MQTT, and what they report is true."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.charts import Bar, bar_chart
from benchmarks.measure import cpu_seconds, percentiles, tree
from benchmarks.packets import METRICS, Publications, length, packet_ids
from benchmarks.page import write_page
from benchmarks.peers.tocsin_server import rules_file
from benchmarks.series import Series
from benchmarks.trial import Figures, Workload
from benchmarks.viewer import Body
from tocsin.devices.formats import Decoded, Decoder
from tocsin.ingest.rules.loading import read_rules


@given(size=st.integers(0, 268_435_455))
def test_remaining_lengths_are_variable_byte_integers(size: int) -> None:
    encoded = length(size)
    assert 1 <= len(encoded) <= 4
    assert sum((byte & 127) << 7 * i for i, byte in enumerate(encoded)) == size
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("metrics", [1, 4])
def test_prebuilt_packets_are_messages_the_server_reads(qos: int, metrics: int) -> None:
    publications = Publications("bench-7", metrics, qos)
    packet_id = packet_ids()[513] if qos else b""
    for _ in range(8):
        packet = publications.next(packet_id, b"1700000000123")
        assert packet[0] == 0x30 | qos << 1
        assert packet[1] == len(packet) - 2
        topic = b"devices/bench-7/telemetry"
        assert packet[2 : 4 + len(topic)] == len(topic).to_bytes(2) + topic
        rest = packet[4 + len(topic) :]
        assert rest[: 2 * qos] == b"\x02\x01"[: 2 * qos]
        decoded = Decoder().decode(topic.decode(), rest[2 * qos :])
        assert isinstance(decoded, Decoded)
        assert decoded.device == "bench-7"
        assert decoded.rows[0].ts == 1_700_000_000.123
        assert tuple(decoded.rows[0].values) == METRICS[:metrics]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=3000))
def test_a_percentile_is_given_only_where_ten_samples_lie_beyond_it(values: list[float]) -> None:
    figures = percentiles(values)
    assert figures["count"] == len(values)
    assert figures["max"] == pytest.approx(max(values) * 1e3, abs=1e-3)
    for name, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        assert (name in figures) == (len(values) * (1 - part) >= 10)
        if name in figures:
            at_most = sum(value * 1e3 <= figures[name] + 1e-3 for value in values)
            assert at_most >= len(values) * part
    assert "p99.999" not in figures


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=10),
    cuts=st.lists(st.integers(1, 30), min_size=1),
)
def test_a_chunked_body_is_read_however_the_socket_cuts_it(
    chunks: list[bytes], cuts: list[int]
) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire += b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    body, received, at = Body(), b"", 0
    for turn in range(len(wire)):
        size = cuts[turn % len(cuts)]
        received += body.feed(wire[at : at + size])
        at += size
    assert received == b"".join(chunks)


def test_cpu_time_counts_descendants_that_live_and_children_that_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.15: pass\n"
    stay = burn + "print(1, flush=True)\ninput()\n"
    program = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {burn!r}])
alive = subprocess.Popen([sys.executable, "-c", {stay!r}], stdin=subprocess.PIPE)
input()
alive.communicate(b"1")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        family = tree(process.pid)
        assert len(family) == 2
        assert sum(map(cpu_seconds, family)) >= 0.28
        assert os.getpid() not in family
    finally:
        process.communicate(b"\n")


def test_the_rules_of_the_benchmark_are_valid_and_as_many_as_asked() -> None:
    rules = read_rules(rules_file(200).encode(), "bench.toml")
    assert len({rule.name for rule in rules}) == 200


def figures(cpu_us: float, refused: str | None = None) -> Figures:
    return {
        "cpu_us": cpu_us,
        "cpu_us_by_process": {"server": cpu_us},
        "rate": 1000,
        "sent": 5000,
        "lost": 0,
        "latency_ms": percentiles([0.001] * 20),
        "resident_mib": 50.0,
        "connection_kib": None,
        "connect_cpu_us": None,
        "viewers": [],
        "subscribers": None,
        "refused": refused,
    }


def test_ratios_are_of_pairs_and_refused_trials_count_for_nothing() -> None:
    series = Series(Workload("w", "A workload", {"connections": 1}))
    series.runs = {
        "tocsin": [figures(10), figures(12), figures(99, "steal"), figures(11)],
        "peer": [figures(20), figures(48), figures(10), None],
    }
    assert series.median_of("tocsin", "cpu_us") == 11
    assert series.ratio("tocsin", "peer", "cpu_us") == pytest.approx((10 / 20 + 12 / 48) / 2)


def test_the_page_states_medians_spread_ratios_and_what_was_refused(tmp_path: Path) -> None:
    series = Series(Workload("product-qos0", "Title of it", {"connections": 1}))
    series.runs = {
        "tocsin": [figures(10), figures(12)],
        "mosquitto+paho": [figures(60), figures(66)],
        "amqtt": [figures(1, "steal 9%")],
    }
    series.problems = ["amqtt, round 1: steal 9%"]
    report = {
        "at": "2026-01-01T00:00+00:00",
        "commit": "abc",
        "rounds": 2,
        "quick": False,
        "machine": {"processor": "P", "cores": 2, "memory_mib": 1024, "kernel": "6"},
        "python": "3.11",
        "busy_before": 0.5,
        "servers": {"tocsin": {"version": "1", "configuration": "defaults"}},
        "missing": ["node-red is not installed"],
        "series": [json.loads(json.dumps(series.as_json("tocsin")))],
    }
    page = tmp_path / "benchmarks.md"
    write_page(report, page)
    text = page.read_text()
    assert "| 11.0 [10.0 – 12.0] | 63.0 [60.0 – 66.0] |" in text
    assert "| 1/5 | 1/5.7 | reached |" in text
    assert "Not counted: amqtt, round 1: steal 9%." in text
    assert "Provisional" in text
    assert "node-red is not installed" in text
    chart = tmp_path / "benchmarks" / "product-qos0.svg"
    assert f"(benchmarks/{chart.name})" in text
    assert chart.read_text().count("<rect") == 2


def test_a_chart_draws_bars_in_proportion() -> None:
    chart = bar_chart("t", "µs", [Bar("a<b", 10, 9, 20), Bar("c", 5, 5, 5)])
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', chart)]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)
    assert "a&lt;b" in chart


def test_the_load_generator_and_viewer_refuse_to_guess() -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.load", "--port", "9", "--rate", "1"]
    folder = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert "Connection refused" in json.loads(done.stdout)["error"]
    assert done.returncode == 1
    assert time.monotonic() - began < 10.0
