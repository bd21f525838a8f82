"""What is in the journal's order and not judged yet: a long batch is judged in several turns.

    taken      |■■■■■■■■■■■■■■■■■■■■■■■■■■■■■|■■■■|      two entries of the journal
    judged      ■■■■■■■■■ ■■■■■■■■■■ ■■■■■■■■■  ■■■■      four turns of the event loop

Between two turns everybody else has his: sockets are read, answers leave.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from tocsin.ingest.facts import Record

FEWEST, MOST = 256, 4_096
"""Records of a portion. A batch has a cost of its own: below some hundred, many portions of what
is dear anyway would cost more time than they leave to others."""

_TELLING = 16  # so many say what one costs


class Portion(NamedTuple):
    """Records of one entry, which arrived at `at`, and the entry's commit."""

    records: Sequence[Record]
    at: float
    committed: "asyncio.Future[int]"


class Backlog:
    """Owns the entries that are not judged to their end, in order, and learns how many records fit
    in a turn of `turn_s` seconds of processor time.
    """

    def __init__(self, turn_s: float) -> None:
        self._turn_s = turn_s
        self._entries: deque[Portion] = deque()
        self._begun = 0  # records of the first entry that were given out
        self._length = 0
        self.share = FEWEST
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
        end = self._begun + self.share
        if end >= count:
            self._entries.popleft()
            portion = entry._replace(records=entry.records[self._begun :]) if self._begun else entry
            self._begun = 0
        else:
            portion = entry._replace(records=entry.records[self._begun : end])
            self._begun = end
        self._length -= len(portion.records)
        return portion

    def took(self, records: int, seconds: float) -> None:
        """A portion of so many took so long: the next ones are as large as fits, half as sure."""
        if records >= _TELLING and seconds > 0.0:
            fits = self._turn_s * records / seconds
            self.share = int(min(max((self.share + fits) / 2, FEWEST), MOST))
