"""`tocsin` with the one mistake it must not make: it acknowledges before the disk has synced.

The disk is slow, so that the mistake shows every time.
"""

import asyncio
import time
from collections.abc import Sequence

from tocsin.cli import main
from tocsin.ingest.facts import Record
from tocsin.ingest.storage.files import DiskFiles
from tocsin.ingest.storage.journal import Journal

_append = Journal.append
_sync = DiskFiles.fdatasync


def append(
    self: Journal, records: Sequence[Record], at: float, *, lingers: bool = False
) -> "asyncio.Future[int]":
    _append(self, records, at, lingers=lingers)
    early: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    early.set_result(self.last_position + 1)
    return early


def slow(self: DiskFiles, fd: int) -> None:
    time.sleep(0.3)
    _sync(self, fd)


Journal.append = append
DiskFiles.fdatasync = slow
main()
