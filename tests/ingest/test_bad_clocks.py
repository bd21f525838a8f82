"""One bad clock, or one silent device, is no matter of the others."""

import pytest

from tests.ingest.scripts import START, message, new_pipeline
from tocsin.ingest.facts import RulePut
from tocsin.ingest.rules.rule import Rule

IN_1970, IN_2106 = 5.0, 4_294_967_295.0


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("stated", [IN_1970, IN_2106, START - 3600, START + 3600])
def test_it_holds_back_nobody(stated: float, batch: int) -> None:
    pipeline = new_pipeline()
    pipeline.feed([RulePut(Rule(name="hot", when="avg(t, '10s') > 50"), "ann")], START)
    pipeline.feed([message("silent", {"ts": START, "t": 1.0})], START)
    sent = [
        each
        for second in range(20)
        for each in (
            message("bad", {"ts": stated + second, "t": 1.0}),
            message("good", {"ts": START + second, "t": 10.0 * second}),
        )
    ]
    rung: list[tuple[str | None, float]] = []
    for first in range(0, len(sent), batch):
        alerts = pipeline.feed(sent[first : first + batch], START + (first + batch) / 2).alerts
        rung += [(alert.device, alert.began_at - START) for alert in alerts]
    assert rung == [("good", 10.0)]
    views = {view.id: view for view in pipeline.devices()}
    assert [views[name].late_total for name in ("good", "bad", "silent")] == [0, 0, 0]
    assert views["good"].readings_total == views["bad"].readings_total == 20
    assert views["bad"].future_total == (20 if stated > START + 300 else 0)
