"""`tocsin` with a fault in judging: what the device `poison` sends makes the pipeline raise."""

from collections.abc import Sequence

from tocsin.cli import main
from tocsin.devices.message import Message
from tocsin.ingest.facts import Record
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.pipeline import Pipeline

_feed = Pipeline.feed


def feed(self: Pipeline, records: Sequence[Record], now: float) -> Outcome:
    if any(isinstance(r, Message) and "/poison/" in r.topic for r in records):
        raise RuntimeError("poisoned")
    return _feed(self, records, now)


Pipeline.feed = feed
main()
