"""The simulated plant as a load: `tocsin simulate plant`, with the lines of benchmarks.load.

    python -m benchmarks.simulated --port 1883 --devices 1000 --seconds 120

It says at the start that it is connected and ready, and simulates when it is told to run.
"""

import argparse
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tocsin.simulators.bench.lines import play

_TOTALS = re.compile(r"([\d,]+) messages sent, ([\d,]+) acked")
_END_S = 30.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.simulated")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0)
    return parser.parse_args()


def _run(args: argparse.Namespace) -> dict[str, object]:
    began = time.monotonic()
    command = Path(sys.executable).with_name("tocsin")
    broker = f"mqtt://127.0.0.1:{args.port}"
    simulation = subprocess.Popen(
        [command, "simulate", "plant", "--devices", str(args.devices), "--broker", broker],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        simulation.wait(args.seconds)
    except subprocess.TimeoutExpired:
        simulation.send_signal(signal.SIGTERM)
    _, said = simulation.communicate(timeout=_END_S)
    totals = _TOTALS.search(said)
    if totals is None:
        raise RuntimeError(f"the simulation said no totals: {said.strip()[-200:]!r}")
    sent, acked = (int(number.replace(",", "")) for number in totals.groups())
    elapsed_s = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "sent": sent,
        "acked": acked,
        "elapsed_s": round(elapsed_s, 4),
        "drain_s": 0.0,
        "messages_per_s": round(sent / elapsed_s),
        "latency_ms": {"count": 0},
        "lateness_ms": {"count": 0},
        "generator_cpu": round((used.ru_utime + used.ru_stime) / elapsed_s, 3),
    }


def _acts(args: argparse.Namespace) -> Iterator[tuple[str, object]]:
    """The devices connect as the simulation begins, so there is nothing to do before."""
    yield "connected", {"connect_s": None}
    yield "ready", {}
    yield "result", _run(args)


def main() -> int:
    return play(_acts(_arguments()), (RuntimeError, OSError, subprocess.SubprocessError))


if __name__ == "__main__":
    sys.exit(main())
