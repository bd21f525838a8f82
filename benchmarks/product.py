"""Workloads of the whole product: messages in, rules judged, a browser that watches.

The peers are what one would write instead: Mosquitto with a plain paho-mqtt consumer, and
Mosquitto with Node-RED. All their processes count.
"""

from functools import partial

from benchmarks.peers import MosquittoWithConsumer, NodeRed, Tocsin
from benchmarks.trial import Build, Workload

RATE = 4_000.0
"""Offered load of the comparison; every peer's slowest process stays below one core."""

OURS: dict[str, Build] = {"tocsin": Tocsin}


def with_consumer(qos: int) -> dict[str, Build]:
    """The consumer subscribes at the QoS at which devices publish, else the promise ends there."""
    return {**OURS, "mosquitto+paho": partial(MosquittoWithConsumer, qos)}


def products(qos: int) -> dict[str, Build]:
    return {**with_consumer(qos), "mosquitto+node-red": partial(NodeRed, qos)}


def headlines(quick: bool) -> list[Workload]:
    """The targets, against all products."""
    seconds = 4.0 if quick else 6.0
    return [
        Workload(
            f"product-qos{qos}",
            f"1,000 devices, 4 metrics a message, {RATE:,.0f} a second at QoS {qos}, one viewer",
            {"connections": 1000, "rate": RATE, "seconds": seconds, "qos": qos},
            viewers=1,
        )
        for qos in (0, 1)
    ]


def storm() -> Workload:
    return Workload(
        "product-storm",
        "100 of 1,000 devices cross a limit in the same half second, QoS 1, one viewer",
        {"connections": 1000, "rate": 2000.0, "seconds": 6.0, "qos": 1, "storm": 0.1},
        viewers=1,
    )


def growth() -> list[Workload]:
    """Against Mosquitto with the consumer: how cost and delay grow with the load."""
    return [
        Workload(
            f"growth-{rate}",
            f"1,000 devices, 4 metrics a message, {rate:,} a second at QoS 1, one viewer",
            {"connections": 1000, "qos": 1, "rate": float(rate), "seconds": 5.0},
            viewers=1,
        )
        for rate in (1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000)
    ]


def sizes() -> list[Workload]:
    """Tocsin alone: devices and viewers."""
    devices = [
        Workload(
            f"devices-{count}",
            f"{count:,} devices, 2,000 messages a second at QoS 1, one viewer",
            {"connections": count, "qos": 1, "rate": 2000.0, "seconds": 5.0},
            viewers=1,
        )
        for count in (100, 1_000, 10_000)
    ]
    viewers = [
        Workload(
            f"viewers-{count}",
            f"100 devices, 500 messages a second at QoS 1, {count} viewers",
            {"connections": 100, "qos": 1, "rate": 500.0, "seconds": 5.0},
            viewers=count,
        )
        for count in (1, 4, 16)
    ]
    return [*devices, *viewers]


def rules() -> list[tuple[Workload, dict[str, Build]]]:
    """Tocsin alone, with ever more rules."""
    return [
        (
            Workload(
                f"rules-{count}",
                f"{count} rules, 1,000 devices, 2,000 messages a second at QoS 1",
                {"connections": 1000, "qos": 1, "rate": 2000.0, "seconds": 5.0},
                viewers=1,
            ),
            {"tocsin": partial(Tocsin, count)},
        )
        for count in (0, 20, 200)
    ]


def claim() -> Workload:
    """The promise of the product, with a viewer and a subscriber that do not read present."""
    return Workload(
        "claim",
        "1,000,000 messages at 10,000 a second, QoS 1, with one viewer that reads, and a viewer"
        " and an MQTT subscriber that do not",
        {"connections": 1000, "qos": 1, "metrics": 1, "rate": 10_000.0, "seconds": 100.0},
        viewers=1,
        slow_viewers=1,
        slow_subscribers=1,
    )
