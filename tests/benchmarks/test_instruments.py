"""The instruments of the benchmarks: what they send is MQTT, and what they report is true."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.charts import Bar, bar_chart, line_chart
from benchmarks.costs import cost_rows
from benchmarks.engine import pipeline_of
from benchmarks.engine_plant import Plant, Setup, plain_rules
from benchmarks.measure import cpu_seconds, tree
from benchmarks.page import write_page
from benchmarks.peers import Server
from benchmarks.peers.tocsin_server import rules_file
from benchmarks.plain import Plain
from benchmarks.plan import plan
from benchmarks.series import Series, measure
from benchmarks.targets import TARGET_PEER, TARGETS
from benchmarks.trial import Figures, Workload, accounts
from tests.server import Server as TocsinServer
from tests.server import wait_for
from tocsin.ingest.rules.loading import read_rules
from tocsin.simulators.bench.child import Child
from tocsin.simulators.bench.percentiles import percentiles


def test_cpu_time_counts_descendants_that_live_and_children_that_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.15: pass\n"
    stay = burn + "print(1, flush=True)\ninput()\n"
    program = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {burn!r}])
alive = subprocess.Popen([sys.executable, "-c", {stay!r}], stdin=subprocess.PIPE)
input()
alive.communicate(b"1")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        family = tree(process.pid)
        assert len(family) == 2
        assert sum(map(cpu_seconds, family)) >= 0.28
        assert os.getpid() not in family
    finally:
        process.communicate(b"\n")


def test_what_is_lost_and_what_comes_twice_is_counted_where_it_ends() -> None:
    relay = Workload("w", "A relay", {})
    fan_out = Workload("f", "A fan-out", {}, subscribers={"count": 3})
    assert accounts(relay, 10, None, {}) == {"lost": None, "duplicates": None}
    assert accounts(relay, 10, 8, {}) == {"lost": 2, "duplicates": 0}
    assert accounts(relay, 10, 11, {}) == {"lost": 0, "duplicates": 1}
    seen = {"subscribers": {"deliveries": 29}}
    assert accounts(fan_out, 10, 10, seen) == {"lost": 1, "duplicates": 0}


def test_the_rules_of_the_benchmark_are_valid_and_as_many_as_asked() -> None:
    rules = read_rules(rules_file(200).encode(), "bench.toml")
    assert len({rule.name for rule in rules}) == 200


def test_plain_python_does_the_work_it_is_compared_with() -> None:
    setup = Setup(devices=20)
    pipeline, plain, plant = pipeline_of(setup), Plain(plain_rules(setup)), Plant(20)
    turns = 0
    for now, batch in plant.batches(10, 60):
        turns += len(pipeline.feed(batch, now).alerts)
        for message in batch:
            plain.feed(message.client, message.payload)
    assert turns == plain.turns > 0


def figures(cpu_us: float, refused: str | None = None) -> Figures:
    return {
        "cpu_us": cpu_us,
        "cpu_us_by_process": {"server": cpu_us},
        "rate": 1000,
        "sent": 5000,
        "lost": 0,
        "latency_ms": percentiles([0.001] * 20),
        "resident_mib": 50.0,
        "connection_kib": None,
        "connect_cpu_us": None,
        "generator_cpu": 0.1,
        "machine_busy": 0.5,
        "steal": 0.0,
        "seen": {},
        "refused": refused,
    }


def test_ratios_are_of_pairs_and_refused_trials_count_for_nothing() -> None:
    series = Series(Workload("w", "A workload", {"connections": 1}))
    series.runs = {
        "tocsin": [figures(10), figures(12), figures(99, "steal"), figures(11)],
        "peer": [figures(20), figures(48), figures(10), None],
    }
    assert series.median_of("tocsin", "cpu_us") == 11
    assert series.ratios("tocsin", "peer", "cpu_us") == [10 / 20, 12 / 48]


def test_the_page_states_medians_spread_ratios_and_what_was_refused(tmp_path: Path) -> None:
    series = Series(Workload("product-qos0", "Title of it", {"connections": 1}))
    series.runs = {
        "tocsin": [figures(10), figures(12)],
        "mosquitto+paho": [figures(60), figures(66)],
        "amqtt": [figures(1, "steal 9%")],
    }
    series.problems = ["amqtt, round 1: steal 9%"]
    report = {
        "at": "2026-01-01T00:00+00:00",
        "commit": "abc",
        "took_s": 61,
        "complete": True,
        "quick": False,
        "machine": {"processor": "P", "cores": 2, "memory_mib": 1024, "kernel": "6"},
        "python": "3.11",
        "others": 0.5,
        "servers": {"tocsin": {"version": "1", "configuration": "defaults"}},
        "missing": ["node-red is not installed"],
        "series": [json.loads(json.dumps(series.as_json("tocsin")))],
    }
    page = tmp_path / "benchmarks.md"
    write_page(report, page)
    text = page.read_text()
    assert "| 11.0 [10.0 – 12.0] | 63.0 [60.0 – 66.0] |" in text
    assert "| at most 1/5 | 0.17 (2 rounds) | reached |" in text
    assert "Not counted: amqtt, round 1: steal 9%." in text
    assert "Provisional" in text
    assert "node-red is not installed" in text
    chart = tmp_path / "benchmarks" / "product-qos0.svg"
    assert f"(benchmarks/{chart.name})" in text
    assert chart.read_text().count("<rect") == 2


def seen(readings: int = 4000, late: int = 0, p99: float = 100.0) -> dict[str, object]:
    viewer = {
        "readings": readings,
        "received_late": late,
        "over_250ms": late,
        "alerts": 0,
        "cut": 0,
        "latency_ms": {"count": readings, "p99": p99},
        "alert_latency_ms": {"count": 0},
    }
    queries = {
        "charts": {"answers": 7, "failed": {"status 503": 3}, "took_ms": {"count": 7, "max": 9.0}},
        "backtests": {"answers": 2, "failed": {}, "took_ms": {"count": 2, "max": 8.0}},
    }
    return {
        "viewer": viewer,
        "slow viewer": {"cut": 2},
        "slow subscriber": {"cut": 0},
        "queries": queries,
    }


def report_of(*series: Series) -> dict[str, object]:
    return {
        "at": "2026-01-01T00:00+00:00",
        "commit": "abc",
        "took_s": 61,
        "complete": True,
        "quick": False,
        "machine": {"processor": "P", "cores": 2, "memory_mib": 1024, "kernel": "6"},
        "python": "3.11",
        "others": 0.0,
        "servers": {"tocsin": {"version": "1", "configuration": "defaults"}},
        "missing": [],
        "series": [json.loads(json.dumps(one.as_json("tocsin"))) for one in series],
    }


@pytest.mark.parametrize(
    ("sent", "lost", "shown", "late", "verdict"),
    [
        (1_000_000, 0, 4_000_000, 40, "reached"),
        (1_000_000, 0, 4_000_000, 41, "missed"),
        (1_000_000, 1, 4_000_000, 0, "missed"),
        (1_000_000, 0, 3_999_999, 0, "missed"),
        (999_999, 0, 3_999_996, 0, "too few for the claim"),
        (1000, 1, 4000, 0, "missed"),
    ],
)
def test_the_claim_is_made_of_a_million_messages_or_not_at_all(
    tmp_path: Path, sent: int, lost: int, shown: int, late: int, verdict: str
) -> None:
    run = figures(10) | {"sent": sent, "lost": lost, "seen": seen(shown, late)}
    claim = Series(Workload("claim", "The claim", {"connections": 1000}), {"tocsin": [run]})
    write_page(report_of(claim), tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| The claim"))
    assert row.endswith(f"| {verdict} |")
    assert "the slow viewer was cut off 2 times" in text
    assert "7 charts were drawn (max 9.00 (n 7) ms), 3 were not (status 503); 2 backtests" in text


def test_the_page_says_where_it_breaks_and_what_is_not_known(tmp_path: Path) -> None:
    def step(rate: int, came: int, p99: float, refused: str | None = None) -> Series:
        workload = Workload(
            f"load-{rate}", f"{rate} a second", {"rate": rate}, group="growth", size=rate
        )
        run = figures(10, refused) | {"rate": came, "seen": seen(p99=p99)}
        return Series(workload, {"tocsin": [run]}, [f"round 1: {refused}"] if refused else [])

    def page(*steps: Series) -> str:
        write_page(report_of(*steps), tmp_path / "page.md")
        return (tmp_path / "page.md").read_text()

    kept, slow, late = step(1000, 990, 99), step(2000, 1800, 99), step(2000, 2000, 300)
    refused = step(2000, 1, 9999, "steal 9%")
    for broken in (slow, late):
        assert "keeps up with 1,000 messages a second and breaks at 2,000" in page(kept, broken)
    assert "breaks at 1,000" in page(step(1000, 10, 99))
    assert "keeps up with all loads tried, up to 1,000 a second" in page(kept)
    text = page(kept, refused)
    assert "Where it breaks is not known: no figure for 2,000 a second" in text
    assert "Not counted: 2000 a second, round 1: steal 9%." in text
    assert text.count("## Growth") == 1


class Unable(Server):
    """A server that cannot be started."""

    name = "unable"
    configuration = ""

    @classmethod
    def version(cls) -> str:
        return "1"

    def start(self) -> None:
        self.run("unable", sys.executable, "-c", "print('no licence')", port=self.port)


def test_a_trial_that_fails_is_told_and_the_series_goes_on() -> None:
    said: list[str] = []
    series = measure(
        Workload("w", "A workload", {"connections": 1}),
        {"unable": Unable},
        {"unable": 2},
        said.append,
    )
    assert series.runs == {"unable": [None, None]}
    assert len(series.problems) == len(said) == 2
    assert series.problems[0].startswith("unable, round 1: unable does not listen on ")
    assert all("no licence" in line for line in said)


def test_a_server_leaves_no_process_and_no_folder() -> None:
    class Parent(Server):
        """Starts a process of its own, and does not end it."""

        name = "parent"
        configuration = ""

        @classmethod
        def version(cls) -> str:
            return "1"

        def start(self) -> None:
            child = "import time; time.sleep(60)"
            program = (
                "import socket, subprocess, sys\n"
                f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
                f"open('pid', 'w').write(str(child.pid))\n"
                f"listener = socket.create_server(('127.0.0.1', {self.port}))\n"
                "listener.accept()\n"
                "while True: listener.accept()\n"
            )
            self.run("parent", sys.executable, "-c", program, cwd=self.folder, port=self.port)

    with Parent() as server:
        child = int((server.folder / "pid").read_text())
        folder = server.folder
        assert len(tree(server.pids["parent"])) == 2
    assert not folder.exists()
    # Killed, and waited for by nobody until init does: it runs no more.
    deadline = time.monotonic() + 10.0
    while (stat := Path(f"/proc/{child}/stat")).exists() and " Z " not in stat.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_plan_compares_the_targets_in_five_rounds_and_has_a_name_for_each_workload() -> None:
    steps = plan(quick=False, soak=True)
    names = [step.workload.name for step in steps]
    assert {"plant", "windows"} == set(names) - {s.workload.name for s in plan(quick=False)}
    assert len(set(names)) == len(names)
    rounds = {step.workload.name: step.rounds_by_server for step in steps}
    compared = {**dict.fromkeys(TARGETS, TARGET_PEER), "slow-qos0": "mosquitto"}
    for name, peer in (compared | {"fan-out-1000": "mosquitto"}).items():
        assert min(rounds[name]["tocsin"], rounds[name][peer]) >= 5
    assert {step.workload.name for step in plan(quick=True)} <= set(names)
    claim = next(step.workload for step in steps if step.workload.name == "claim")
    assert float(str(claim.load["rate"])) * float(str(claim.load["seconds"])) >= 1_000_000


def test_any_workload_can_be_asked_for_alone_and_once() -> None:
    [step] = plan(quick=True, only=["together-4"])
    assert set(step.rounds_by_server.values()) == {1}
    fast = [step.workload.name for step in plan(quick=False, only=["fast", "lag"])]
    assert fast == ["fast-qos0", "fast-qos1", "lag"]
    with pytest.raises(ValueError, match="no workload begins with 'quick'; expected one of prod"):
        plan(quick=False, only=["lag", "quick"])


def test_a_chart_draws_bars_in_proportion() -> None:
    chart = bar_chart("t", "µs", [Bar("a<b", 10, 9, 20), Bar("c", 5, 5, 5)])
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', chart)]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)
    assert "a&lt;b" in chart


def test_a_line_chart_draws_what_is_known() -> None:
    chart = line_chart("t", "µs", ["100", "1,000", "<"], {"a": [10.0, None, 20.0]})
    assert chart.count("<circle") == 2
    assert "&lt;" in chart


def test_the_load_generator_and_viewer_refuse_to_guess() -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.load", "--port", "9", "--rate", "1"]
    folder = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert "Connection refused" in json.loads(done.stdout)["error"]
    assert done.returncode == 1
    assert time.monotonic() - began < 10.0


def test_the_costs_say_what_is_reached_and_what_is_missed() -> None:
    def series(name: str, p99: float, ping_p99: float, **ratios: float) -> dict[str, object]:
        run = {
            "refused": None, "rate": 400_000, "connection_kib": 7.5,
            "latency_ms": {"count": 5000, "p99": p99},
            "seen": {"ping": {"took_ms": {"count": 2000, "p99": ping_p99, "max": 50.0}}},
        }  # fmt: skip
        return {
            "workload": {"name": name},
            "servers": {"tocsin": {"runs": [run]}},
            "ratios": {peer: {"cpu_us": [ratio]} for peer, ratio in ratios.items()},
        }

    by_name: dict[str, Any] = {
        "slow-qos0": series("slow-qos0", 1, 1, mosquitto=1.4, amqtt=0.2),
        "fast-qos0": series("fast-qos0", 1, 1),
        "many-qos0": series("many-qos0", 1, 1),
        "isolation-quiet": series("isolation-quiet", 2.0, 1.0),
        "isolation-flood": series("isolation-flood", 4.2, 4.9),
    }
    rows = cost_rows(by_name)
    assert [row[2:] for row in rows] == [
        ["1.40 ×", "reached"],
        ["0.20 ×", "missed"],
        ["400,000 messages a second", "missed"],
        ["7.50 KiB", "reached"],
        ["4.90 ms", "reached"],
        ["2.10 ×", "missed"],
    ]


@pytest.mark.parametrize("what", ["ping", "deaf", "flood", "logins", "reconnect"])
def test_each_neighbour_does_what_it_says(what: str, tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "data") as server,
        Child("benchmarks.neighbours", port=server.mqtt[1], what=what) as neighbour,
    ):
        neighbour.receive("ready", 30)
        wait_for(what, lambda: is_busy(what, neighbour.ask("seen", 30)), 60)
        refused = server.get("/api/broker")["refused"]
        assert ("wrong credentials" in refused) == (what == "logins")


def is_busy(what: str, seen: Any) -> bool:
    match what:
        case "ping":
            return seen["took_ms"]["count"] > 0
        case "flood":
            return seen["sent"] > 0
        case "logins":
            return seen["tried"] > 0
        case "reconnect":
            return seen["storms"] >= 1 and not seen["failed"]
        case _:
            return seen == {}


@contextmanager
def running_server(data: Path) -> Generator[TocsinServer]:
    server = TocsinServer(data).start()
    try:
        yield server
    finally:
        server.kill()
