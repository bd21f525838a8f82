"""Makes docs/screenshot.png: the overview of a running demo while something rings.

Run it as `.venv/bin/python scripts/screenshot.py`, after `scripts/install --dev`.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SIZE = {"width": 1440, "height": 900}
# The demo's first critical alarm is a boiler, half a minute after the start. It gets hotter for a
# while, and the sparklines get a past.
HEATS_S = 28


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tocsin", "demo", "--data", f"{folder}/data"]
        command += ["--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            take(wait_for_address(Path(folder, "data", "lock")))
        finally:
            demo.terminate()
            demo.wait(10)


def wait_for_address(lock: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return f"http://{json.loads(lock.read_text())['http']}"
        except (OSError, ValueError):
            time.sleep(0.1)
    raise SystemExit("the demo did not start")


def take(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport=SIZE, color_scheme="dark", device_scale_factor=1)
        page.goto(url)
        deadline = time.monotonic() + 180
        while not ringing(url) and time.monotonic() < deadline:
            page.wait_for_timeout(1000)
        page.wait_for_timeout(HEATS_S * 1000)
        page.screenshot(path=ROOT / "docs" / "screenshot.png")
        browser.close()


def ringing(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/api/alerts?state=active") as answer:  # noqa: S310
        return any(alert["severity"] == "critical" for alert in json.load(answer))


main()
