"""`tocsin` on a disk that does not answer while the file TEST_DISK_HANGS exists: run as a program,
for test_durability.py."""

import os
import time
from pathlib import Path

from tocsin.cli import main
from tocsin.ingest.storage.files import DiskFiles

_sync = DiskFiles.fdatasync
_hangs = Path(os.environ["TEST_DISK_HANGS"])


def hang(self: DiskFiles, fd: int) -> None:
    while _hangs.exists():
        time.sleep(0.05)
    _sync(self, fd)


DiskFiles.fdatasync = hang
main()
