"""What `tocsin bench` says of a server: lines for a person, each figure with what it rests on."""

import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tocsin.simulators.bench.child import Child
from tocsin.simulators.bench.load import Load, LoadError, Result, Shape
from tocsin.simulators.bench.packets import LARGEST_SEGMENT
from tocsin.simulators.bench.percentiles import percentiles
from tocsin.simulators.broker_address import parse_broker

PREFIX = "bench"
BUSY = 0.9
"""The part of a core beyond which the load generator is what is measured."""
LATE_MS = 20.0
"""How late the generator may be (p99) before latencies are its own."""
SHOWN_S = 2.0
"""How long the last readings may take to the viewer."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is sent where, for how long."""

    broker: str
    connections: int
    qos: int
    metrics: int
    seconds: float

    def shape(self, pipeline: int = 1) -> Shape:
        """Raises ValueError for a broker that is no address."""
        address = parse_broker(self.broker)
        return Shape(
            host=address.host,
            port=address.port,
            connections=self.connections,
            qos=self.qos,
            metrics=self.metrics,
            pipeline=pipeline,
            prefix=PREFIX,
            username=os.environ.get("TOCSIN_MQTT_USERNAME"),
            password=os.environ.get("TOCSIN_MQTT_PASSWORD"),
        )

    def __str__(self) -> str:
        return (
            f"{_count(self.connections, 'device')} to {parse_broker(self.broker)}, QoS {self.qos},"
            f" {_count(self.metrics, 'metric')} a message"
        )


def measure_load(offer: Offer, in_flight: int, pipeline: int) -> Iterator[str]:
    """Messages a second at saturation, as lines. Raises LoadError, ValueError."""
    if pipeline > min(in_flight, LARGEST_SEGMENT):
        most = min(in_flight, LARGEST_SEGMENT)
        raise ValueError(
            f"pipeline {pipeline} is out of range; expected 1 to {most} for {in_flight:,} under way"
        )
    with _load(offer.shape(pipeline)) as load:
        yield f"{offer}, {in_flight:,} messages under way"
        result = load.closed_loop(in_flight, offer.seconds)
    per_s = result.sent / result.elapsed_s
    yield _line("messages a second", f"{per_s:,.0f}  ({_sent(result)})")
    yield _line("readings a second", f"{per_s * offer.metrics:,.0f}")
    if offer.qos:
        yield _line("publish → ack", _percentiles(percentiles(result.latency_s)))
    yield _line("load generator", f"{result.cpu:.0%} of a core")
    if result.cpu > BUSY:
        yield "The load generator was the bottleneck: the server can do more than this."


def measure_latency(offer: Offer, rate: float, http: str | None) -> Iterator[str]:
    """Publish → ack and publish → viewer at a fixed rate, as lines. Raises LoadError, ValueError.

    `http` is the dashboard's HOST:PORT, None to do without a viewer.
    """
    if not http and not offer.qos:
        raise ValueError("qos 0 has no acknowledgement; expected 1, or a viewer")
    shape = offer.shape()
    with ExitStack() as stack:
        viewer = stack.enter_context(_viewer(http)) if http else None
        load = stack.enter_context(_load(shape))
        if viewer:
            time.sleep(SHOWN_S)  # for what the warm-up left
            viewer.ask("seen")
        yield f"{offer}, {rate:,.0f} messages a second"
        result = load.open_loop(rate, offer.seconds)
        if viewer:
            time.sleep(SHOWN_S)
        seen: Mapping[str, Any] | None = viewer.ask("seen") if viewer else None
    yield _line("messages sent", _sent(result))
    if offer.qos:
        yield _line("publish → ack", _percentiles(percentiles(result.latency_s)))
    if seen:
        yield _line("publish → browser", _percentiles(seen["latency_ms"]))
        yield _line("readings shown", f"{seen['readings']:,} of {result.sent * offer.metrics:,}")
        if seen["cut"]:
            yield _line("viewer cut off", f"{_count(seen['cut'], 'time')}; it came back each time")
    lateness_ms = percentiles(result.lateness_s)
    late = _percentiles(lateness_ms)
    yield _line("load generator", f"{result.cpu:.0%} of a core, late by {late}")
    if lateness_ms.get("p99", lateness_ms["max"]) > LATE_MS:
        yield "The load generator was late: these waits are in part its own."


@contextmanager
def _load(shape: Shape) -> Generator[Load]:
    """A load that is warm. Raises LoadError where the server does not answer."""
    where = f"broker {shape.host}:{shape.port}"
    try:
        with Load(shape) as load:
            load.warm_up()
            yield load
    except OSError as error:
        raise LoadError(f"{where}: {error.strerror or error}") from None
    except LoadError as error:
        raise LoadError(f"{where}: {error}") from None


@contextmanager
def _viewer(http: str) -> Generator[Child]:
    """A viewer of the dashboard, ready, in a process of its own."""
    url = f"http://{http}/api/stream"
    with Child("tocsin.simulators.bench.viewer", url=url, prefix=f"{PREFIX}-") as viewer:
        try:
            viewer.receive("ready")
            yield viewer
        except RuntimeError as error:
            raise LoadError(str(error)) from None


def _sent(result: Result) -> str:
    acked = f", {result.acked:,} acknowledged" if result.latency_s else ""
    return f"{result.sent:,} in {result.elapsed_s:.1f} s{acked}"


def _percentiles(figures: Mapping[str, float | int]) -> str:
    if not figures["count"]:
        return "no samples"
    parts = [f"{name} {value:.3g} ms" for name, value in figures.items() if name != "count"]
    return f"{', '.join(parts)}  ({_count(int(figures['count']), 'sample')})"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _line(name: str, value: str) -> str:
    return f"{name:<18}  {value}"
