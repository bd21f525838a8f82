from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dashboard.site import Site, running_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A dashboard on an empty data folder, on loopback."""
    async with running_site(tmp_path) as running:
        yield running
