"""What waits to be judged, in portions that fit in a turn of the event loop."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tocsin.devices.message import Message
from tocsin.ingest.backlog import FEWEST, MOST, NEWCOMERS, Backlog, Portion
from tocsin.ingest.facts import Record


def entry(first: int, count: int, at: float) -> Portion:
    records: list[Record] = [Message("c", str(first + n), b"") for n in range(count)]
    return Portion(records, at, asyncio.Future(loop=LOOP))


LOOP = asyncio.new_event_loop()
LOOP.close()


@given(lengths=st.lists(st.integers(0, 3 * FEWEST), max_size=8), takes=st.data())
def test_everything_comes_out_once_in_order_and_no_portion_is_of_two_entries(
    lengths: list[int], takes: st.DataObject
) -> None:
    backlog = Backlog(turn_s=0.002)
    put: list[str] = []
    got: list[str] = []
    ats: list[float] = []
    for at, length in enumerate(lengths):
        made = entry(len(put), length, at)
        backlog.add(made)
        put += [each.topic for each in made.records if isinstance(each, Message)]
        for _ in range(takes.draw(st.integers(0, 2))):
            take(backlog, got, ats)
        assert len(backlog) == len(put) - len(got)
    while take(backlog, got, ats):
        pass
    assert got == put
    assert set(ats) == set(range(len(lengths))), "an entry without records comes out too"
    assert ats == sorted(ats)
    assert len(backlog) == 0


def take(backlog: Backlog, got: list[str], ats: list[float]) -> bool:
    portion = backlog.take()
    if portion is None:
        return False
    assert len(portion.records) <= backlog.share
    got += [each.topic for each in portion.records if isinstance(each, Message)]
    ats.append(portion.at)
    return True


def test_a_portion_is_what_fits_in_a_turn() -> None:
    backlog = Backlog(turn_s=0.002)
    for _ in range(20):
        backlog.took(500, 0.001_5)  # 2 µs a record, beside what a batch costs
    assert 740 <= backlog.share <= 750
    for _ in range(20):
        backlog.took(500, 1.0)
    assert backlog.share == FEWEST, "dear ones: smaller portions would cost even more"
    for _ in range(20):
        backlog.took(5_000, 0.000_001)
    assert backlog.share == MOST


def test_few_records_say_nothing_of_what_one_costs() -> None:
    backlog = Backlog(turn_s=0.002)
    before = backlog.share
    backlog.took(3, 0.001)
    assert backlog.share == before


def test_a_portion_has_few_newcomers() -> None:
    """Of 300 topics two thirds are new; a newcomer that says much at once is one."""
    known = {str(n) for n in range(0, 300, 3)}

    def newcomer(record: Record) -> str | None:
        return record.topic if isinstance(record, Message) and record.topic not in known else None

    backlog = Backlog(0.002, newcomer)
    backlog.took(10_000, 0.002)
    backlog.took(10_000, 0.002)
    assert backlog.share >= 1_000
    first = [Message("c", "1", b"")] * 100
    backlog.add(Portion([*first, *entry(0, 300, 1.0).records], 1.0, asyncio.Future(loop=LOOP)))
    topics: list[list[str]] = []
    while portion := backlog.take():
        topics.append([each.topic for each in portion.records if isinstance(each, Message)])
    assert sum(map(len, topics)) == 400
    newcomers = [len(set(each) - known) for each in topics]
    full, rest = divmod(200, NEWCOMERS)
    assert rest
    assert newcomers == [NEWCOMERS] * full + [rest]
