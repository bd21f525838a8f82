"""Workloads of the broker alone: what does a message, a connection, a delivery cost?

Tocsin runs as the whole product here too: it journals, judges and keeps what the others relay.
"""

from benchmarks.peers import Amqtt, Mosquitto, Tocsin
from benchmarks.trial import Build, Workload

RELAYS: dict[str, Build] = {"tocsin": Tocsin, "mosquitto": Mosquitto}
BROKERS: dict[str, Build] = {**RELAYS, "amqtt": Amqtt}

RATE = 5_000.0
"""Offered by many slow devices; amqtt stays below one core. With it a trial's CPU time is some
ten ticks of the operating system's clock even for Mosquitto."""
SECONDS = 3.0


def headlines(quick: bool) -> list[Workload]:
    """The comparisons that a short run makes too."""
    seconds = 2.0 if quick else SECONDS
    return [*_slow(seconds), *_fast(seconds)]


def _slow(seconds: float) -> list[Workload]:
    return [
        Workload(
            f"slow-qos{qos}",
            f"1,000 slow devices, QoS {qos}, {RATE:,.0f} messages a second",
            {"connections": 1000, "rate": RATE, "seconds": seconds, "qos": qos},
        )
        for qos in (0, 1)
    ]


def _fast(seconds: float) -> list[Workload]:
    return [
        Workload(
            f"fast-qos{qos}",
            f"10 fast devices, 64 messages a segment, QoS {qos}, 16,384 under way",
            {"connections": 10, "pipeline": 64, "credit": 16_384, "seconds": seconds, "qos": qos},
            figure="rate",
        )
        for qos in (0, 1)
    ]


def details() -> list[Workload]:
    """One round each in a whole run, beside all brokers."""
    return [
        Workload(
            "slow-qos1-saturated",
            "1,000 slow devices at saturation, QoS 1, 4,000 messages under way",
            {"connections": 1000, "qos": 1, "credit": 4_000, "seconds": SECONDS},
            figure="rate",
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


def fan_out() -> Workload:
    """Few messages, many deliveries. One publisher, but no fewer messages than clock ticks."""
    return Workload(
        "fan-out-1000",
        "10 messages a second of one publisher to 1,000 MQTT subscribers, QoS 0",
        {"connections": 1, "qos": 0, "rate": 10.0, "seconds": 4.0},
        subscribers={"count": 1000, "qos": 0},
    )


def large() -> list[Workload]:
    """One round each in a whole run, beside Mosquitto."""
    slow: dict[str, object] = {"rate": RATE, "seconds": SECONDS}
    return [
        Workload(
            "slow-qos0-1-metric",
            f"1,000 slow devices, one metric a message, QoS 0, {RATE:,.0f} messages a second",
            {**slow, "connections": 1000, "qos": 0, "metrics": 1},
        ),
        *(
            Workload(
                f"many-qos{qos}",
                f"10,000 slow devices, QoS {qos}, {RATE:,.0f} messages a second",
                {**slow, "connections": 10_000, "qos": qos, "warmup": 1},
            )
            for qos in (0, 1)
        ),
    ]
