"""Garbage, cut and flipped packets from many clients, while a healthy one sees no gap."""

import asyncio
import os
import random
import resource
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.broker.catalogue import MALFORMED, MISPLACED, WELL_FORMED
from tests.broker.catalogue5 import (
    CONNECTS5,
    MALFORMED5,
    MALFORMED_CONNECTS5,
    WELL_FORMED5,
)
from tests.broker.harness import Peer, Running, local, running
from tocsin.broker import AccessControl
from tocsin.broker.codec import encode
from tocsin.broker.packets import Connect, Publish

SEED = int(os.environ.get("TEST_FUZZ_SEED", random.SystemRandom().randrange(2**32)))


CASES = {
    4: (*WELL_FORMED, *MALFORMED, *MISPLACED),
    5: (*CONNECTS5, *WELL_FORMED5, *MALFORMED_CONNECTS5, *MALFORMED5),
}


def spoiled(chance: random.Random, level: int) -> bytes:
    """Packets of that protocol level, valid or not, with bits flipped, bytes added or cut away."""
    if chance.random() < 0.15:
        return chance.randbytes(chance.randrange(1, 400))
    wire = bytearray(
        b"".join(chance.choice(CASES[level]).wire for _ in range(chance.randrange(1, 6)))
    )
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(wire))
        match chance.randrange(4):
            case 0:
                wire[at] ^= 1 << chance.randrange(8)
            case 1:
                wire[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 2:
                del wire[at + 1 :]
            case _:
                wire[at] = chance.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(wire)


async def attack(broker: Running, chance: random.Random, number: int) -> None:
    """One connection that misbehaves, before or after its CONNECT, in one piece or in many."""
    async with broker.peer() as peer:
        try:
            level = chance.choice((4, 5))
            if chance.random() < 0.7:
                clean = chance.random() < 0.5
                await peer.connect(Connect(f"fuzz-{number % 7}", clean, level=level))
            wire = spoiled(chance, level)
            cut = chance.randrange(len(wire) + 1)
            await peer.send(wire[:cut])
            await asyncio.sleep(0)
            await peer.send(wire[cut:])
            if chance.random() < 0.5:
                async with asyncio.timeout(0.02):
                    await peer.reader.read(1_000)
        except (ConnectionError, EOFError, TimeoutError):
            return


def every_wire(level: int) -> list[bytes]:
    """Packets of that level, valid or not, of every type there is."""
    extra = b"\xc0\x00", b"\xd0\x00"  # PINGREQ and PINGRESP are the same in both
    wires = [case.wire for case in CASES[level] if 0 < len(case.wire) < 200]
    return list(dict.fromkeys((*wires, *extra)))


def mutants(wire: bytes) -> Iterator[bytes]:
    """The packet cut after each byte, stretched before each, and with each bit flipped."""
    for at in range(len(wire) + 1):
        yield wire[:at]
        yield wire[:at] + b"\x00" + wire[at:]
        yield wire[:at] + b"\xff\x7f" + wire[at:]
    for bit in range(8 * len(wire)):
        flipped = bytearray(wire)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


async def send_mutant(broker: Running, level: int, greet: bool, wire: bytes) -> None:
    """One connection that says this, before or after its CONNECT, and then something in order."""
    async with broker.peer() as peer:
        try:
            if greet:
                await peer.connect(Connect("mutant", level=level))
            await peer.send(wire, b"\xc0\x00")
        except (ConnectionError, EOFError):
            return


async def healthy(pub: Peer, sub: Peer, stopping: asyncio.Event) -> int:
    """Publishes and receives numbers; fails at the first gap. How many there were."""
    for number in count():
        payload = b"%d" % number
        await pub.send(Publish("healthy/t", payload))
        got = await sub.expect(Publish)
        # Wild packets may publish anywhere, but the healthy topic is only ours.
        assert got.payload == payload
        if stopping.is_set():
            return number + 1
    raise AssertionError("unreachable: count() does not end")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1_024


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts memory through /proc")
@pytest.mark.parametrize(
    "rounds", [pytest.param(10, id="short"), pytest.param(600, id="long", marks=pytest.mark.long)]
)
async def test_the_broker_stays_up_and_small(rounds: int) -> None:
    print(f"TEST_FUZZ_SEED={SEED}")
    chance = random.Random(SEED)
    # What sessions may keep is small, so that memory that grows is memory lost.
    small = local(
        queued_messages=50, retained_messages=50, unreleased=50, remembered_topics=500,
        sessions_offline=5,
    )  # fmt: skip
    async with running(small, access=AccessControl(remembered=500)) as broker:
        async with broker.client("healthy-pub") as pub, broker.client("healthy-sub") as sub:
            await sub.subscribe("healthy/t")
            stopping = asyncio.Event()
            watch = asyncio.create_task(healthy(pub, sub, stopping))
            files = memory = 0
            for number in range(rounds):
                attacks = (attack(broker, chance, number * 50 + i) for i in range(50))
                await asyncio.gather(*attacks)
                broker.sink.batches.clear()
                broker.sink.order.clear()
                broker.connections.clear()
                if number == rounds // 2:
                    files, memory = open_files(), resident_kib()
            stopping.set()
            assert await watch > rounds
            await broker.until(
                "attackers are gone", lambda: broker.broker.totals().connections == 2
            )
            assert open_files() <= files + 5
            assert resident_kib() <= memory + 2_000
            report = broker.broker.report()
            assert sum(report.refused.values()) > rounds
            assert len(report.refusals) <= broker.broker.report().limits["refusals_kept"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts memory through /proc")
@pytest.mark.parametrize(
    "share", [pytest.param(0.01, id="short"), pytest.param(1.0, id="long", marks=pytest.mark.long)]
)
async def test_every_packet_cut_stretched_and_flipped(share: float) -> None:
    print(f"TEST_FUZZ_SEED={SEED}")
    chance = random.Random(SEED)
    attacks = [
        (level, greet, mutant)
        for level in (4, 5)
        for greet in (False, True)
        for wire in every_wire(level)
        for mutant in mutants(wire)
        if chance.random() < share
    ]
    for level in (4, 5):
        kinds = {wire[0] >> 4 for wire in every_wire(level)}
        assert kinds >= set(range(1, 15)), "every packet type is among them"
    chance.shuffle(attacks)
    small = local(
        queued_messages=50, retained_messages=50, unreleased=50, remembered_topics=500,
        sessions_offline=5, address_connects_per_s=1e6,
    )  # fmt: skip
    async with running(small, access=AccessControl(remembered=500)) as broker:
        async with broker.client("healthy-pub") as pub, broker.client("healthy-sub") as sub:
            await sub.subscribe("healthy/t")
            stopping = asyncio.Event()
            watch = asyncio.create_task(healthy(pub, sub, stopping))
            files = memory = 0
            for first in range(0, len(attacks), 50):
                batch = attacks[first : first + 50]
                await asyncio.gather(*(send_mutant(broker, *each) for each in batch))
                broker.sink.batches.clear()
                broker.sink.facts.clear()
                broker.sink.order.clear()
                broker.connections.clear()
                if first <= len(attacks) // 2:
                    files, memory = open_files(), resident_kib()
            stopping.set()
            assert await watch > len(attacks) // 100
            await broker.until(
                "attackers are gone", lambda: broker.broker.totals().connections == 2
            )
            assert open_files() <= files + 5
            assert resident_kib() <= memory + 2_000
            print(f"{len(attacks)} packets, {sum(broker.refused().values())} refused")


async def test_a_packet_byte_by_byte_costs_no_more_than_its_size(broker: Running) -> None:
    wire = encode(Publish("t", b"x" * 20_000, 1, packet_id=1))
    async with broker.client("dripping") as peer:
        for at in range(0, len(wire), 7):
            await peer.send(wire[at : at + 7])
        await peer.receive()
    assert [len(payload) for payload in broker.sink.payloads] == [20_000]
