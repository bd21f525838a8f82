"""Peers that speak either version, for what both standards demand."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.broker.harness import Peer, Running
from tocsin.broker.packets import LEVEL_5, LEVEL_311, Connack, Connect, Will
from tocsin.broker.properties import Properties

both = pytest.mark.parametrize("level", [LEVEL_311, LEVEL_5])
"""The test runs with MQTT 3.1.1 and with 5."""

KEPT_S = 60


def connect(
    name: str, level: int, *, keep: bool = False, fresh: bool = False, will: Will | None = None
) -> Connect:
    """`keep`: the session outlives the connection. `fresh`: what was there before is discarded.

    3.1.1 has one flag for both: there a session that is kept is never fresh.
    """
    if level < LEVEL_5:
        return Connect(name, clean=not keep, will=will)
    properties = Properties(session_expiry_s=KEPT_S if keep else None)
    return Connect(name, fresh or not keep, will=will, level=LEVEL_5, properties=properties)


@asynccontextmanager
async def client(
    broker: Running,
    name: str,
    level: int,
    *,
    keep: bool = False,
    will: Will | None = None,
    present: bool | None = None,
) -> AsyncGenerator[Peer]:
    """A client whose CONNECT was accepted; `present`: what CONNACK must say of its session."""
    async with broker.peer() as peer:
        answer = await peer.connect(connect(name, level, keep=keep, will=will))
        assert answer.code == 0
        if present is not None:
            assert answer.session_present is present
        yield peer


async def rest(peer: Peer) -> bytes:
    """All that the broker sends before it closes."""
    await peer.send(b"")
    return await _read_all(peer)


async def _read_all(peer: Peer) -> bytes:
    got = b""
    while True:
        try:
            got += await peer.exactly(1)
        except (EOFError, ConnectionError):
            return got


def accepted(answer: Connack) -> bool:
    return answer.code == 0
