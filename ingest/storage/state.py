"""What ingest keeps in state.db: rules and zones in force, alerts, and their transitions."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tocsin.devices.storage.database import Database
from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.geo.zone_set import ZoneEntry
from tocsin.ingest.rules.rule_set import RuleEntry, RuleVersion
from tocsin.ingest.rules.rule_step import RuleStep, steps

MIGRATIONS = (
    """
    CREATE TABLE ingest_rules (
        name TEXT PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE ingest_alerts (
        id TEXT PRIMARY KEY,
        rule TEXT NOT NULL,
        subject TEXT NOT NULL,
        state TEXT NOT NULL,
        began_at REAL NOT NULL,
        revision INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX ingest_alerts_newest ON ingest_alerts (began_at);
    CREATE INDEX ingest_alerts_state ON ingest_alerts (state, began_at);
    CREATE INDEX ingest_alerts_subject ON ingest_alerts (subject, began_at);
    CREATE INDEX ingest_alerts_rule ON ingest_alerts (rule, began_at);
    CREATE TABLE ingest_transitions (
        alert TEXT NOT NULL REFERENCES ingest_alerts ON DELETE CASCADE,
        revision INTEGER NOT NULL,
        at REAL NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (alert, revision)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE ingest_rule_versions (
        name TEXT NOT NULL,
        at REAL NOT NULL,
        version INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (name, at, version)
    ) STRICT, WITHOUT ROWID;
    """,
    """
    CREATE TABLE ingest_zones (
        name TEXT PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
    """,
    """
    CREATE INDEX ingest_rule_versions_newest ON ingest_rule_versions (at);
    """,
    """
    CREATE TABLE ingest_tags (
        device TEXT PRIMARY KEY,
        body BLOB NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class StateSettings:
    """How much of the past state.db keeps."""

    closed_alerts: int = 10_000
    """Cleared alerts kept with their transitions; the oldest go first. Open ones always stay."""
    versions_per_rule: int = 200
    """Past forms of a rule that are kept; the oldest go first."""
    rule_versions: int = 20_000
    """Past forms of all rules, those that were deleted too: names come and go without end."""
    transitions_per_alert: int = 200
    """The newest are kept: a comment storm on one alert must not fill the disk."""


class Transition(msgspec.Struct, frozen=True):
    """An alert as one transition at engine time `at` left it."""

    at: float
    alert: Alert


class StateStore:
    """Reads and writes the tables of ingest. The journal is the truth, these follow from it:
    every write may be repeated, as a replay does, and changes nothing the second time."""

    def __init__(self, database: Database, settings: StateSettings | None = None):
        """Brings the tables up to date; for use before the event loop runs."""
        self._database = database
        self._settings = settings or StateSettings()
        self._encode = msgspec.msgpack.Encoder().encode
        self._rule = msgspec.msgpack.Decoder(RuleEntry).decode
        self._zone = msgspec.msgpack.Decoder(ZoneEntry).decode
        self._version = msgspec.msgpack.Decoder(RuleVersion).decode
        self._tags = msgspec.msgpack.Decoder(dict[str, str]).decode
        self._alert = msgspec.msgpack.Decoder(Alert).decode
        database.migrate("ingest", MIGRATIONS)

    async def save_rules(self, rules: Sequence[RuleEntry]) -> None:
        """Makes `rules` the whole set."""
        rows = [(stored.rule.name, self._encode(stored)) for stored in rules]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM ingest_rules")
            connection.executemany("INSERT INTO ingest_rules VALUES (?, ?)", rows)

        await self._database.run(replace)

    async def save_zones(self, zones: Sequence[ZoneEntry]) -> None:
        """Makes `zones` the whole set."""
        rows = [(stored.zone.name, self._encode(stored)) for stored in zones]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM ingest_zones")
            connection.executemany("INSERT INTO ingest_zones VALUES (?, ?)", rows)

        await self._database.run(replace)

    async def save_tags(self, given: Mapping[str, Mapping[str, str]]) -> None:
        """Makes `given` all tags that people gave, by device."""
        rows = [(device, self._encode(tags)) for device, tags in given.items()]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM ingest_tags")
            connection.executemany("INSERT INTO ingest_tags VALUES (?, ?)", rows)

        await self._database.run(replace)

    async def tags(self) -> dict[str, dict[str, str]]:
        """The tags that people gave, by device."""

        def select(connection: sqlite3.Connection) -> dict[str, dict[str, str]]:
            rows = connection.execute("SELECT device, body FROM ingest_tags ORDER BY device")
            return {device: self._tags(body) for device, body in rows}

        return await self._database.run(select)

    async def zones(self) -> list[ZoneEntry]:
        """The zones in force, by name."""

        def select(connection: sqlite3.Connection) -> list[ZoneEntry]:
            rows = connection.execute("SELECT body FROM ingest_zones ORDER BY name")
            return [self._zone(body) for (body,) in rows]

        return await self._database.run(select)

    async def rules(self) -> list[RuleEntry]:
        """The rules in force, by name."""

        def select(connection: sqlite3.Connection) -> list[RuleEntry]:
            rows = connection.execute("SELECT body FROM ingest_rules ORDER BY name")
            return [self._rule(body) for (body,) in rows]

        return await self._database.run(select)

    async def record_versions(self, versions: Sequence[RuleVersion]) -> None:
        """Stores what became of rules."""
        rows = [(each.name, each.at, each.version, self._encode(each)) for each in versions]

        def store(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR IGNORE INTO ingest_rule_versions VALUES (?, ?, ?, ?)", rows
            )
            connection.executemany(
                "DELETE FROM ingest_rule_versions WHERE name = ?1 AND (at, version) IN (SELECT at,"
                " version FROM ingest_rule_versions WHERE name = ?1 ORDER BY at DESC, version DESC"
                " LIMIT -1 OFFSET ?2)",
                [
                    (name, self._settings.versions_per_rule)
                    for name in {each.name for each in versions}
                ],
            )
            connection.execute(
                "DELETE FROM ingest_rule_versions WHERE (name, at, version) IN (SELECT name, at,"
                " version FROM ingest_rule_versions ORDER BY at DESC, version DESC"
                " LIMIT -1 OFFSET ?)",
                (self._settings.rule_versions,),
            )

        await self._database.run(store)

    async def versions(self, rule_name: str) -> list[RuleStep]:
        """What became of the rule of this name, the newest first."""

        def select(connection: sqlite3.Connection) -> list[RuleStep]:
            rows = connection.execute(
                "SELECT body FROM ingest_rule_versions WHERE name = ?"
                " ORDER BY at DESC, version DESC",
                (rule_name,),
            )
            return steps([self._version(body) for (body,) in rows])

        return await self._database.run(select)

    async def newest_versions(self, limit: int) -> list[RuleStep]:
        """What became of rules of any name lately, the newest first; at most `limit`."""

        def select(connection: sqlite3.Connection) -> list[RuleStep]:
            rows = connection.execute(
                "SELECT body, (SELECT body FROM ingest_rule_versions AS earlier"
                " WHERE earlier.name = newest.name"
                " AND (earlier.at, earlier.version) < (newest.at, newest.version)"
                " ORDER BY earlier.at DESC, earlier.version DESC LIMIT 1)"
                " FROM ingest_rule_versions AS newest"
                " ORDER BY at DESC, version DESC, name LIMIT ?",
                (limit,),
            )
            return [
                RuleStep(self._version(body), self._version(before).rule if before else None)
                for body, before in rows
            ]

        return await self._database.run(select)

    async def record(self, alerts: Sequence[Alert], at: float) -> None:
        """Stores transitions in the order in which they happened, and the alerts' newest form."""
        if not alerts:
            return

        def store(connection: sqlite3.Connection) -> None:
            for alert in alerts:
                body = self._encode(alert)
                connection.execute(
                    "INSERT INTO ingest_alerts VALUES (?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET state = excluded.state,"
                    " revision = excluded.revision, body = excluded.body"
                    " WHERE excluded.revision > revision",
                    (
                        alert.id,
                        alert.rule,
                        alert.subject,
                        alert.state.value,
                        alert.began_at,
                        alert.revision,
                        body,
                    ),
                )
                connection.execute(
                    "INSERT OR IGNORE INTO ingest_transitions VALUES (?, ?, ?, ?)",
                    (alert.id, alert.revision, at, body),
                )
                connection.execute(
                    "DELETE FROM ingest_transitions WHERE alert = ? AND revision <= ?",
                    (alert.id, alert.revision - self._settings.transitions_per_alert),
                )
            if any(alert.state is State.CLEARED for alert in alerts):
                connection.execute(
                    "DELETE FROM ingest_alerts WHERE id IN (SELECT id FROM ingest_alerts"
                    " WHERE state = 'cleared' ORDER BY began_at DESC LIMIT -1 OFFSET ?)",
                    (self._settings.closed_alerts,),
                )

        await self._database.run(store)

    async def alerts(
        self,
        *,
        states: Collection[State] = (),
        subject: str | None = None,
        rule: str | None = None,
        limit: int = 100,
    ) -> list[Alert]:
        """At most `limit` (-1: all) alerts that match all filters, the newest episode first."""
        conditions = ["TRUE"]
        values: list[str | int] = []
        if states:
            conditions.append(f"state IN ({', '.join('?' * len(states))})")
            values.extend(state.value for state in states)
        if subject is not None:
            conditions.append("subject = ?")
            values.append(subject)
        if rule is not None:
            conditions.append("rule = ?")
            values.append(rule)
        query = (
            f"SELECT body FROM ingest_alerts WHERE {' AND '.join(conditions)}"  # noqa: S608 - the conditions above are constants
            " ORDER BY began_at DESC, id LIMIT ?"
        )

        def select(connection: sqlite3.Connection) -> list[Alert]:
            return [self._alert(body) for (body,) in connection.execute(query, (*values, limit))]

        return await self._database.run(select)

    async def transitions(self, alert_id: str) -> list[Transition]:
        """The transitions of one alert, oldest first; empty where it is not known."""

        def select(connection: sqlite3.Connection) -> list[Transition]:
            rows = connection.execute(
                "SELECT at, body FROM ingest_transitions WHERE alert = ? ORDER BY revision",
                (alert_id,),
            )
            return [Transition(at, self._alert(body)) for at, body in rows]

        return await self._database.run(select)
