"""Functions in a real server, and over its `kill -9`."""

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.ingest.functions.hosting import write
from tests.server import Server, wait_for

POWER = """
    import os

    @on_reading("boiler-*", metrics=["volts", "amps"])
    def power(reading):
        print("pid", os.getpid())
        return {"power_kw": reading["volts"] * reading["amps"] / 1000}
"""


def power_of(server: Server, device: str) -> float | None:
    found = server.device(device)
    return found["metrics"].get("power_kw", {}).get("value") if found else None


def look_at(page: Page, server: Server, folder: Path) -> None:
    """What a person sees of functions, while another file turns out to be broken."""
    page.goto(server.http + "/")
    page.keyboard.press("g")
    page.keyboard.press("f")
    functions = page.get_by_test_id("functions")
    row = functions.get_by_role("row").filter(has_text="power.power")
    expect(row).to_contain_text("boiler-*")
    expect(row.get_by_role("cell").nth(3)).to_have_text("1")
    expect(page.get_by_test_id("function-log")).to_contain_text("pid ")
    write(folder, broken="import nowhere")
    expect(functions).to_contain_text("broken.py is not loaded.", timeout=30_000)
    expect(functions).to_contain_text("No module named 'nowhere'")


def test_what_functions_made_survives_kill_9_and_their_worker_does_not(
    tmp_path: Path, chromium: Browser
):
    folder = write(tmp_path / "functions", power=POWER)
    config = tmp_path / "tocsin.toml"
    config.write_text("[functions]\nbudget_s = 20.0\n")
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        wait_for(
            "functions are loaded",
            lambda: server.get("/api/functions")["worker"] in ("idle", "busy"),
            30,
        )
        with server.client("boiler-1") as client:
            payload = '{"volts": 230, "amps": 10}'
            client.publish("devices/boiler-1/telemetry", payload, qos=1).wait_for_publish(10)
            wait_for("it is derived", lambda: power_of(server, "boiler-1") == 2.3, 30)
        report = wait_for("its line", lambda: (r := server.get("/api/functions"))["log"] and r, 10)
        [power] = report["functions"]
        assert (power["name"], power["calls_total"], power["state"]) == (
            "power.power",
            1,
            "running",
        )
        worker = int(report["log"][0]["text"].removeprefix("pid "))
        server.kill()
        wait_for("the worker is gone", lambda: not Path(f"/proc/{worker}").exists())

        # Another function by now: what the old one made is in the journal.
        write(folder, power=POWER.replace("/ 1000", "/ 1"))
        server.start()
        assert power_of(server, "boiler-1") == 2.3
        wait_for(
            "functions are loaded",
            lambda: server.get("/api/functions")["worker"] in ("idle", "busy"),
            30,
        )
        [power] = server.get("/api/functions")["functions"]
        assert power["calls_total"] == 0
        assert power_of(server, "boiler-1") == 2.3

        with server.client("boiler-1") as client:
            client.publish("devices/boiler-1/telemetry", payload, qos=1).wait_for_publish(10)
        with chromium.new_page() as page:
            look_at(page, server, folder)
    finally:
        server.kill()
