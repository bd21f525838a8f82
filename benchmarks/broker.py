"""Workloads of the broker alone: what does a message, a connection, a delivery cost?

Tocsin runs as the whole product here too: it journals, judges and keeps what the others relay.
"""

from benchmarks.peers import Amqtt, Mosquitto, Tocsin
from benchmarks.trial import Build, Workload

BROKERS: dict[str, Build] = {"tocsin": Tocsin, "mosquitto": Mosquitto, "amqtt": Amqtt}

RATE = 2_000.0
"""Offered by many slow devices; amqtt stays below one core."""


def workloads(quick: bool) -> list[Workload]:
    seconds = 4.0 if quick else 8.0
    flood = 100_000 if quick else 400_000
    thousand: dict[str, object] = {"connections": 1000, "rate": RATE, "seconds": seconds}
    pipelined: dict[str, object] = {"connections": 4, "pipeline": 32}
    found = [
        Workload(
            "fast-qos0",
            "4 fast devices, 32 messages a segment, QoS 0, as fast as it goes",
            {**pipelined, "qos": 0, "flood": flood},
            figure="rate",
        ),
        Workload(
            "fast-qos1",
            "4 fast devices, 32 messages a segment, QoS 1, 1,024 under way",
            {**pipelined, "qos": 1, "credit": 1024, "seconds": seconds},
            figure="rate",
        ),
        Workload(
            "slow-qos0",
            f"1,000 devices, one message a segment, QoS 0, {RATE:,.0f} a second",
            {**thousand, "qos": 0},
        ),
        Workload(
            "slow-qos1",
            f"1,000 devices, one message a segment, QoS 1, {RATE:,.0f} a second",
            {**thousand, "qos": 1},
        ),
    ]
    if quick:
        return found
    return [
        *found,
        Workload(
            "slow-qos0-1-metric",
            f"1,000 devices, one metric a message, QoS 0, {RATE:,.0f} a second",
            {**thousand, "qos": 0, "metrics": 1},
        ),
        Workload(
            "many-qos0",
            f"10,000 devices, one message a segment, QoS 0, {RATE:,.0f} a second",
            {**thousand, "connections": 10_000, "qos": 0},
        ),
        Workload(
            "many-qos1",
            f"10,000 devices, one message a segment, QoS 1, {RATE:,.0f} a second",
            {**thousand, "connections": 10_000, "qos": 1},
        ),
        Workload(
            "reconnect-storm",
            "1,000 devices lose their connection, come back and publish one message at QoS 1;"
            " per message stands for per device",
            {"connections": 1000, "qos": 1, "reconnect": True},
            figure="rate",
        ),
        Workload(
            "fan-out",
            "50 messages a second to 100 MQTT subscribers, QoS 0",
            {"connections": 10, "qos": 0, "rate": 50.0, "seconds": seconds},
            subscribers={"count": 100, "qos": 0},
        ),
        Workload(
            "slow-qos1-saturated",
            "1,000 devices, one message a segment, QoS 1, 500 under way, as fast as it goes",
            {"connections": 1000, "qos": 1, "credit": 500, "seconds": seconds},
            figure="rate",
        ),
    ]
