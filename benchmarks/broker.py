"""Workloads of the broker alone: what does a message, a connection, a delivery cost?

Tocsin runs as the whole product here too: it journals, judges and keeps what the others relay.
"""

from benchmarks.peers import Amqtt, Mosquitto, Tocsin
from benchmarks.trial import Build, Workload

BROKERS: dict[str, Build] = {"tocsin": Tocsin, "mosquitto": Mosquitto, "amqtt": Amqtt}

RATE = 2_000.0
"""Offered by many slow devices; amqtt stays below one core."""


def headlines(quick: bool) -> list[Workload]:
    """The comparisons that a short run makes too."""
    seconds = 2.5 if quick else 4.0
    fast: dict[str, object] = {
        "connections": 4,
        "pipeline": 32,
        "credit": 1024,
        "seconds": seconds,
    }
    slow: dict[str, object] = {"connections": 1000, "rate": RATE, "seconds": seconds}
    return [
        *(
            Workload(
                f"fast-qos{qos}",
                f"4 fast devices, 32 messages a segment, QoS {qos}, 1,024 under way",
                {**fast, "qos": qos},
                figure="rate",
            )
            for qos in (0, 1)
        ),
        *(
            Workload(
                f"slow-qos{qos}",
                f"1,000 devices, one message a segment, QoS {qos}, {RATE:,.0f} a second",
                {**slow, "qos": qos},
            )
            for qos in (0, 1)
        ),
    ]


def details() -> list[Workload]:
    """One round each in a whole run."""
    slow: dict[str, object] = {"connections": 1000, "rate": RATE, "seconds": 4.0}
    return [
        Workload(
            "slow-qos1-saturated",
            "1,000 devices, one message a segment, QoS 1, 500 under way",
            {"connections": 1000, "qos": 1, "credit": 500, "seconds": 4.0},
            figure="rate",
        ),
        Workload(
            "slow-qos0-1-metric",
            f"1,000 devices, one metric a message, QoS 0, {RATE:,.0f} a second",
            {**slow, "qos": 0, "metrics": 1},
        ),
        *(
            Workload(
                f"many-qos{qos}",
                f"10,000 devices, one message a segment, QoS {qos}, {RATE:,.0f} a second",
                {**slow, "connections": 10_000, "qos": qos, "warmup": 1},
            )
            for qos in (0, 1)
        ),
        Workload(
            "reconnect-storm",
            "1,000 devices lose their connection, come back and publish one message at QoS 1"
            " (per message means per device)",
            {"connections": 1000, "qos": 1, "reconnect": True},
            figure="rate",
        ),
        Workload(
            "fan-out",
            "50 messages a second to 100 MQTT subscribers, QoS 0",
            {"connections": 10, "qos": 0, "rate": 50.0, "seconds": 4.0},
            subscribers={"count": 100, "qos": 0},
        ),
    ]
