"""Connections whose sockets are gone: the end of each is some work, and many may come at once."""

import asyncio
from collections import deque
from typing import Protocol

AT_ONCE = 48
"""Ends in one turn of the event loop, 20 µs each. With a gateway a thousand may be lost in it."""


class Departing(Protocol):
    def depart(self) -> None:
        """Whatever follows from a lost connection; does nothing the second time."""
        ...


class Departures:
    """Owns the connections that are lost and have not departed, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Departing] = deque()
        self._room = AT_ONCE
        self._scheduled = False

    def add(self, connection: Departing) -> None:
        """Lets it depart now, or in one of the next turns of the event loop."""
        if self._room:
            self._room -= 1
            connection.depart()
        else:
            self._waiting.append(connection)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._room = AT_ONCE
        while self._waiting and self._room:
            self.add(self._waiting.popleft())
