"""What the load generator sends is MQTT, and what the viewer reads is what was sent."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.devices.formats import Decoded, Decoder
from tocsin.simulators.bench.packets import (
    METRICS,
    PACKET_IDS,
    Publications,
    Segments,
    connect,
    length,
)
from tocsin.simulators.bench.percentiles import percentiles
from tocsin.simulators.bench.stream import Body


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
    packet_id = PACKET_IDS[513] if qos else b""
    for _ in range(8):
        packet = publications.next(packet_id, b"1700000000123.250")
        assert packet[0] == 0x30 | qos << 1
        assert packet[1] == len(packet) - 2
        topic = b"devices/bench-7/telemetry"
        assert packet[2 : 4 + len(topic)] == len(topic).to_bytes(2) + topic
        rest = packet[4 + len(topic) :]
        assert rest[: 2 * qos] == b"\x02\x01"[: 2 * qos]
        decoded = Decoder().decode(topic.decode(), rest[2 * qos :])
        assert isinstance(decoded, Decoded)
        assert decoded.device == "bench-7"
        assert decoded.rows[0].ts == 1_700_000_000.12325
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


@pytest.mark.parametrize("qos", [0, 1])
def test_the_messages_of_a_segment_are_whole_and_each_has_a_time_of_its_own(qos: int) -> None:
    segments, times = Segments("bench-7", 2, qos, 32), list[float]()
    for first in (1, 33):
        data = segments.next(PACKET_IDS[first : first + 32], 1_700_000_000_123)
        ids: list[int] = []
        while data:
            packet, data = data[2 : 2 + data[1]], data[2 + data[1] :]
            topic_ends = 2 + int.from_bytes(packet[:2])
            if qos:
                ids.append(int.from_bytes(packet[topic_ends : topic_ends + 2]))
            payload = packet[topic_ends + 2 * qos :]
            decoded = Decoder().decode(packet[2:topic_ends].decode(), payload)
            assert isinstance(decoded, Decoded)
            assert tuple(decoded.rows[0].values) == METRICS[:2]
            times.append(decoded.rows[0].ts or 0.0)
        assert ids == (list(range(first, first + 32)) if qos else [])
    assert len(set(times)) == 64
    assert min(times) >= 1_700_000_000.123
    assert max(times) < 1_700_000_000.124


def test_the_time_of_a_device_never_goes_back_however_fast_its_segments_follow() -> None:
    segments, times = Segments("bench-7", 1, 0, 100), list[bytes]()
    for _ in range(20):
        data = segments.next(PACKET_IDS, 1_700_000_000_123)
        times += re.findall(rb'"ts":([0-9.]+)', data)
    assert len(times) == 2000
    assert all(before < after for before, after in pairwise(map(float, times)))


def test_a_segment_is_bounded() -> None:
    with pytest.raises(ValueError, match="0 messages a segment are out of range; expected 1 to"):
        Segments("bench-7", 1, 0, 0)


def test_connect_carries_credentials_only_when_there_are_some() -> None:
    assert connect("a")[9] == 0x02
    named = connect("a", "ada", "secret")
    assert named[9] == 0xC2
    assert named.endswith(b"\x00\x01a\x00\x03ada\x00\x06secret")
