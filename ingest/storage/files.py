"""The seam between storage and the disk: the few file operations that durability rests on."""

import os
import sys
from pathlib import Path
from typing import Protocol

if sys.platform == "darwin":
    import fcntl


class FileLayer(Protocol):
    """File operations. Each raises OSError as the call of that name does.

    `DiskFiles` is the disk. Tests have layers that record the order of calls and layers that
    fail with ENOSPC, EIO and short writes.
    """

    def create(self, path: Path) -> int:
        """A descriptor of a new empty file; one that is there is emptied."""
        ...

    def open(self, path: Path) -> int:
        """A descriptor for writing to a file that is there."""
        ...

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        """Writes at `offset` and returns how many bytes it took: perhaps not all."""
        ...

    def fdatasync(self, fd: int) -> None:
        """Returns when content and length of the file are on disk."""
        ...

    def truncate(self, fd: int, length: int) -> None: ...

    def close(self, fd: int) -> None: ...

    def rename(self, source: Path, target: Path) -> None: ...

    def unlink(self, path: Path) -> None:
        """Removes the file; one that is gone already is fine."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Returns when the names in `folder` are on disk."""
        ...


class DiskFiles:
    """The file layer of the operating system."""

    def create(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def fdatasync(self, fd: int) -> None:
        if sys.platform == "darwin":
            # fsync there stops at the drive's cache.
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def unlink(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


DISK = DiskFiles()


def write_all(files: FileLayer, fd: int, data: bytes | bytearray | memoryview, offset: int) -> int:
    """Writes all of `data` at `offset`, however many calls it takes; the offset behind it."""
    rest = memoryview(data)
    while rest:
        taken = files.write(fd, rest, offset)
        if taken <= 0:
            raise OSError(f"write took {taken} of {len(rest)} bytes; expected at least 1")
        offset += taken
        rest = rest[taken:]
    return offset


def write_whole(files: FileLayer, path: Path, *data: bytes | bytearray | memoryview) -> None:
    """Makes `path` hold `data`, its parts joined: after a crash it is as before or as wanted.

    Written beside as `.new`, synced, renamed, and the name synced. A left-over `.new` is
    overwritten by the next call.
    """
    beside = path.with_name(path.name + ".new")
    fd = files.create(beside)
    try:
        offset = 0
        for part in data:
            offset = write_all(files, fd, part, offset)
        files.fdatasync(fd)
    finally:
        files.close(fd)
    files.rename(beside, path)
    files.sync_folder(path.parent)
