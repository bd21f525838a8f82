"""What goes wrong behind the scenes shows: in /healthz, /api/status, /metrics, doctor, the page."""

import json
import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.server import Server, wait_for
from tests.tocsin.command import run
from tests.wire import connected, publish_packet

FAULTS = Path(__file__).parent / "faults"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def metric(server: Server, name: str) -> float:
    text = httpx2.get(server.http + "/metrics").text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


@pytest.fixture
def troubled(tmp_path: Path):
    """A server whose checkpoints fail, and which could not judge one batch."""
    server = Server(
        tmp_path / "data",
        program=FAULTS / "poison.py",
        env={"TOCSIN_ENGINE__CHECKPOINT_S": "1"},
    ).start()
    snapshots = tmp_path / "data" / "snapshots"
    for file in snapshots.glob("*"):
        file.unlink()
    if snapshots.exists():
        snapshots.rmdir()
    snapshots.write_text("in the way")
    try:
        with connected(server.mqtt, "d") as sock:
            sock.sendall(publish_packet("devices/d/telemetry", b'{"a": 1}', 1, 1))
            assert sock.recv(4) == b"\x40\x02\x00\x01"
            sock.sendall(publish_packet("devices/poison/telemetry", b'{"a": 1}', 1, 2))
            assert sock.recv(4) == b"\x40\x02\x00\x02"
        wait_for("a trouble", lambda: server.get("/api/status")["troubles"] or None)
        yield server
    finally:
        server.kill()


def test_troubles_show_everywhere_until_they_are_over(troubled: Server, tmp_path: Path):
    health = troubled.get("/healthz")
    assert health["status"] == "troubled"
    assert (health["troubles"], health["failures_total"]) == (["checkpoint"], 1)
    [trouble] = troubled.get("/api/status")["troubles"]
    assert trouble["work"] == "checkpoint"
    assert "snapshots" in trouble["error"]
    assert metric(troubled, "tocsin_background_troubles") == 1
    assert metric(troubled, "tocsin_pipeline_failures_total") == 1
    said = run(tmp_path, "doctor", "--data", str(troubled.data))
    assert said.status == 1
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    told = [line.partition(":")[0].partition(";")[0] for line in lines if line.startswith("bad ")]
    assert "bad background checkpoint failed and is tried again" in told
    assert "bad judging 1 batches failed since the start" in told

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.goto(troubled.http + "/")
        background = page.get_by_test_id("strip-background")
        expect(background).to_contain_text("History is not being written")
        expect(background).not_to_contain_text("Errno")
        judging = page.get_by_test_id("strip-judging")
        expect(judging).to_contain_text("1 batch of readings could not be judged")
        judging.get_by_role("button").click()
        expect(judging).to_have_count(0)

        (troubled.data / "snapshots").unlink()
        (troubled.data / "snapshots").mkdir()
        expect(background).to_have_count(0, timeout=15_000)
        browser.close()
    assert json.loads(httpx2.get(troubled.http + "/healthz").text)["troubles"] == []
