"""100,000 subscriptions cost a publish no more than 100 do."""

from time import process_time

import pytest

from tocsin.broker.subscriptions import Grant, Subscriptions

FEW, MANY = 100, 100_000
TOPICS = 2_000

FORMS = {
    "exact": "plant/site/{}/temperature",
    "wildcard inside": "plant/+/{}/temperature",
    "wildcard at the end": "plant/site/{}/#",
    "wildcards on both sides": "+/site/{}/+",
    "shared": "$share/g/plant/+/{}/#",
}


def subscribed(form: str, count: int) -> Subscriptions[int]:
    subscriptions: Subscriptions[int] = Subscriptions()
    for number in range(count):
        subscriptions.add(form.format(number), number, Grant(1))
    assert len(subscriptions) == count
    # They are there, and count.
    assert subscriptions.match(f"plant/site/{count - 1}/temperature")
    return subscriptions


def cost_s(subscriptions: Subscriptions[int], run: int) -> float:
    """CPU seconds of matches for TOPICS topics that were not seen before."""
    topics = [f"plant/site/{number}/temperature/{run}" for number in range(TOPICS)]
    began = process_time()
    for topic in topics:
        subscriptions.match(topic)
    return process_time() - began


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_publish_costs_the_same(form: str) -> None:
    few, many = subscribed(form, FEW), subscribed(form, MANY)
    # In turns, and the best of five: what else runs on the machine disturbs both alike.
    costs = [(cost_s(few, run), cost_s(many, run)) for run in range(5)]
    least, most = (min(each) for each in zip(*costs, strict=True))
    assert most < 5 * least, f"{most / TOPICS * 1e6:.1f} µs; with {FEW} {least / TOPICS * 1e6:.1f}"
