"""A thousand connections that are lost at once end a few a turn."""

import asyncio
from itertools import pairwise

from tocsin.broker.departures import AT_ONCE, Departures


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
