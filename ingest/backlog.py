"""What is in the journal's order and not judged yet: a long batch is judged in several turns.

    taken      |■■■■■■■■■■■■■■■■■■■■■■■■■■■■■|■■■■|      two entries of the journal
    judged      ■■■■■■■■■ ■■■■■■■■■■ ■■■■■■■■■  ■■■■      four turns of the event loop

Between two turns everybody else has his: sockets are read, answers leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tocsin.ingest.facts import Record

FEWEST, MOST = 256, 4_096
"""Records of a portion. With fewer, what is dear anyway is behind for longer than others gain."""

NEWCOMERS = 32
"""Topics of a portion that nothing came on before. The first readings of a device cost fifty times
what later ones do: it is admitted, and its rules are asked one by one."""

FIRST = 256
"""Records of a portion before it is known what they cost."""

_TELLING = 16  # so many say what one costs
_BATCH_S = 0.000_5  # what a batch costs however many records it has, about
_CHEAPEST_S = 0.000_000_3  # a record


class Portion(NamedTuple):
    """Records of one entry, which arrived at `at`, and the entry's commit."""

    records: Sequence[Record]
    at: float
    committed: "asyncio.Future[int]"


class Backlog:
    """Owns the entries that are not judged to their end, in order, and learns how many records fit
    in a turn of `turn_s` seconds of processor time. `newcomer`: the topic of a record on
    which nothing came before, if it has one.
    """

    def __init__(
        self, turn_s: float, newcomer: Callable[[Record], str | None] = lambda record: None
    ) -> None:
        self._turn_s = turn_s
        self._newcomer = newcomer
        self._entries: deque[Portion] = deque()
        self._begun = 0  # records of the first entry that were given out
        self._length = 0
        self.share = FIRST
        """Records of a portion at most."""

    def __len__(self) -> int:
        """Records that wait."""
        return self._length

    @property
    def newest_at(self) -> float:
        """When the last entry that waits arrived; -inf where none does."""
        return self._entries[-1].at if self._entries else float("-inf")

    def add(self, entry: Portion) -> None:
        """The next entry; one without records is given out too."""
        self._entries.append(entry)
        self._length += len(entry.records)

    def take(self) -> Portion | None:
        """The next portion, of one entry; None where nothing waits."""
        if not self._entries:
            return None
        entry = self._entries[0]
        count = len(entry.records)
        end = self._end(entry.records)
        if end >= count:
            self._entries.popleft()
            portion = entry._replace(records=entry.records[self._begun :]) if self._begun else entry
            self._begun = 0
        else:
            portion = entry._replace(records=entry.records[self._begun : end])
            self._begun = end
        self._length -= len(portion.records)
        return portion

    def _end(self, records: Sequence[Record]) -> int:
        """Where the next portion of the first entry ends; it may be beyond it."""
        end, newcomers = self._begun + self.share, set[str]()
        if len(records) - self._begun > NEWCOMERS:
            for place in range(self._begun, min(end, len(records))):
                topic = self._newcomer(records[place])
                if topic is not None:
                    newcomers.add(topic)
                    if len(newcomers) == NEWCOMERS:
                        return place + 1
        return end

    def took(self, records: int, seconds: float) -> None:
        """A portion of so many took so long: the next ones are as large as fits, half as sure."""
        if records >= _TELLING and seconds > 0.0:
            each = max((seconds - _BATCH_S) / records, _CHEAPEST_S)
            fits = (self._turn_s - _BATCH_S) / each
            self.share = int(min(max((self.share + fits) / 2, FEWEST), MOST))
