"""Chance that a seed decides: one independent stream of random numbers per purpose."""

from random import Random


def stream(seed: int, *purpose: str) -> Random:
    """A stream that depends on the seed and the purpose alone, the same on every machine.

    A purpose of its own (a device, its sensors, the hazards) means that drawing more numbers
    in one place never changes what happens in another.
    """
    return Random("/".join((str(seed), *purpose)))  # noqa: S311 - weather, not secrets


def wander(chance: Random, value: float, mean: float, pull: float, spread: float) -> float:
    """The next value of a random walk that is pulled back to its mean (Ornstein-Uhlenbeck).

    `pull` is the part of the distance to the mean that one step closes, `spread` the standard
    deviation of the walk in the long run.
    """
    return value + pull * (mean - value) + chance.gauss(0.0, spread * (2.0 * pull) ** 0.5)
