"""What lies in spans gives what lies in the span found for it."""

from random import Random
from statistics import stdev
from typing import cast

import pytest

from tocsin.ingest.rules.compiled import Use
from tocsin.ingest.rules.parser import parse
from tocsin.ingest.rules.scalar import Scalar, Spot
from tocsin.ingest.rules.spans import LARGEST, Apart, Span, span_of

NUMBERS = (
    "a",
    "-a",
    "a + b",
    "a - b",
    "a * b",
    "a / b",
    "abs(a)",
    "round(a)",
    "avg(a, '10s')",
    "a - avg(a, '10s')",
    "abs(delta(a, '10s')) - 2 * b",
    "stddev(a, '10s') + first(b, '10s')",
    "a - twa(a, '10s')",
    "max(a, '10s') / min(b, '10s')",
    "last(a, '10s') * (a + 3)",
)


def readings(random: Random) -> list[float]:
    """Of one metric, the newest one last."""
    size = random.choice((1.0, 3.0, 1e9))
    return [
        random.choice((random.uniform(-size, size), float(random.randint(-3, 3))))
        for _ in range(random.randint(2, 5))
    ]


class Seen:
    """Two metrics whose windows hold all their readings."""

    def __init__(self, readings: dict[str, list[float]]) -> None:
        self._readings = readings

    def number(self, metric: str) -> float:
        return self._readings[metric][-1]

    code = age = number

    def site(self, dial: object) -> float:
        raise LookupError(dial)

    def window(self, use: Use) -> float:
        of = self._readings[use[0]]
        match use[2]:
            case "twa":
                return sum(of[:-1]) / (len(of) - 1)
            case "avg":
                return sum(of) / len(of)
            case "stddev":
                return stdev(of)
            case "delta":
                return of[-1] - of[0]
            case "first":
                return of[0]
            case "last":
                return of[-1]
            case function:
                return {"min": min, "max": max}[function](of)


@pytest.mark.parametrize("text", NUMBERS)
def test_a_value_is_in_its_span(text: str) -> None:
    tree = parse(text)
    find, value = span_of(tree), Scalar(lambda _: 0).number(tree)
    assert find

    random = Random(text)
    for _ in range(500):
        a, b = readings(random), readings(random)
        span = find({"a": Span(min(a), max(a)), "b": Span(min(b), max(b))})
        found = value(cast("Spot", Seen({"a": a, "b": b})))
        assert span is None or found != found or span.low <= found <= span.high, (a, b)


def apart(left: str, operator: str, right: str, **seen: Span) -> dict[str, Span] | None:
    one, other = span_of(parse(left)), span_of(parse(right))
    assert one
    assert other
    return Apart(one, operator, other).widest(seen)


def test_spans_are_as_wide_as_the_comparison_allows_and_never_wider() -> None:
    found = apart("a - avg(a, '10s')", ">", "10", a=Span(4.0, 5.0))
    assert found
    low, high = found["a"]
    assert low < 4.0
    assert high > 5.0
    assert 4.0 < high - low <= 10.0
    assert apart("a", ">", "b", a=Span(4.0, 5.0), b=Span(4.5, 9.0)) is None
    assert apart("a / b", ">", "10", a=Span(4.0, 5.0), b=Span(-1.0, 1.0)) is None
    assert apart("a + b", "==", "9", a=Span(4.0, 4.0), b=Span(5.0, 5.0)) is None
    assert apart("a + b", ">", "9", a=Span(4.0, 4.0), b=Span(5.0, 5.0)) is not None
    assert apart("a * b", "<", "0", a=Span(1.0, 2 * LARGEST), b=Span(1.0, 1.0)) is None
