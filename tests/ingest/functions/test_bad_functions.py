"""Functions that hang, flood, fork, crash or spy: what they cannot do to the server."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from tests.ingest.functions.hosting import Bench, hosting, until, write
from tocsin.ingest.functions.ledger import FunctionView
from tocsin.ingest.rules.rule import Rule

GOOD = """
    @on_reading()
    def twice(reading):
        return {"twice": reading["n"] * 2} if "n" in reading else None
"""

UNTIL = "not loaded until a file changes"


async def stopped(bench: Bench, name: str) -> FunctionView:
    """The function, as soon as it rests."""

    def look() -> FunctionView | None:
        found = bench.function(name)
        return found if found and found.timeouts_total + found.crashes_total else None

    return await until(f"{name} was stopped", look)


@pytest.mark.parametrize(
    "forever",
    [
        "while True: pass",
        "exec('try:\\n while True: pass\\nexcept BaseException: pass\\n' * 9)",
        "sum(range(10**15))",  # lets no other thread run
        "__import__('time').sleep(10**6)",
        "while True: print('still here')",
    ],
)
async def test_one_that_never_comes_back_is_killed_and_rests_and_the_others_go_on(
    tmp_path: Path, forever: str
):
    folder = write(
        tmp_path / "functions",
        a_bad=f"@on_reading()\ndef hangs(reading):\n    {forever}\n",
        good=GOOD,
    )
    async with hosting(tmp_path, folder, budget_s=2.0) as bench:
        await bench.engine.put_rule(Rule(name="hot", when="n > 80"), "ada")
        await bench.ready()
        began = time.monotonic()
        await bench.publish("d", n=90)
        assert len(bench.engine.pipeline.alerts.open()) == 1, "judged before any function"
        await bench.publish("d", n=95)
        assert time.monotonic() - began < 2.0, "acknowledged while it hangs"
        hangs = await stopped(bench, "a_bad.hangs")
        assert (hangs.state, hangs.timeouts_total, hangs.calls_total) == ("paused", 1, 0)
        assert (hangs.last_error or "").startswith("a call took longer than 2 s")
        await bench.derived("d", "twice", 190.0)
        view = bench.host.view()
        assert view.starts_total >= 2
        assert ("still here" in {line.text for line in view.log}) == ("print" in forever)


async def test_what_hangs_again_rests_longer(tmp_path: Path):
    hangs = "@on_reading()\ndef hangs(reading):\n    while True: pass\n"
    folder = write(tmp_path / "functions", bad=hangs)
    async with hosting(tmp_path, folder, budget_s=1.0, pause_s=1.5) as bench:
        await bench.ready()
        pauses: list[float] = []
        for count in (1, 2):

            def again(count: int = count) -> FunctionView | None:
                found = bench.function("bad.hangs")
                return found if found and found.timeouts_total == count else None

            while (found := again()) is None:
                await bench.publish("d", n=1)
                await asyncio.sleep(0.05)
            pauses.append((found.paused_until or 0.0) - (found.last_error_at or 0.0))
        assert pauses == [pytest.approx(1.5), pytest.approx(3.0)]


async def test_a_file_that_hangs_or_ends_the_process_when_it_is_loaded_is_left_out(tmp_path: Path):
    folder = write(
        tmp_path / "functions", a="while True: pass", b="__import__('os')._exit(3)", good=GOOD
    )
    async with hosting(tmp_path, folder, load_s=5.0) as bench:
        await bench.ready()
        await bench.publish("d", n=4)
        await bench.derived("d", "twice", 8.0)
        errors = {source.name: source.error for source in bench.host.view().sources}
        assert errors == {
            "a.py": f"it took longer than 5 s; its worker was killed; {UNTIL}",
            "b.py": f"its worker ended with status 3; {UNTIL}",
            "good.py": None,
        }


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param("print('x' * 1_000_000)", id="print"),
        pytest.param("os.write(1, b'x' * 1_000_000)", id="descriptor", marks=pytest.mark.long),
    ],
)
async def test_one_that_prints_a_gigabyte_is_heard_a_little(tmp_path: Path, flood: str):
    bad = f"""
        import os

        @on_reading()
        def floods(reading):
            for _ in range(1_000 if "go" in reading else 0):
                {flood}
    """
    folder = write(tmp_path / "functions", bad=bad, good=GOOD)
    async with hosting(tmp_path, folder, budget_s=8.0) as bench:
        await bench.ready()
        await bench.publish("d", n=1, go=True)
        await bench.publish("d", n=2)
        await bench.derived("d", "twice", 4.0)
        log = bench.host.view().log
        assert log
        assert sum(len(line.text) for line in log) <= 200 * 600
        assert {line.text[:1] for line in log} <= {"x", "…"}


async def test_what_functions_print_and_log_is_kept_with_their_name(tmp_path: Path):
    talks = """
        import logging

        @on_reading()
        def talks(reading):
            print("got", reading["n"])
            logging.getLogger("plant").warning("odd: %s", reading.device)
            return {"done": True}
    """
    async with hosting(tmp_path, write(tmp_path / "functions", talks=talks)) as bench:
        await bench.ready()
        await bench.publish("d", n=1)
        await bench.derived("d", "done", True)
        log = await until("its lines", lambda: bench.host.view().log or None)
        assert [(line.function, line.text) for line in log] == [
            ("talks.talks", "got 1.0"),
            ("talks.talks", "WARNING odd: d"),
        ]


async def test_one_that_forks_leaves_nothing_behind(tmp_path: Path):
    forks = f"""
        import os, signal, time

        @on_reading()
        def forks(reading):
            if reading["n"] == 1:
                pid = os.fork()
                if pid == 0:
                    return {{"child": 1.0}}  # comes back into our code
                return {{"parent": 1.0}}
            pid = os.fork()
            if pid == 0:
                while True:
                    time.sleep(1)
            with open({str(tmp_path / "child")!r}, "w") as file:
                file.write(str(pid))
            while True:
                time.sleep(1)
    """
    async with hosting(tmp_path, write(tmp_path / "functions", forks=forks), budget_s=3.0) as bench:
        await bench.ready()
        await bench.publish("d", n=1)
        await bench.derived("d", "parent", 1.0)
        assert bench.value("d", "child") is None
        assert bench.host.view().starts_total == 1
        await bench.publish("d", n=2)
        await stopped(bench, "forks.forks")
        child = int((tmp_path / "child").read_text())
        await until("the child is gone", lambda: not _runs(child))


def _runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be read by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_one_that_crashes_or_takes_all_memory_rests_or_fails(tmp_path: Path):
    bad = """
        import os, signal

        @on_reading()
        def greedy(reading):
            return {"size": len(bytearray(4 << 30))}

        @on_reading()
        def dies(reading):
            os.kill(os.getpid(), signal.SIGSEGV)
    """
    async with hosting(tmp_path, write(tmp_path / "functions", bad=bad, good=GOOD)) as bench:
        await bench.ready()
        await bench.publish("d", n=1)
        dies = await stopped(bench, "bad.dies")
        assert (dies.crashes_total, dies.last_error) == (1, "its worker ended with status -11")
        await bench.derived("d", "twice", 2.0)
        greedy = bench.function("bad.greedy")
        assert greedy is not None
        assert (greedy.last_error or "").startswith("MemoryError")


async def test_the_worker_has_no_secret_and_no_socket_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOCSIN_CHANNEL_SECRET", "hunter2")
    spies = """
        import os

        @on_reading()
        def spies(reading):
            links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                     if os.path.lexists(f"/proc/self/fd/{fd}")]
            return {
                "secrets": any("hunter2" in value for value in os.environ.values()),
                "names": ",".join(sorted(k for k in os.environ if "TOCSIN" in k)) or "none",
                "sockets": float(sum(link.startswith("socket:") for link in links)),
                "journal": any("journal" in link or "state.db" in link for link in links),
                "nice": float(os.nice(0)),
                "session": os.getsid(0) == os.getpid(),
            }
    """
    async with hosting(tmp_path, write(tmp_path / "functions", spies=spies)) as bench:
        await bench.ready()
        await bench.publish("d", n=1)
        await bench.derived("d", "names", "none")
        assert bench.value("d", "secrets") is False
        assert bench.value("d", "journal") is False
        assert bench.value("d", "nice") == min(os.nice(0) + 10, 19)
        assert bench.value("d", "session") is True
        # asyncio may join two processes by socket pairs; none of them is the network's.
        assert bench.value("d", "sockets") in (0.0, 1.0, 2.0, 3.0)


async def test_the_queue_drops_the_oldest_and_counts_them(tmp_path: Path):
    slow = """
        import time

        @on_reading()
        def slow(reading):
            if reading["n"] == 0:
                time.sleep(3)
            return {"seen": reading["n"]}
    """
    folder = write(tmp_path / "functions", slow=slow)
    async with hosting(tmp_path, folder, queue_readings=10) as bench:
        await bench.ready()
        await bench.publish("d", n=0)
        await until("it is busy", lambda: bench.host.view().worker == "busy" or None)
        for n in range(1, 31):
            await bench.publish("d", n=n)
            bench.engine.settle()
        view = bench.host.view()
        assert view.queued_readings <= 10
        await bench.derived("d", "seen", 30.0)
        assert bench.host.view().dropped_readings_total >= 20


async def test_the_worker_ends_with_the_host(tmp_path: Path):
    async with hosting(tmp_path, write(tmp_path / "functions", good=GOOD)) as bench:
        await bench.ready()
        pid = bench.host.view().pid
        assert pid is not None
        assert _runs(pid)
    assert not _runs(pid)
