"""Functions in a real server, and over its `kill -9`."""

from pathlib import Path

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


def test_what_functions_made_survives_kill_9_and_their_worker_does_not(tmp_path: Path):
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
    finally:
        server.kill()
