"""What a run consists of: which workload, against which servers, how often, in which order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import broker, isolation, product
from benchmarks.trial import Build, Workload

ROUNDS = 5
"""Rounds of the comparisons that targets are about. Everything else runs once."""
COMPARED_OFTEN = ("tocsin", "mosquitto", "mosquitto+paho")
"""Who takes part in all rounds; the others take part in the first."""


@dataclass(frozen=True, slots=True)
class Step:
    """A workload, against which servers, how often. `climbs`: a step of the ladder of loads."""

    workload: Workload
    builds: Mapping[str, Build]
    rounds: int = 1
    climbs: bool = False

    @property
    def rounds_by_server(self) -> dict[str, int]:
        return {name: self.rounds if name in COMPARED_OFTEN else 1 for name in self.builds}


def plan(
    quick: bool, rounds: int | None = None, only: Sequence[str] = (), *, soak: bool = False
) -> list[Step]:
    """`quick`: one round, and the headlines alone unless others are asked for. `soak`: also what
    takes minutes by its nature.

    `only`: workloads whose name begins so. Raises ValueError where one names none.
    """
    many = rounds or (1 if quick else ROUNDS)
    steps = _headlines(quick, many)
    if only or not quick:
        steps += _details(many)
    if only or soak:
        steps += _soaks()
    for name in only:
        if not any(step.workload.name.startswith(name) for step in steps):
            names = ", ".join(dict.fromkeys(step.workload.name for step in steps))
            raise ValueError(f"no workload begins with {name!r}; expected one of {names}")
    if not only:
        return steps
    return [step for step in steps if step.workload.name.startswith(tuple(only))]


def _headlines(quick: bool, rounds: int) -> list[Step]:
    return [
        *(
            Step(workload, product.products(qos), rounds)
            for qos, workload in enumerate(product.headlines(quick))
        ),
        *(Step(workload, broker.BROKERS, rounds) for workload in broker.headlines(quick)),
        Step(product.claim(quick), product.OURS),
    ]


def _details(rounds: int) -> list[Step]:
    return [
        *(Step(workload, product.OURS, climbs=True) for workload in product.ladder()),
        *(
            Step(workload, product.with_consumer(qos))
            for qos, workload in enumerate(product.saturation())
        ),
        Step(product.storm(), product.with_consumer(1)),
        Step(product.browsers(), product.products(1)),
        *(Step(workload, builds) for workload, builds in product.by_load()),
        *(Step(workload, builds) for workload, builds in product.sizes()),
        *(Step(workload, builds) for workload, builds in product.together()),
        *(Step(workload, broker.RELAYS) for workload in broker.large()),
        *(Step(workload, broker.BROKERS) for workload in broker.details()),
        Step(broker.fan_out(), broker.RELAYS, rounds),
        Step(isolation.lag(), isolation.OURS),
        *(Step(workload, isolation.OURS) for workload in isolation.isolation()),
    ]


def _soaks() -> list[Step]:
    """How much memory the server has when everything is full: what takes minutes by its nature."""
    return [Step(product.plant(), product.PLANTS), Step(product.full_windows(), product.OURS)]
