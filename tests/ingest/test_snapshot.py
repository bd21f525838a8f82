"""What is frozen stays as it was, in memory that was made for it ahead."""

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.snapshot import Copies, Rows, decode, freeze

Floats = NDArray[np.float64]


class Live:
    """Arrays that go on changing, as a part of the pipeline owns them."""

    def __init__(self, rows: int) -> None:
        self.table: Floats = np.arange(rows * 3.0).reshape(rows, 3)

    def state(self) -> dict[str, object]:
        places = np.arange(0, len(self.table), 2)
        return {
            "part": self.table[1:],
            "rows": Rows(self.table, places),
            "words": ["a", 1.5],
        }

    def expected(self) -> str:
        return str([self.table[1:], self.table[::2], ["a", 1.5]])


def told(data: bytes) -> str:
    state = decode(data)
    return str([state["part"], state["rows"], state["words"]])


def test_what_is_frozen_stays_as_it_was_while_everything_changes() -> None:
    live = Live(8)
    expected = live.expected()
    frozen = freeze(live.state())
    live.table += 100
    assert told(b"".join(frozen.parts())) == expected


def test_copies_fit_exactly_into_the_memory_made_for_them_ahead() -> None:
    live = Live(1000)
    copies = Copies.for_state(live.state())()
    room = copies.room
    frozen = freeze(live.state(), copies)
    assert copies.needed == room > 0
    live.table += 1
    live.table -= 1
    assert told(b"".join(frozen.parts())) == live.expected()


def test_copies_beyond_the_memory_made_for_them_are_as_good() -> None:
    make = Copies.for_state(Live(8).state())
    for rows in (7, 1, 3000, 20):
        live, expected = Live(rows), Live(rows).expected()
        frozen = freeze(live.state(), make())
        live.table += 100
        assert told(b"".join(frozen.parts())) == expected
