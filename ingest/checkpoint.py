"""Checkpoints: what is in memory goes to disk, in an order that survives a crash at any step.

    readings → history      what follows `history.covered` is still in the journal
    alerts   → state.db     transitions, and the deliveries of them
    state    → snapshot     what follows its position is still in the journal; a companion's with it
    journal  → trimmed      through what both cover

A crash between two steps costs a longer replay and nothing else: readings through
`history.covered` are not stored a second time, transitions of alerts are stored by revision.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from tocsin.ingest import snapshot
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.companion import NOBODY, Companion
from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.geo.zone_set import ZoneEntry
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule_set import RuleVersion
from tocsin.ingest.storage.history.history import History, Rows
from tocsin.ingest.storage.journal import Journal
from tocsin.ingest.storage.snapshots import Snapshots
from tocsin.ingest.storage.state import StateStore
from tocsin.ingest.unsaved import UnsavedReadings

KEPT_TRANSITIONS = 10_000
"""Outcomes with alerts, and versions of rules, that wait for state.db. Beyond it only the past of
an alert or a rule has a gap: they themselves are in snapshot and journal."""


class Checkpoints:
    """State: the transitions not yet in state.db, at most KEPT_TRANSITIONS; policy: drop_oldest."""

    def __init__(
        self,
        pipeline: Pipeline,
        unsaved: UnsavedReadings,
        journal: Journal,
        history: History,
        snapshots: Snapshots,
        state: StateStore,
        outbox: Outbox,
    ) -> None:
        self._pipeline = pipeline
        self._unsaved = unsaved
        self._journal = journal
        self._history = history
        self._snapshots = snapshots
        self._state = state
        self._outbox = outbox
        self.companion: Companion = NOBODY
        self._transitions: deque[tuple[float, list[Alert]]] = deque(maxlen=KEPT_TRANSITIONS)
        self._versions: list[RuleVersion] = []
        self._saving = asyncio.Lock()
        self._saved_rules = -1
        self._saved_zones: list[ZoneEntry] | None = None
        self._saved_tags = -1
        self._one_at_a_time = asyncio.Lock()

    def note(self, alerts: list[Alert], at: float) -> None:
        """Remember transitions for `save_transitions`."""
        self._transitions.append((at, alerts))

    def note_rules(self, versions: list[RuleVersion]) -> None:
        """Remember what became of rules for `save_transitions`."""
        self._versions = [*self._versions, *versions][-KEPT_TRANSITIONS:]

    async def save_transitions(self) -> None:
        """Write the transitions noted so far, oldest first, and rules, zones and tags in force."""
        async with self._saving:
            while self._transitions:
                noted = self._transitions[0]
                await self._state.record(noted[1], noted[0])
                if (
                    self._transitions[0] is noted
                ):  # else it was dropped meanwhile, the oldest of too many
                    self._transitions.popleft()
            if versions := self._versions:
                self._versions = []
                try:
                    await self._state.record_versions(versions)
                except BaseException:
                    self._versions = [*versions, *self._versions][-KEPT_TRANSITIONS:]
                    raise
            version = self._pipeline.rules.version
            if version != self._saved_rules:
                await self._state.save_rules(self._pipeline.rules.entries())
                self._saved_rules = version
            zones = self._pipeline.zones.entries()
            if zones != self._saved_zones:
                await self._state.save_zones(zones)
                self._saved_zones = zones
            catalogue = self._pipeline.catalogue
            version = catalogue.tags.given_version
            if version != self._saved_tags:
                given = catalogue.tags.all_given()
                await self._state.save_tags({catalogue.devices[n]: t for n, t in given.items()})
                self._saved_tags = version

    async def take(
        self,
        newest: Callable[[], asyncio.Future[int]],
        now: Callable[[], float],
        settle: Callable[[], None],
    ) -> None:
        """One checkpoint. `newest` gives the commit of the newest append, `settle` has the readings
        that wait in the pipeline told.

        Raises what a disk or a worker raises; nothing is lost then, and the next one retries.
        """
        async with self._one_at_a_time:
            copies = await asyncio.to_thread(self._pipeline.room_for_copies())
            # These belong to one instant: no await between them.
            committed, at = newest(), now()
            settle()
            chunk = self._unsaved.take()
            frozen = self._pipeline.freeze(copies)
            companion = asyncio.ensure_future(self.companion.snapshot())
            try:
                position = await asyncio.shield(committed)
                others = await companion
                of = self._pipeline.catalogue
                rows = Rows.of(chunk, of.name_of, of.is_text, of.texts)
                await self._history.store(rows, position)
            except BaseException:
                companion.cancel()
                self._unsaved.put_back()
                raise
            self._unsaved.saved()
            await self.save_transitions()
            await self._outbox.save()
            through = await asyncio.to_thread(self._save, position, at, frozen, others)
            self._journal.trim(min(through, self._history.covered()))

    def _save(self, position: int, at: float, own: snapshot.Frozen, companion: bytes) -> int:
        return self._snapshots.save(position, at, snapshot.join(own.parts(), companion))
