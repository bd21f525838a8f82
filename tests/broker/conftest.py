from collections.abc import AsyncIterator

import pytest_asyncio

from tests.broker.harness import Running, running


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[Running]:
    async with running() as started:
        yield started
