import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping

import pytest_asyncio

from tests.broker.harness import Running, running


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops the server runs on: they differ in when they write, pause and close."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    if sys.platform != "win32":
        import uvloop

        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[Running]:
    async with running() as started:
        yield started
