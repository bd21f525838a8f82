"""`tocsin` on a disk that the kernel has made read-only while the file TEST_READ_ONLY names exists.

As after an error of the medium: what is open stays open, and nothing can be written to it.
"""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tocsin.cli import main
from tocsin.ingest.storage.files import DiskFiles

FLAG = Path(os.environ["TEST_READ_ONLY"])


def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    def refuse_or_call(*arguments: Any) -> Any:
        if FLAG.exists():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return call(*arguments)

    return refuse_or_call


for name in ("create", "open", "write", "fdatasync", "truncate", "rename", "unlink"):
    setattr(DiskFiles, name, guarded(getattr(DiskFiles, name)))

_connect = sqlite3.connect


class ReadOnlyConnection(sqlite3.Connection):
    """SQLite says of such a disk that the database is read-only."""

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if arguments[0] in ("BEGIN", "COMMIT"):
            super().execute(f"PRAGMA query_only = {int(FLAG.exists())}")
        return super().execute(*arguments)


def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
    return _connect(*arguments, factory=ReadOnlyConnection, **options)


sqlite3.connect = connect
main()
