"""Few rows become columns by way of lists, many by arrays: the same columns."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.ingest import intake, waiting
from tocsin.ingest.facts import RulePut
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

START = 1_700_000_000.0

_numbers = st.sampled_from([-1.0, 0.0, 20.5, 79.0, 81.0])
_seconds = st.sampled_from([START - 5, START, START + 1, START + 2, START + 1e6])
_times = st.one_of(
    _seconds,
    _seconds.map(lambda at: at * 1e3),
    _seconds.map(lambda at: at * 1e6),
    st.sampled_from([-1.0, 1e17, 0.0]),
)
_payloads = st.one_of(
    st.fixed_dictionaries({"t": _numbers, "ts": _times}),
    _numbers,
    st.fixed_dictionaries(
        {"t": _numbers},
        optional={"ts": _times, "v": _numbers, "s": st.just("on"), "b": st.just(True)},
    ),
    st.fixed_dictionaries({"lat": st.sampled_from([1.0, 91.0]), "lon": _numbers, "ts": _times}),
)


def said(device: str, payload: object) -> Message:
    return Message(device, f"devices/{device}/telemetry", json.dumps(payload).encode())


_messages = st.builds(said, st.sampled_from("ab"), _payloads)


def played(batches: Sequence[Sequence[Message]], few: int) -> Any:
    """All that came of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "_FEW", few)
        patch.setattr(waiting, "_FEW", few)
        pipeline = Pipeline(Settings(), Decoder())
        pipeline.feed([RulePut(Rule(name="hot", when="t > 80"), "ada")], START)
        outcomes: list[Outcome] = []
        for number, batch in enumerate(batches):
            outcomes.append(pipeline.feed(batch, START + number))
        assert pipeline.faults.take() == []
        told = pipeline.settle(START + len(batches)).readings
        return (
            [(each.alerts, each.presence, each.new_devices) for each in outcomes],
            None if told is None else (told.series.tolist(), told.time.tolist()),
            None if told is None else (told.value.tolist(), told.arrival.tolist()),
            pipeline.devices(),
            pipeline.snapshot(),
        )


@example([[said("a", {"t": 1, "ts": (START + n) * 1e3})] for n in range(3)])
@given(st.lists(st.lists(_messages, min_size=1, max_size=8), min_size=4, max_size=8))
def test_few_rows_come_to_what_many_come_to(batches: list[list[Message]]) -> None:
    assert played(batches, few=8) == played(batches, few=0)
