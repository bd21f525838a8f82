"""Space in the data folder that is given up while a server starts."""

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

RESERVE_BYTES = 1 << 20
"""state.db's log and index need 100 KiB, a segment and the lock file less than a block each."""


class Reserve:
    """Owns the file `reserve`: without it no server could start on a full disk, and ring.

    SQLite wants 32 KiB beside state.db before it reads a word of it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"

    def give_up(self) -> None:
        """The space is free for whoever comes first; on a disk that cannot be written, it stays."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("reserve not given up", file=str(self._path), why=error.strerror)

    def take(self) -> None:
        """Takes the space again, if there is some: else the next start on a full disk fails."""
        try:
            if self._path.exists():
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(file, bytes(RESERVE_BYTES), 0)
                os.fdatasync(file)
            finally:
                os.close(file)
        except OSError as error:
            log.warning("no reserve for a start on a full disk", why=error.strerror)
            self._path.unlink(missing_ok=True)
