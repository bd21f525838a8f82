"""Another state that is a fold over the same journal, as the broker's sessions are.

The engine does not read the records that it keeps for it. It hands them back at the start, and
stores what the other gives of itself together with its own snapshot.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tocsin.ingest.facts import Record


@dataclass(frozen=True, slots=True)
class Companion:
    """What the engine calls of the other."""

    replay: Callable[[Sequence[Record], float, int], None]
    """Records of one entry, their time, their position. Called at the start, for every entry
    behind the engine's own snapshot; the other knows which of them its state has in it."""
    snapshot: Callable[[], Awaitable[bytes]]
    """Its state with the position it covers: done when that has in it all that had been
    submitted when this was called."""
    restore: Callable[[bytes], None]
    """Become what `snapshot` gave; empty bytes: nothing. Raises ValueError for anything else."""


async def _nothing() -> bytes:
    await asyncio.sleep(0)
    return b""


NOBODY = Companion(lambda _records, _at, _position: None, _nothing, lambda _data: None)
"""An engine by itself."""
