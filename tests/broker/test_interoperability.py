"""Clients that are not ours, each by every way and in every version that it can.

Each subscribes in a session, hears what is published at every QoS, leaves, and comes back to the
session for the messages that were published meanwhile.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.broker.certificates import Authority
from tests.broker.clauses import clause311
from tests.broker.harness import Running, running
from tests.broker.interoperability import KINDS, Kind, Place
from tocsin.broker import Listener, Settings
from tocsin.broker.packets import LEVEL_5, LEVEL_311

SCHEMES = ("mqtt", "mqtts", "ws", "wss")
VERSIONS = {"3.1.1": LEVEL_311, "5": LEVEL_5}
DOCUMENT = Path(__file__).parents[2] / "docs" / "mqtt.md"


@asynccontextmanager
async def listening(place: Place, folder: Path) -> AsyncGenerator[tuple[Running, Place]]:
    """A broker with a listener for that place, and the place with its port."""
    authority = Authority(folder) if place.scheme in ("mqtts", "wss") else None
    tls = authority.tls() if authority else None
    # paho and MQTT.js name the broker itself as the page they come from, and not by its address.
    origins = ("*",) if place.framed else ()
    listener = Listener("127.0.0.1", 0, tls, place.framed, origins=origins)
    async with running(Settings(listeners=(listener,))) as broker:
        yield broker, replace(place, port=broker.port, ca=authority.ca if authority else None)


def cells() -> Iterator[object]:
    for client, kind in KINDS.items():
        for version in VERSIONS:
            for scheme in SCHEMES:
                if version not in kind.cannot and scheme not in kind.cannot:
                    yield pytest.param(kind, version, scheme, id=f"{client}, {version}, {scheme}")


@clause311("MQTT-7.0.0-2")
@pytest.mark.parametrize(("kind", "version", "scheme"), [*cells()])
async def test_each_client(kind: Kind, version: str, scheme: str, tmp_path: Path) -> None:
    level = VERSIONS[version]
    async with listening(Place(scheme, 0, None, level), tmp_path) as (broker, place):
        async with kind.guests(place) as invite:
            sub, pub = invite("sub", place), invite("pub", place)
            assert not await sub.connect(clean=False)
            await sub.subscribe("t/#")
            await pub.connect(clean=True)
            for qos in (0, 1, 2):
                await pub.publish(f"t/{qos}", f"now {qos}", qos)
                assert await sub.heard() == f"now {qos}"
            [report] = [each for each in broker.broker.report().clients if each.id == "sub"]
            assert (report.level, report.subscriptions) == (level, {"t/#": 2})

            await sub.leave()
            assert await broker.ended("sub") == "clean"
            for qos in (1, 2):
                await pub.publish(f"t/{qos}", f"later {qos}", qos)
            # None: it does not say.
            assert await sub.connect(clean=False) in (True, None)
            assert sorted([await sub.heard(), await sub.heard()]) == ["later 1", "later 2"]
            await sub.leave()
            await pub.leave()


def test_what_a_client_cannot_is_documented() -> None:
    def cell(kind: Kind, version: str, scheme: str) -> str:
        return "—" if version in kind.cannot or scheme in kind.cannot else "yes"

    for client, kind in KINDS.items():
        can = [cell(kind, version, scheme) for version in VERSIONS for scheme in SCHEMES]
        assert f"| {client} | {' | '.join(can)} |" in DOCUMENT.read_text()
