"""`tocsin` on a disk that takes a second to sync: run as a program, for test_durability.py."""

import time

from tocsin.cli import main
from tocsin.ingest.storage.files import DiskFiles

_sync = DiskFiles.fdatasync


def slow(self: DiskFiles, fd: int) -> None:
    time.sleep(1.0)
    _sync(self, fd)


DiskFiles.fdatasync = slow
main()
