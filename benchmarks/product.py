"""Workloads of the whole product: messages in, rules judged, a browser that watches.

The peers are what one would write instead: Mosquitto with a plain paho-mqtt consumer, and
Mosquitto with Node-RED. All their processes count.
"""

from functools import partial

from benchmarks.peers import MosquittoWithConsumer, NodeRed, Tocsin, TocsinWithPlant
from benchmarks.trial import Build, Workload

RATES = {0: 8_000.0, 1: 4_000.0}
"""Messages a second that are offered in the comparison, by QoS. Every peer keeps up with them."""
SECONDS = 3.0
CLAIM_RATE = 10_000.0
CLAIM_MESSAGES = 1_000_000
PLANT = "plant"
LADDER = (5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000)
"""Messages a second that are offered until Tocsin does not keep up."""

OURS: dict[str, Build] = {"tocsin": Tocsin}
PLANTS: dict[str, Build] = {"tocsin": TocsinWithPlant}


def with_consumer(qos: int) -> dict[str, Build]:
    """The consumer subscribes at the QoS at which devices publish, else the promise ends there."""
    return {**OURS, "mosquitto+paho": partial(MosquittoWithConsumer, qos)}


def products(qos: int) -> dict[str, Build]:
    return {**with_consumer(qos), "mosquitto+node-red": partial(NodeRed, qos)}


def headlines(quick: bool) -> list[Workload]:
    """The targets, against all products."""
    return [
        Workload(
            f"product-qos{qos}",
            f"the whole product: 1,000 devices, {rate:,.0f} messages a second, QoS {qos},"
            " one viewer",
            {
                "connections": 1000,
                "rate": rate,
                "seconds": 2.5 if quick else SECONDS,
                "qos": qos,
            },
            viewers=1,
        )
        for qos, rate in RATES.items()
    ]


def saturation() -> list[Workload]:
    """A relay takes what it is given; the figure is what the part behind it takes in."""
    return [
        Workload(
            f"product-saturated-qos{qos}",
            f"the whole product at saturation: 1,000 devices, QoS {qos}, {credit:,} messages under"
            " way, one viewer",
            {"connections": 1000, "credit": credit, "seconds": 2.0, "qos": qos},
            viewers=1,
            figure="rate",
        )
        for qos, credit in ((0, 16_000), (1, 4_000))
    ]


def storm() -> Workload:
    return Workload(
        "product-storm",
        "alarm storm: 100 of 1,000 devices cross a limit in the same half second, QoS 1,"
        " one viewer",
        {"connections": 1000, "rate": 2000.0, "seconds": 4.0, "qos": 1, "storm": 0.1},
        viewers=1,
    )


def browsers() -> Workload:
    return Workload(
        "browsers",
        "fan-out to browsers: 16 viewers of 100 devices, 500 messages a second in all, QoS 1",
        {"connections": 100, "qos": 1, "rate": 500.0, "seconds": SECONDS},
        viewers=16,
    )


def plant() -> Workload:
    """What a plant of the size of the promise takes in memory, checkpoints included."""
    return Workload(
        PLANT,
        "memory: the simulated plant with 1,000 devices and its rules for five minutes, one viewer",
        {"devices": 1000, "seconds": 300.0},
        program="benchmarks.simulated",
        viewers=1,
    )


def full_windows() -> Workload:
    """Memory with much to remember: a dozen windows over each device, once they are full."""
    return Workload(
        "windows",
        "memory: 1,000 devices, each once a second for two minutes, 20 rules, QoS 1, one viewer",
        {"connections": 1000, "rate": 1000.0, "seconds": 120.0, "qos": 1},
        viewers=1,
    )


def sizes() -> list[tuple[Workload, dict[str, Build]]]:
    """Tocsin alone, with ever more devices, viewers and rules."""
    devices = [
        Workload(
            f"devices-{count}",
            f"{count:,} devices",
            {"connections": count, "qos": 1, "rate": 2000.0, "seconds": SECONDS},
            viewers=1,
            group="growth in devices: 2,000 messages a second in all, QoS 1, one viewer",
            size=count,
        )
        for count in (100, 1_000, 10_000)
    ]
    viewers = [
        Workload(
            f"viewers-{count}",
            f"{count} viewers" if count > 1 else "1 viewer",
            {"connections": 100, "qos": 1, "rate": 500.0, "seconds": SECONDS},
            viewers=count,
            group="growth in viewers: 100 devices, 500 messages a second in all, QoS 1",
            size=count,
        )
        for count in (1, 4, 16)
    ]
    rules = [
        Workload(
            f"rules-{count}",
            f"{count} rules",
            {"connections": 1000, "qos": 1, "rate": 2000.0, "seconds": SECONDS},
            viewers=1,
            group="growth in rules: 1,000 devices, 2,000 messages a second in all, QoS 1,"
            " one viewer",
            size=count,
        )
        for count in (0, 20, 200)
    ]
    return [
        *((workload, OURS) for workload in (*devices, *viewers)),
        *((workload, {"tocsin": partial(Tocsin, int(workload.size))}) for workload in rules),
    ]


def by_load() -> list[tuple[Workload, dict[str, Build]]]:
    """What a message costs when few come, and when many do."""
    return [
        (
            Workload(
                f"cost-{rate}",
                f"{rate:,} a second",
                {"connections": 1000, "rate": float(rate), "seconds": SECONDS, "qos": 0},
                viewers=1,
                group="cost by load: 1,000 devices, QoS 0, one viewer",
                size=rate,
            ),
            with_consumer(0),
        )
        for rate in (1_000, 4_000, 8_000, 12_000)
    ]


def together() -> list[tuple[Workload, dict[str, Build]]]:
    """Tocsin alone, with devices, rules and viewers growing together."""
    return [
        (
            Workload(
                f"together-{step}",
                f"{devices:,} devices, {rules} rules, {viewers} viewers",
                {"connections": devices, "qos": 1, "rate": devices * 0.5, "seconds": SECONDS},
                viewers=viewers,
                group="growth in devices × rules × viewers: each device every 2 s, QoS 1",
                size=step,
            ),
            {"tocsin": partial(Tocsin, rules)},
        )
        for step, (devices, rules, viewers) in enumerate(
            ((1_000, 10, 1), (2_000, 20, 2), (4_000, 40, 4), (8_000, 80, 8)), start=1
        )
    ]


def ladder() -> list[Workload]:
    """Ever more messages a second, under the conditions of the claim."""
    return [
        _disturbed(
            f"load-{rate}",
            f"{rate:,} a second",
            rate=float(rate),
            seconds=4.0,
            group="growth in load: 1,000 devices, QoS 1, and all that disturbs the claim",
            size=rate,
        )
        for rate in LADDER
    ]


def claim(quick: bool) -> Workload:
    """The promise of the product, with everyone present who could disturb it."""
    messages = CLAIM_MESSAGES // 10 if quick else CLAIM_MESSAGES
    return _disturbed(
        "claim",
        f"the claim: {messages:,} messages at {CLAIM_RATE:,.0f} a second, QoS 1",
        rate=CLAIM_RATE,
        seconds=messages / CLAIM_RATE,
    )


def _disturbed(
    name: str, title: str, *, rate: float, seconds: float, group: str = "", size: float = 0.0
) -> Workload:
    return Workload(
        name,
        title,
        {"connections": 1000, "qos": 1, "rate": rate, "seconds": seconds},
        viewers=1,
        slow_viewers=1,
        slow_subscribers=1,
        queries=True,
        group=group,
        size=size,
    )
