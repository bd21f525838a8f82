"""state.db: transactions on one thread, migrations per package, newer files refused."""

import sqlite3
import threading
from pathlib import Path

import pytest

from tocsin.devices.storage.database import Database, DatabaseError

ONE = "CREATE TABLE things (name TEXT); INSERT INTO things VALUES ('from one');"
TWO = "ALTER TABLE things ADD COLUMN size INTEGER; UPDATE things SET size = 7;"


def names(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT * FROM things ORDER BY name").fetchall()


async def test_a_transaction_is_there_after_a_restart(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    database.migrate("tests", [ONE, TWO])
    await database.run(lambda connection: connection.execute("INSERT INTO things VALUES ('b', 1)"))
    threads = {await database.run(lambda _: threading.get_ident()) for _ in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    database.close()
    database.close()

    database = Database.open(tmp_path)
    database.migrate("tests", [ONE, TWO])
    assert database.run_now(names) == [("b", 1), ("from one", 7)]
    assert database.run_now(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert database.run_now(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    database.close()


async def test_an_exception_rolls_all_of_its_transaction_back(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    database.migrate("tests", [ONE])

    def insert_and_fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO things VALUES ('half')")
        raise LookupError("on purpose")

    with pytest.raises(LookupError):
        await database.run(insert_and_fail)
    assert await database.run(names) == [("from one",)]
    database.close()


def test_each_package_steps_up_on_its_own_and_a_failing_step_leaves_no_trace(
    tmp_path: Path,
) -> None:
    database = Database.open(tmp_path)
    database.migrate("tests", [ONE])
    database.migrate("others", ["CREATE TABLE others (name TEXT)"])
    with pytest.raises(sqlite3.OperationalError):
        database.migrate("tests", [ONE, "CREATE TABLE more (name TEXT); NONSENSE"])
    database.migrate("tests", [ONE, TWO])
    assert database.run_now(names) == [("from one", 7)]
    database.migrate("tests", [ONE, TWO, "CREATE TABLE more (name TEXT)"])
    database.close()


def test_a_newer_folder_is_refused(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    database.migrate("tests", [ONE, TWO])
    with pytest.raises(
        DatabaseError, match=r"version 2 of the tables of 'tests'; expected at most 1"
    ):
        database.migrate("tests", [ONE])
    assert database.run_now(names) == [("from one", 7)]
    database.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"certainly not a database" * 100)
    with pytest.raises(DatabaseError, match=r"state\.db cannot be opened: file is not a database"):
        Database.open(tmp_path)
