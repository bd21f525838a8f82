import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, sync_playwright

from tests.server import Server

# How long an example takes says how busy the machine is, and nothing of what is tested. Every run
# draws other examples, and where a test does not say how many, `scripts/test --long` four times as
# many.
settings.register_profile(
    "tocsin",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=200 if os.environ.get("LONG_TESTS") == "long" else 50,
)
settings.load_profile("tocsin")

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server with an empty data folder."""
    running = Server(tmp_path / "data").start()
    yield running
    running.kill()
