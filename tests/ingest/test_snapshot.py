"""What is frozen stays as it was, and its copies take the place of the ones before."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.snapshot import Copies, Later, Rows, decode, freeze

Floats = NDArray[np.float64]


def doubled(array: Floats) -> Floats:
    return array * 2


class Live:
    """Arrays that go on changing, as a part of the pipeline owns them."""

    def __init__(self, rows: int) -> None:
        self.table: Floats = np.arange(rows * 3.0).reshape(rows, 3)

    def state(self) -> dict[str, object]:
        places = np.arange(0, len(self.table), 2)
        return {
            "part": self.table[1:],
            "rows": Rows(self.table, places),
            "later": Later(doubled, self.table[:, 1]),
            "words": ["a", 1.5],
        }

    def expected(self) -> str:
        return str([self.table[1:], self.table[::2], self.table[:, 1] * 2, ["a", 1.5]])


def told(data: bytes) -> str:
    state = decode(data)
    return str([state["part"], state["rows"], state["later"], state["words"]])


def test_what_is_frozen_stays_as_it_was_while_everything_changes() -> None:
    live = Live(8)
    expected = live.expected()
    frozen = freeze(live.state())
    live.table += 100
    assert told(b"".join(frozen.parts())) == expected


def test_copies_are_made_in_the_memory_of_those_before_whatever_grew_or_shrank() -> None:
    copies, live = Copies(), Live(1000)
    first = freeze({"table": live.table[:]}, copies).parts()[-1]
    second = freeze({"table": live.table[:]}, copies).parts()[-1]
    assert np.shares_memory(np.asarray(first), np.asarray(second))
    for rows in (1000, 7, 1, 3000, 20):
        live = Live(rows)
        assert told(b"".join(freeze(live.state(), copies).parts())) == live.expected()


def test_a_snapshot_that_is_still_written_is_not_overwritten_by_the_next() -> None:
    """As a checkpoint does it: a fresh `Copies` while another is in use."""
    live = Live(8)
    expected = live.expected()
    slow = freeze(live.state(), Copies())
    live.table += 1
    freeze(live.state(), Copies())
    assert told(b"".join(slow.parts())) == expected
