"""The hot inner loops do not become much slower, whatever the machine.

Each is compared with a reference loop: what a plain Python program does with the same messages
(json, dictionaries, a threshold). pytest-benchmark times the loop; before each of its rounds the
reference takes its turn, by the same timer. Processor time alone counts, and the median of the
ratios is held against the one that was measured when the loop was written. A busy or slow machine
slows both down.

    pytest tests/test_inner_loops.py -rP                                the ratios now, for MEASURED
    pytest tests/test_inner_loops.py --benchmark-save NAME              keeps the times
    pytest tests/test_inner_loops.py --benchmark-compare                beside those kept last
"""

import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tocsin.broker.decoder import Decoder as PacketDecoder
from tocsin.dashboard.stream.events import write_event
from tocsin.dashboard.stream.frames import FrameBuffer
from tocsin.dashboard.stream.rows import Rows
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.catalogue import Catalogue, Kind
from tocsin.ingest.facts import RulePut
from tocsin.ingest.intake import Intake
from tocsin.ingest.outcome import Readings
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.presence import PresenceBook
from tocsin.ingest.refusals import Refusals
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings
from tocsin.ingest.windows.panes import Panes
from tocsin.ingest.windows.spec import WindowSpec
from tocsin.simulators.bench.packets import METRICS, PACKET_IDS, Publications

MEASURED = {
    "codec": 0.22,
    "intake": 0.28,
    "windows": 0.15,
    "rules": 1.1,
    "frame": 0.36,
}
"""Processor time of each loop ÷ that of the reference, for the same number of messages."""
SLACK = 2.0
"""How much more than that a loop may take: processors differ in what they do well."""
ROUNDS = 25
WARM_UP = 2
"""The first turns meet every device for the first time, and are not counted."""
MESSAGES = 1000
START = 1_700_000_000.0
LIMITS = dict.fromkeys(METRICS, 1e6)

Loop = Callable[[int], object]
"""Does the loop's work for MESSAGES messages; its argument is the number of the turn."""


def payloads() -> list[bytes]:
    """A payload of four metrics for each device."""
    return [
        json.dumps(
            {name: round(20 + (n * 7 + m) % 50 + n / 1e3, 2) for m, name in enumerate(METRICS)},
            separators=(",", ":"),
        ).encode()
        for n in range(MESSAGES)
    ]


def messages() -> list[Message]:
    return [
        Message(f"c{n}", f"devices/bench-{n}/telemetry", payload)
        for n, payload in enumerate(payloads())
    ]


def reference() -> Loop:
    """Parse, keep the newest value and the number of readings, compare with a limit."""
    batch = [(message.topic, message.payload) for message in messages()]
    newest: dict[tuple[str, str], tuple[int, float]] = {}
    alarms: list[str] = []

    def loop(_: int) -> None:
        for topic, payload in batch:
            device = topic.split("/")[1]
            for metric, value in json.loads(payload).items():
                count, _before = newest.get((device, metric), (0, 0.0))
                newest[device, metric] = (count + 1, value)
                if value > LIMITS[metric]:
                    alarms.append(device)

    return loop


def codec() -> Loop:
    """PUBLISH packets of QoS 1 from bytes to messages, eight to a read."""
    topics: dict[bytes, str] = {}

    def admit(topic: bytes) -> str:
        return topics.setdefault(topic, topic.decode())

    decoder = PacketDecoder(1 << 16)
    decoder.open("bench", 1 << 18, topics, admit)
    packets = [
        Publications(f"bench-{n}", 4, 1).next(PACKET_IDS[n + 1], b"1700000000123.250")
        for n in range(MESSAGES)
    ]
    reads = [b"".join(packets[n : n + 8]) for n in range(0, MESSAGES, 8)]

    def loop(_: int) -> None:
        decoded = sum(len(decoder.feed(read)) for read in reads)
        assert decoded == MESSAGES

    return loop


def intake() -> Loop:
    """Payloads of known devices to columns."""
    settings = Settings()
    catalogue = Catalogue(settings)
    presence, refusals = PresenceBook(settings, catalogue), Refusals(settings.caps)
    stage = Intake(settings.caps, Decoder(), catalogue, presence, refusals)
    batch = messages()

    def loop(turn: int) -> None:
        rows, _, _ = stage.gather(batch, START + turn)
        assert len(rows.value) == MESSAGES * 4

    return loop


def windows() -> Loop:
    """Readings of four metrics into windows of five minutes, and their means."""
    panes = [Panes(WindowSpec.hopping(300.0), ends=False) for _ in METRICS]
    series = np.arange(MESSAGES, dtype=np.int32)
    value = np.linspace(10.0, 90.0, MESSAGES)

    def loop(turn: int) -> None:
        at = np.full(MESSAGES, START + turn)
        for one in panes:
            one.update(series, at, value)
            assert one.query("avg", series)[0] == pytest.approx(10.0)

    return loop


def rules() -> Loop:
    """The whole pipeline with 20 rules, four of them windowed, none of which rings."""
    pipeline = Pipeline(Settings(), Decoder())
    whens = [f"{metric} > {limit}" for metric in METRICS for limit in (200, 300, 400, 500)]
    whens += [f"avg({metric}, '5m') > 200" for metric in METRICS]
    for n, when in enumerate(whens):
        pipeline.feed([RulePut(Rule(name=f"rule {n}", when=when), "bench")], START)
    batch = messages()

    def loop(turn: int) -> None:
        now = START + 1 + turn
        told = [pipeline.feed(batch, now).readings, pipeline.settle(now).readings]
        assert sum(len(each.series) for each in told if each is not None) == MESSAGES * 4

    return loop


def frame() -> Loop:
    """The readings of 100 ms, which came in ten batches, as one event of the stream."""
    catalogue = Catalogue(Settings())
    series = [
        catalogue.admit_series(catalogue.admit_device(f"bench-{n}"), metric, Kind.NUMBER)
        for n in range(MESSAGES)
        for metric in METRICS
    ]
    buffer, rows = FrameBuffer(), Rows(catalogue)
    parts = np.array_split(np.array(series, np.int32), 10)
    value = np.linspace(10.0, 90.0, len(series)).round(2)

    def loop(turn: int) -> None:
        at = START + turn
        for part in parts:
            late = np.zeros(len(part), np.bool_)
            now = np.full(len(part), at)
            row = np.arange(len(part)) // len(METRICS)
            buffer.add(Readings(part, now, value[part], late, now, row))
        event = write_event("readings", rows.event(buffer.take(), at))
        assert event.count(b"bench-") == MESSAGES * 4

    return loop


LOOPS: dict[str, Callable[[], Loop]] = {
    "codec": codec,
    "intake": intake,
    "windows": windows,
    "rules": rules,
    "frame": frame,
}


def ratio_to_reference(benchmark: BenchmarkFixture, loop: Loop) -> float:
    """The median over the rounds of loop ÷ reference, each pair measured one after the other."""
    if benchmark.disabled:
        pytest.skip("no times with --benchmark-disable or beside other processes of pytest-xdist")
    plain, plain_s = reference(), list[float]()

    def alternate() -> tuple[tuple[int], dict[str, object]]:
        turn = len(plain_s)
        began = time.process_time()
        plain(turn)
        plain_s.append(time.process_time() - began)
        return (turn,), {}

    benchmark.pedantic(loop, setup=alternate, rounds=ROUNDS, warmup_rounds=WARM_UP)
    assert benchmark.stats is not None
    loop_s: list[float] = benchmark.stats.stats.data
    ratio = median(ours / its for ours, its in zip(loop_s, plain_s[WARM_UP:], strict=True))
    benchmark.extra_info |= {"reference_s": median(plain_s[WARM_UP:]), "ratio": ratio}
    return ratio


@pytest.mark.benchmark(group="inner loops", timer=time.process_time, disable_gc=True)
@pytest.mark.parametrize("name", LOOPS)
def test_an_inner_loop_costs_no_more_than_it_did(name: str, benchmark: BenchmarkFixture) -> None:
    ratio = ratio_to_reference(benchmark, LOOPS[name]())
    most = MEASURED[name] * SLACK
    print(f'    "{name}": {ratio:.2f},')
    assert ratio <= most, (
        f"{name} takes {ratio:.2f} of the reference; it took {MEASURED[name]:.2f} when it was"
        f" measured, and may take {most:.2f}. Where it does more on purpose, measure it anew."
    )


@pytest.mark.benchmark(group="three times intake", timer=time.process_time, disable_gc=True)
def test_a_loop_that_does_its_work_three_times_is_found(benchmark: BenchmarkFixture) -> None:
    loop = intake()

    def thrice(turn: int) -> None:
        for _ in range(3):
            loop(turn)

    assert ratio_to_reference(benchmark, thrice) > MEASURED["intake"] * SLACK
