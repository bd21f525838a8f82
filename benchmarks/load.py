"""The load generator of the package as a process of its own, which speaks lines of JSON.

    python -m benchmarks.load --port 1883 --connections 1000 --qos 1 --rate 5000 --seconds 10

Exactly one of `--rate` (open loop), `--credit` (closed loop) and `--reconnect`; what they mean is
said in simulators/bench/load.py. With `--storm P`, every message of the part P of the devices is
over the limit of a temperature rule from the middle of an open loop on, and a storm of alarms
begins within one round. Loads this machine alone.

Prints {"connected": …}, and after a line on stdin warms up and prints {"ready": …}, and after
another runs and prints {"result": …}. It disconnects when stdin closes.
"""

import argparse
import sys
import time
from collections.abc import Iterator

from tocsin.simulators.bench.lines import play
from tocsin.simulators.bench.load import Load, LoadError, Result, Shape
from tocsin.simulators.bench.percentiles import percentiles


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--qos", type=int, choices=(0, 1), default=0)
    parser.add_argument("--metrics", type=int, choices=(1, 2, 3, 4), default=4)
    parser.add_argument("--pipeline", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--storm", type=float, default=0.0)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=float)
    how.add_argument("--credit", type=int)
    how.add_argument("--reconnect", action="store_true")
    return parser.parse_args()


def _run(load: Load, args: argparse.Namespace) -> Result:
    if args.rate:
        return load.open_loop(args.rate, args.seconds, args.storm)
    return load.closed_loop(args.credit, args.seconds) if args.credit else load.reconnect()


def _as_json(result: Result) -> dict[str, object]:
    return {
        "sent": result.sent,
        "acked": result.acked,
        "elapsed_s": round(result.elapsed_s, 4),
        "drain_s": round(result.drain_s, 4),
        "messages_per_s": round(result.sent / result.elapsed_s),
        "latency_ms": percentiles(result.latency_s),
        "lateness_ms": percentiles(result.lateness_s),
        "generator_cpu": round(result.cpu, 3),
    }


def _acts(args: argparse.Namespace) -> Iterator[tuple[str, object]]:
    """Connects, warms up, runs; disconnects at the end."""
    began = time.monotonic()
    shape = Shape(
        port=args.port,
        connections=args.connections,
        qos=args.qos,
        metrics=args.metrics,
        pipeline=args.pipeline,
        warmup=args.warmup,
    )
    with Load(shape) as load:
        yield "connected", {"connect_s": round(time.monotonic() - began, 3)}
        load.warm_up()
        yield "ready", {}
        yield "result", _as_json(_run(load, args))


def main() -> int:
    return play(_acts(_arguments()), (LoadError, OSError, ValueError))


if __name__ == "__main__":
    sys.exit(main())
