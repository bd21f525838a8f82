"""`tocsin bench`: how fast a running server is."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from tocsin.refusal import Refusal

bench = typer.Typer(
    no_args_is_help=True,
    help="""Measure a running server from the wire.

    Devices [bold]bench-0[/bold], [bold]bench-1[/bold], … publish to it and stay in its catalogue,
    so start one for it: [bold]tocsin serve --data /tmp/bench[/bold].""",
)


Broker = Annotated[str, typer.Option("--broker", metavar="URL", help="Where to publish.")]
Connections = Annotated[
    int, typer.Option("--connections", min=1, help="Devices, each with a connection.")
]
Qos = Annotated[
    int, typer.Option("--qos", min=0, max=1, help="0, or 1: acknowledged when on disk.")
]
Metrics = Annotated[int, typer.Option("--metrics", min=1, max=4, help="Readings in a message.")]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0.1, max=3600.0, help="How long to measure.")
]


@bench.command("load")
def bench_load(
    broker: Broker = "mqtt://127.0.0.1:1883",
    connections: Connections = 1000,
    qos: Qos = 1,
    metrics: Metrics = 4,
    in_flight: Annotated[
        int, typer.Option("--in-flight", min=1, help="Messages under way in all.")
    ] = 500,
    pipeline: Annotated[
        int, typer.Option("--pipeline", min=1, help="Messages of a device sent in one piece.")
    ] = 1,
    seconds: Seconds = 10.0,
) -> None:
    """How many messages a second: as fast as the server takes them.

    Always [bold]--in-flight[/bold] messages are under way; the next leaves when one is
    acknowledged, at QoS 0 when the server has read it. More under way means more messages a
    second and longer waits.

    Few fast devices: [bold]--connections 4 --pipeline 32[/bold].

    A user name and password come from TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD.
    """
    from tocsin.simulators.bench.measurement import Offer, measure_load

    offer = Offer(broker, connections, qos, metrics, seconds)
    with _refusals():
        for line in measure_load(offer, in_flight, pipeline):
            typer.echo(line)


@bench.command("latency")
def bench_latency(
    broker: Broker = "mqtt://127.0.0.1:1883",
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="The server's dashboard.")
    ] = "127.0.0.1:8000",
    viewer: Annotated[
        bool, typer.Option(help="Whether to watch the dashboard's stream as a browser does.")
    ] = True,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, help="Messages a second in all.")
    ] = 1000.0,
    connections: Connections = 1000,
    qos: Qos = 1,
    metrics: Metrics = 4,
    seconds: Seconds = 10.0,
) -> None:
    """How long it takes: publish → acknowledgement and publish → browser at a fixed rate.

    Messages leave when they are due, however long the server takes; the wait counts from then.
    The dashboard gathers readings for 100 ms, which is part of publish → browser.

    A percentile is printed only where ten samples lie beyond it: 99.9 % takes 10,000 messages.

    A user name and password come from TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD.
    """
    from tocsin.simulators.bench.measurement import Offer, measure_latency

    offer = Offer(broker, connections, qos, metrics, seconds)
    with _refusals():
        for line in measure_latency(offer, rate, http if viewer else None):
            typer.echo(line)


@contextmanager
def _refusals() -> Generator[None]:
    from tocsin.simulators.bench.load import LoadError

    try:
        yield
    except (LoadError, ValueError) as error:
        raise Refusal(str(error)) from None
