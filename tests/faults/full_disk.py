"""`tocsin` on a disk that is full while the file TEST_DISK_FULL names exists."""

import errno
import os
from pathlib import Path

from tocsin.cli import main
from tocsin.ingest.storage.files import DiskFiles

FLAG = Path(os.environ["TEST_DISK_FULL"])
_write = DiskFiles.write


def write(self: DiskFiles, fd: int, data: memoryview, offset: int) -> int:
    if FLAG.exists():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return _write(self, fd, data, offset)


DiskFiles.write = write
main()
