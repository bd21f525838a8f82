"""Many connections that are lost at once end a few a turn, each for its own reason."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

from tests.broker.harness import Peer, running
from tocsin.broker.departures import AT_ONCE, Departures
from tocsin.broker.packets import Connect


class Lost:
    def __init__(self, departed: list["Lost"]) -> None:
        self._departed = departed

    def depart(self) -> None:
        self._departed.append(self)


async def test_few_depart_at_once_and_many_in_their_order_a_few_each_turn() -> None:
    departures, departed = Departures(), list[Lost]()
    lost = [Lost(departed) for _ in range(5 * AT_ONCE + 1)]
    departures.add(lost[0])
    assert departed == lost[:1], "who is alone does not wait"
    for each in lost[1:]:
        departures.add(each)
    seen = [len(departed)]
    while len(departed) < len(lost):
        await asyncio.sleep(0)
        seen.append(len(departed))
        assert len(seen) < 20
    assert seen[0] == AT_ONCE
    assert max(after - before for before, after in pairwise(seen)) <= AT_ONCE
    assert departed == lost


async def test_who_comes_back_before_its_lost_connection_ended_does_not_take_it_over() -> None:
    """All sockets are gone in one turn, and one of the last is back in the next."""
    names = [f"c{n:03}" for n in range(8 * AT_ONCE)]
    async with running() as broker, AsyncExitStack() as stack:
        peers: list[Peer] = []
        for name in names:
            peers.append(await stack.enter_async_context(broker.peer()))
            await peers[-1].connect(Connect(name))
        back = await stack.enter_async_context(broker.peer())
        for peer in peers:
            peer.writer.transport.abort()
        while all(online for _, online, _ in broker.connections):  # noqa: ASYNC110 - turn by turn
            await asyncio.sleep(0)  # the first of them end in this turn, the others later
        await back.connect(Connect(names[-1]))
        for name in names:
            assert await broker.ended(name) == "connection lost"
        heard = broker.connections
        assert sorted(who for who, online, _ in heard if not online) == names
        last = [online for who, online, _ in heard if who == names[-1]]
        assert last == [True, False, True], "it was gone before it came back"
