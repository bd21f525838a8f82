"""Device and operator credentials in state.db."""

import sqlite3

from tocsin.devices.credentials import Credential, Identity, Role, token_matches
from tocsin.devices.storage.database import Database
from tocsin.devices.topics import is_device_id

MIGRATIONS = (
    """
    CREATE TABLE credentials (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        token_hash TEXT NOT NULL,
        created_at REAL NOT NULL,
        revoked_at REAL
    ) STRICT
    """,
)


class CredentialStore:
    """The credential table. `tocsin devices` writes it, also while a server reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.migrate("devices", MIGRATIONS)

    async def authenticate(self, name: str, token: bytes) -> Identity | None:
        """Who `name` is if `token` is its token and it is not revoked, else None."""
        found = await self._database.run(lambda connection: _find(connection, name))
        if found and found.revoked_at is None and token_matches(token, found.token_hash):
            return found.identity()
        return None

    async def knows(self, name: str) -> bool:
        """Whether there is a credential of this name, also one that was revoked."""
        return await self._database.run(lambda connection: _find(connection, name)) is not None

    async def vouched(self, name: str) -> Identity | None:
        """Who `name` is where a certificate says that this is he.

        The device of that name, without a credential too; an operator only with one. None when
        the credential was revoked, or the name can be no device's.
        """
        found = await self._database.run(lambda connection: _find(connection, name))
        if found is None:
            found = Credential(name, Role.DEVICE, "", 0.0)
        if found.revoked_at is not None or not is_device_id(name):
            return None
        return found.identity()

    def put(self, credential: Credential) -> None:
        """Make a credential, or give it a new token."""
        row = (
            credential.name,
            credential.role.value,
            credential.token_hash,
            credential.created_at,
            credential.revoked_at,
        )
        self._database.run_now(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO credentials VALUES (?, ?, ?, ?, ?)", row
            )
        )

    def revoke(self, name: str, at: float) -> bool:
        """Whether there was such a credential that was not revoked yet."""
        return self._database.run_now(
            lambda connection: (
                connection.execute(
                    "UPDATE credentials SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL",
                    (at, name),
                ).rowcount
                > 0
            )
        )

    def all(self) -> list[Credential]:
        """Every credential by name, revoked ones too."""
        return self._database.run_now(
            lambda connection: [
                _credential(row)
                for row in connection.execute("SELECT * FROM credentials ORDER BY name")
            ]
        )


def _find(connection: sqlite3.Connection, name: str) -> Credential | None:
    row = connection.execute("SELECT * FROM credentials WHERE name = ?", (name,)).fetchone()
    return _credential(row) if row else None


def _credential(row: tuple[str, str, str, float, float | None]) -> Credential:
    name, role, token_hash, created_at, revoked_at = row
    return Credential(name, Role(role), token_hash, created_at, revoked_at)
