"""What is to be told of alerts, and what became of it, in state.db."""

import sqlite3
from collections.abc import Sequence

import msgspec

from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.delivery.receipt import Delivery, Receipt

MIGRATIONS = (
    """
    CREATE TABLE delivery_outbox (
        number INTEGER PRIMARY KEY,
        channel TEXT NOT NULL,
        alert TEXT NOT NULL,
        revision INTEGER NOT NULL,
        command TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        queued_at REAL NOT NULL,
        changed_at REAL NOT NULL,
        due REAL NOT NULL,
        error TEXT,
        body BLOB NOT NULL,
        UNIQUE (channel, alert, revision)
    ) STRICT;
    CREATE INDEX delivery_outbox_state ON delivery_outbox (state, changed_at);
    CREATE INDEX delivery_outbox_alert ON delivery_outbox (alert, revision);
    CREATE TABLE delivery_position (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        position INTEGER NOT NULL
    ) STRICT;
    INSERT INTO delivery_position VALUES (1, -1);
    """,
)

KEPT = 20_000
"""Deliveries kept after they are over; the oldest go first. What waits always stays."""

_WAITING = ("queued", "failed")
_OVER = ("confirmed", "dead", "sent")
_COLUMNS = "channel, command, state, attempts, queued_at, changed_at, due, error, body"


class OutboxStore:
    """Reads and writes the outbox. Every write may be repeated."""

    def __init__(self, database: Database) -> None:
        """Brings the tables up to date; for use before the event loop runs."""
        self._database = database
        self._encode = msgspec.msgpack.Encoder().encode
        self._alert = msgspec.msgpack.Decoder(Alert).decode
        database.migrate("delivery", MIGRATIONS)

    def position(self) -> int:
        """Through which position of the journal transitions are in the outbox; -1 for none."""
        return self._database.run_now(
            lambda connection: int(
                connection.execute("SELECT position FROM delivery_position").fetchone()[0]
            )
        )

    def waiting(self) -> list[Delivery]:
        """What is neither confirmed nor dead, in the order in which it came."""

        def select(connection: sqlite3.Connection) -> list[Delivery]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM delivery_outbox WHERE state IN (?, ?) ORDER BY number",  # noqa: S608 - constants
                _WAITING,
            )
            return [self._delivery(row) for row in rows]

        return self._database.run_now(select)

    async def save(self, changed: Sequence[Delivery], position: int) -> None:
        """Store deliveries, new ones or as they are now, and how far the journal is covered.

        One that is in flight (`sent`) is stored as waiting: after a crash nobody knows what became
        of it, and it is sent again with the same key.
        """
        rows = [
            (
                each.channel,
                each.alert.id,
                each.alert.revision,
                each.command,
                each.state.value,
                each.attempts,
                each.queued_at,
                each.changed_at,
                each.due,
                each.error,
                self._encode(each.alert),
            )
            for each in changed
        ]

        def store(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO delivery_outbox (channel, alert, revision, command, state, attempts,"
                " queued_at, changed_at, due, error, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (channel, alert, revision) DO UPDATE SET state = excluded.state,"
                " attempts = excluded.attempts, queued_at = excluded.queued_at,"
                " changed_at = excluded.changed_at, due = excluded.due, error = excluded.error",
                rows,
            )
            connection.execute("UPDATE delivery_position SET position = ?", (position,))
            connection.execute(
                "DELETE FROM delivery_outbox WHERE number IN (SELECT number FROM delivery_outbox"
                " WHERE state IN (?, ?, ?) ORDER BY changed_at DESC LIMIT -1 OFFSET ?)",
                (*_OVER, KEPT),
            )

        await self._database.run(store)

    async def deliveries(
        self,
        *,
        channel: str | None = None,
        alert: str | None = None,
        state: Receipt | None = None,
        limit: int = 200,
    ) -> list[Delivery]:
        """At most `limit` that match all filters given, the newest first."""
        conditions = ["TRUE"]
        values: list[str | int] = []
        for column, value in (("channel", channel), ("alert", alert), ("state", state)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(str(value))
        query = (
            f"SELECT {_COLUMNS} FROM delivery_outbox WHERE {' AND '.join(conditions)}"  # noqa: S608 - the conditions above are constants
            " ORDER BY number DESC LIMIT ?"
        )

        def select(connection: sqlite3.Connection) -> list[Delivery]:
            return [self._delivery(row) for row in connection.execute(query, (*values, limit))]

        return await self._database.run(select)

    def _delivery(self, row: Sequence[object]) -> Delivery:
        columns = ("channel", "command", "state", "attempts", "queued_at", "changed_at", "due")
        fields: dict[str, object] = dict(zip((*columns, "error"), row[:-1], strict=True))
        alert = self._alert(row[-1])  # pyright: ignore[reportArgumentType]
        return msgspec.convert({**fields, "alert": alert}, Delivery)
