"""Users and their logins in state.db."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from tocsin.devices.storage.database import Database

MIGRATIONS = (
    """
    CREATE TABLE dashboard_users (
        name TEXT PRIMARY KEY,
        password_hash TEXT NOT NULL,
        created_at REAL NOT NULL
    ) STRICT;
    CREATE TABLE dashboard_logins (
        token_hash BLOB PRIMARY KEY,
        user TEXT NOT NULL REFERENCES dashboard_users (name) ON DELETE CASCADE,
        expires_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX dashboard_logins_by_user ON dashboard_logins (user, expires_at);
    """,
)

LOGINS_PER_USER = 50
"""Open logins of one user; one more ends the one that would expire first."""


class UserExists(ValueError):
    pass


class UnknownUser(LookupError):
    pass


@dataclass(frozen=True, slots=True)
class User:
    name: str
    created_at: float


class UserStore:
    """The tables of users and logins. A login is stored as the SHA-256 of its token only."""

    def __init__(self, database: Database) -> None:
        database.migrate("dashboard", MIGRATIONS)
        self._database = database

    def add(self, name: str, password_hash: str, now: float) -> None:
        """Adds a user. Raises UserExists. Waits for the disk: for the time before the loop runs."""

        def insert(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(
                    "INSERT INTO dashboard_users VALUES (?, ?, ?)", (name, password_hash, now)
                )
            except sqlite3.IntegrityError:
                raise UserExists(f"user {name!r} exists; expected a new name") from None

        self._database.run_now(insert)

    def remove(self, name: str) -> None:
        """Removes a user and all logins. Raises UnknownUser. Waits for the disk."""

        def delete(connection: sqlite3.Connection) -> None:
            found = connection.execute("DELETE FROM dashboard_users WHERE name = ?", (name,))
            if not found.rowcount:
                raise UnknownUser(f"user {name!r} does not exist")

        self._database.run_now(delete)

    def all(self) -> list[User]:
        """All users by name. Waits for the disk."""
        return self._database.run_now(
            lambda connection: [
                User(name, created_at)
                for name, created_at in connection.execute(
                    "SELECT name, created_at FROM dashboard_users ORDER BY name"
                )
            ]
        )

    async def password_hash(self, name: str) -> str | None:
        """The password hash of a user, None for a name nobody has."""

        def select(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT password_hash FROM dashboard_users WHERE name = ?", (name,)
            ).fetchone()
            return row[0] if row else None

        return await self._database.run(select)

    async def open_login(self, name: str, token_hash: bytes, now: float, expires_at: float) -> None:
        """Stores a login. Raises UnknownUser when the user was removed meanwhile."""

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM dashboard_logins WHERE expires_at <= ?", (now,))
            connection.execute(
                "DELETE FROM dashboard_logins WHERE token_hash IN (SELECT token_hash"
                " FROM dashboard_logins WHERE user = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?)",
                (name, LOGINS_PER_USER - 1),
            )
            try:
                connection.execute(
                    "INSERT INTO dashboard_logins VALUES (?, ?, ?)", (token_hash, name, expires_at)
                )
            except sqlite3.IntegrityError:
                raise UnknownUser(f"user {name!r} does not exist") from None

        await self._database.run(insert)

    async def login_user(self, token_hash: bytes, now: float) -> str | None:
        """The user whose login this is, None when it is unknown or has expired."""

        def select(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT user FROM dashboard_logins WHERE token_hash = ? AND expires_at > ?",
                (token_hash, now),
            ).fetchone()
            return row[0] if row else None

        return await self._database.run(select)

    async def standing(self, token_hashes: Collection[bytes], now: float) -> set[bytes]:
        """Those of `token_hashes` whose login is known and has not expired."""

        def select(connection: sqlite3.Connection) -> set[bytes]:
            query = "SELECT 1 FROM dashboard_logins WHERE token_hash = ? AND expires_at > ?"
            found = (connection.execute(query, (each, now)).fetchone() for each in token_hashes)
            return {each for each, row in zip(token_hashes, found, strict=True) if row}

        return await self._database.run(select)

    async def close_login(self, token_hash: bytes) -> None:
        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM dashboard_logins WHERE token_hash = ?", (token_hash,))

        await self._database.run(delete)
