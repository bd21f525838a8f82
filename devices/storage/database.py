"""state.db: one SQLite file for all packages, one connection, one thread that uses it."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_VERSIONS = """CREATE TABLE IF NOT EXISTS schema_versions (
    package TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT"""


class DatabaseError(RuntimeError):
    """state.db cannot be used as it is: damaged, foreign, or of a newer Tocsin."""


class Database:
    """Owns the connection to state.db and the thread on which every statement runs.

    WAL with `synchronous=FULL`: a transaction that returned is on disk. Each package owns its
    tables, named after it, and brings them up to date with `migrate` before it uses them.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, thread: ThreadPoolExecutor):
        self.path = path
        self._connection = connection
        self._thread = thread

    @classmethod
    def open(cls, folder: Path) -> "Database":
        """Opens or creates `folder`/state.db. Raises DatabaseError."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "state.db"
        # SQLite would find out when something has to be stored.
        if path.exists() and not os.access(path, os.W_OK):
            raise DatabaseError(
                f"{path} cannot be written; expected a file of who runs tocsin, on a disk that is"
                " not read-only"
            )
        thread = ThreadPoolExecutor(1, thread_name_prefix="state.db")
        try:
            connection = thread.submit(_connect, path).result()
        except sqlite3.DatabaseError as error:
            thread.shutdown()
            raise DatabaseError(f"{path} cannot be opened: {error}") from error
        return cls(path, connection, thread)

    def migrate(self, package: str, migrations: Sequence[str]) -> None:
        """Brings the tables of `package` to version len(migrations), one transaction a step.

        Migration n (from 1) is the SQL script that leads from version n - 1 to n; scripts that
        were released are never changed. Raises DatabaseError when the file is newer than that.
        """

        def step_up(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "SELECT version FROM schema_versions WHERE package = ?", (package,)
            ).fetchone()
            version = int(row[0]) if row else 0
            if version > len(migrations):
                raise DatabaseError(
                    f"{self.path} holds version {version} of the tables of {package!r}; expected"
                    f" at most {len(migrations)}: start the newer Tocsin that wrote it, or use"
                    " another data folder"
                )
            for number in range(version + 1, len(migrations) + 1):
                # executescript commits what is open before it starts, and leaves this BEGIN open.
                connection.executescript("BEGIN;" + migrations[number - 1])
                connection.execute(
                    "INSERT INTO schema_versions VALUES (?, ?)"
                    " ON CONFLICT (package) DO UPDATE SET version = excluded.version",
                    (package, number),
                )
                connection.execute("COMMIT")

        self._thread.submit(_rolled_back_on_error, self._connection, step_up).result()

    async def run(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `fn(connection)`, run as one transaction on the thread of state.db.

        An exception of `fn` rolls the transaction back and is raised here. When the caller is
        cancelled a transaction that has begun still ends, in full.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _transact, self._connection, fn)

    def run_now(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`, waiting for the result: for the time before the event loop runs."""
        return self._thread.submit(_transact, self._connection, fn).result()

    def close(self) -> None:
        """Ends what is queued, then closes the file. A second call does nothing."""
        try:
            self._thread.submit(self._connection.close).result()
        except RuntimeError:
            return
        self._thread.shutdown()


def _connect(path: Path) -> sqlite3.Connection:
    # isolation_level None: we say BEGIN ourselves, Python adds nothing.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise sqlite3.DatabaseError(
                f"journal mode is {mode!r}; expected 'wal' (is the folder on a network drive?)"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {16 << 20}")
        connection.execute(_VERSIONS)
    except BaseException:
        connection.close()
        raise
    return connection


def _transact(connection: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]) -> T:
    def transaction(connection: sqlite3.Connection) -> T:
        connection.execute("BEGIN")
        result = fn(connection)
        connection.execute("COMMIT")
        return result

    return _rolled_back_on_error(connection, transaction)


def _rolled_back_on_error(
    connection: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]
) -> T:
    try:
        return fn(connection)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
