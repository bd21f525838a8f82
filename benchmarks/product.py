"""Workloads of the whole product: messages in, rules judged, a browser that watches.

The peers are what one would write instead: Mosquitto with a plain paho-mqtt consumer, and
Mosquitto with Node-RED. All their processes count.
"""

from functools import partial

from benchmarks.peers import MosquittoWithConsumer, NodeRed, Tocsin
from benchmarks.trial import Build, Workload

RATE = 2_000.0
"""Offered load of the comparison; Node-RED stays below one core."""


def products(qos: int) -> dict[str, Build]:
    """The consumers subscribe at the QoS at which devices publish, else the promise ends there."""
    return {
        "tocsin": Tocsin,
        "mosquitto+paho": partial(MosquittoWithConsumer, qos),
        "mosquitto+node-red": partial(NodeRed, qos),
    }


def comparisons(quick: bool) -> list[Workload]:
    """Run against all products."""
    seconds = 5.0 if quick else 10.0
    load: dict[str, object] = {"connections": 1000, "rate": RATE, "seconds": seconds}
    found = [
        Workload(
            f"product-qos{qos}",
            f"1,000 devices, 4 metrics a message, {RATE:,.0f} a second at QoS {qos}, one viewer",
            {**load, "qos": qos},
            viewers=1,
        )
        for qos in (0, 1)
    ]
    if quick:
        return found
    return [
        *found,
        Workload(
            "product-storm",
            "100 of 1,000 devices cross four limits in the same half second, QoS 1, one viewer",
            {**load, "qos": 1, "storm": 0.1},
            viewers=1,
        ),
    ]


def growth(quick: bool) -> list[Workload]:
    """Run against Tocsin and Mosquitto with the consumer: how cost and delay grow with the load."""
    rates = (1_000, 4_000) if quick else (1_000, 2_000, 5_000, 10_000, 15_000, 20_000)
    return [
        Workload(
            f"growth-{rate}",
            f"1,000 devices, 4 metrics a message, {rate:,} a second at QoS 1, one viewer",
            {"connections": 1000, "qos": 1, "rate": float(rate), "seconds": 6.0},
            viewers=1,
        )
        for rate in rates
    ]


def rules() -> list[tuple[Workload, Build]]:
    """Tocsin with ever more rules."""
    load: dict[str, object] = {"connections": 1000, "qos": 1, "rate": RATE, "seconds": 8.0}
    return [
        (
            Workload(
                f"rules-{count}",
                f"{count} rules, 1,000 devices, {RATE:,.0f} messages a second at QoS 1",
                load,
                viewers=1,
            ),
            partial(Tocsin, count),
        )
        for count in (0, 20, 200)
    ]


def sizes() -> list[Workload]:
    """Run against Tocsin alone: devices and viewers."""
    devices = [
        Workload(
            f"devices-{count}",
            f"{count:,} devices, {RATE:,.0f} messages a second at QoS 1, one viewer",
            {"connections": count, "qos": 1, "rate": RATE, "seconds": 8.0},
            viewers=1,
        )
        for count in (100, 1_000, 10_000)
    ]
    viewers = [
        Workload(
            f"viewers-{count}",
            f"100 devices, 500 messages a second at QoS 1, {count} viewers",
            {"connections": 100, "qos": 1, "rate": 500.0, "seconds": 6.0},
            viewers=count,
        )
        for count in (1, 4, 16)
    ]
    return [*devices, *viewers]


def claim(quick: bool) -> Workload:
    """The promise of the product, with a viewer and a subscriber that do not read present."""
    seconds = 10.0 if quick else 100.0
    return Workload(
        "claim",
        f"10,000 messages a second at QoS 1 for {seconds:.0f} s, a viewer that reads, a viewer"
        " and an MQTT subscriber that do not",
        {"connections": 1000, "qos": 1, "metrics": 1, "rate": 10_000.0, "seconds": seconds},
        viewers=1,
        slow_viewers=1,
        slow_subscribers=1,
    )
