"""What a feed of the pipeline costs by batch size and number of rules, without sockets or disk.

    python -m benchmarks.feed [--profile]

Small batches are what many slow devices at a moderate rate make; the fixed cost of a feed decides
there. 1,000 known devices, messages of four metrics.
"""

import argparse
import cProfile
import pstats
import time
from random import Random

from benchmarks.packets import METRICS, NORMAL
from benchmarks.peers.tocsin_server import rules_file
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest.facts import RuleFileLoaded
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.loading import read_rules
from tocsin.ingest.settings import Settings

DEVICES = 1000
FEEDS = 400
MESSAGES_PER_S = 2000.0
BEGAN_AT = 1_700_000_000.0


class Stream:
    """Messages of all devices in turn. State: whose turn it is."""

    def __init__(self) -> None:
        self._chance = Random(1)
        self._turn = 0

    def batch(self, size: int, at: float) -> list[Message]:
        return [self._message(at) for _ in range(size)]

    def _message(self, at: float) -> Message:
        device = f"bench-{self._turn % DEVICES}"
        self._turn += 1
        values = ",".join(
            f'"{name}":{value * self._chance.uniform(0.97, 1.03):.2f}'
            for name, value in zip(METRICS, NORMAL, strict=True)
        )
        payload = f'{{"ts":{at * 1000:.0f},{values}}}'.encode()
        return Message(device, f"devices/{device}/telemetry", payload)


def feed_us(rules: int, size: int, profile: cProfile.Profile | None = None) -> float:
    """Microseconds of processor time of one feed of that many messages, devices known before."""
    pipeline, stream = Pipeline(Settings(), Decoder()), Stream()
    if rules:
        file = RuleFileLoaded(read_rules(rules_file(rules).encode(), "bench.toml"))
        pipeline.feed([file], BEGAN_AT)
    pipeline.feed(stream.batch(DEVICES, BEGAN_AT), BEGAN_AT + 0.1)
    times = [BEGAN_AT + 1.0 + n * size / MESSAGES_PER_S for n in range(FEEDS)]
    batches = [stream.batch(size, at) for at in times]
    if profile:
        profile.enable()
    began = time.process_time()
    for batch, at in zip(batches, times, strict=True):
        pipeline.feed(batch, at)
    used_s = time.process_time() - began
    if profile:
        profile.disable()
    return used_s / FEEDS * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.feed")
    parser.add_argument("--profile", action="store_true", help="profile 20 rules, batches of 8")
    if parser.parse_args().profile:
        profile = cProfile.Profile()
        feed_us(20, 8, profile)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    print(f"{'rules':>5} {'batch':>5} {'µs per feed':>12} {'µs per message':>15}")
    for rules in (0, 20, 200):
        for size in (1, 4, 16, 64, 256):
            used_us = feed_us(rules, size)
            print(f"{rules:5} {size:5} {used_us:12.0f} {used_us / size:15.1f}")


if __name__ == "__main__":
    main()
