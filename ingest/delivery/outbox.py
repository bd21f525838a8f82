"""The outbox: every transition that is to be told, from its commit until it was told.

    committed ──take──> backlog of each channel ──save──> state.db ──dispatcher──> receiver
                              ^                                          │
                              └───────────────── settle ────────────────┘

The journal decides. state.db holds through which position transitions are in the outbox; a
replay gives those behind it once more, with the same alert id and revision, so with the same
key. A checkpoint saves the outbox before it lets go of the journal.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.delivery.backlog import Backlog
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.plan import Heard, OpenAlerts, UnknownChannels, plan
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt
from tocsin.ingest.storage.outbox import OutboxStore

Key = tuple[str, str]


class Outbox:
    """Owns the backlogs, and what changed in them that is not in state.db yet.

    What is not saved yet is bounded by the backlogs and by what ended since the last save.
    """

    def __init__(
        self, channels: Sequence[Channel], store: OutboxStore, open_alerts: OpenAlerts
    ) -> None:
        """Reads what waits; for use before the event loop runs."""
        self.channels = {channel.name: channel for channel in channels}
        self.backlogs = {channel.name: Backlog(channel) for channel in channels}
        self.store = store
        self.unknown = UnknownChannels()
        self._open_alerts = open_alerts
        self._position = self._covered = store.position()
        self._unsaved: dict[Key, Delivery] = {}
        for delivery in store.waiting():
            backlog = self.backlogs.get(delivery.channel)
            if backlog is not None:
                self._note(backlog.add(delivery))
            else:
                gone = f"channel {delivery.channel} is not in the settings any more"
                self._note([replace(delivery, state=Receipt.DEAD, error=gone)])

    def begin(self, newest: int) -> None:
        """A replay begins of a journal whose newest entry is at position `newest`."""
        self._position = self._covered = min(self._position, newest)

    def replay(self, alerts: Sequence[Alert], position: int, now: float) -> None:
        """As `take`, of transitions that a replay gives: those covered already are passed over."""
        if position > self._covered:
            self.take(alerts, position, now)

    def take(self, alerts: Sequence[Alert], position: int | None, now: float) -> None:
        """Transitions happened, committed at `position`; None: they never will be."""
        heard = Heard(self._open_alerts, self.channels)
        for alert in alerts:
            for delivery in plan(alert, self.channels, heard, now, self.unknown):
                backlog = self.backlogs[delivery.channel]
                if backlog.find(delivery) is None:
                    self._note([delivery])
                    self._note(backlog.add(delivery))
        if position is not None:
            self._position = position

    @property
    def has_unsaved(self) -> bool:
        return bool(self._unsaved)

    async def save(self) -> None:
        """Bring what changed to state.db. Raises what a disk raises; nothing is forgotten then."""
        unsaved, position = dict(self._unsaved), self._position
        await self.store.save(list(unsaved.values()), position)
        for key, delivery in unsaved.items():
            if self._unsaved.get(key) is delivery:
                del self._unsaved[key]

    def take_due(self, now: float) -> Parcel | None:
        """The next to be sent, of any channel."""
        for backlog in self.backlogs.values():
            if parcel := backlog.take_due(now):
                return parcel
        return None

    def next_due(self) -> float | None:
        dues = [due for each in self.backlogs.values() if (due := each.next_due()) is not None]
        return min(dues, default=None)

    def settle(self, sent: Parcel, answer: Answer, now: float, chance: float) -> Sequence[Delivery]:
        """What became of an attempt."""
        settled = self.backlogs[sent.channel].settle(sent, answer, now, chance)
        self._note(settled)
        return settled

    async def deliveries(
        self,
        *,
        channel: str | None = None,
        alert: str | None = None,
        state: Receipt | None = None,
        limit: int = 200,
    ) -> list[Delivery]:
        """At most `limit` that match all filters given, the newest first, as they stand now."""
        await self.save()
        stored = await self.store.deliveries(
            channel=channel,
            alert=alert,
            # What is in flight is stored as waiting.
            state=None if state is Receipt.SENT else state,
            limit=limit,
        )
        now = [self._as_it_is(each) for each in stored]
        return [each for each in now if state is None or each.state is state]

    def _as_it_is(self, stored: Delivery) -> Delivery:
        backlog = self.backlogs.get(stored.channel)
        live = None if backlog is None else backlog.find(stored)
        return live or stored

    async def redrive(self, channel: str | None, alert: str | None, now: float) -> int:
        """Queue dead deliveries again, oldest first, as far as there is room: how many."""
        await self.save()
        dead = await self.store.deliveries(
            channel=channel, alert=alert, state=Receipt.DEAD, limit=1_000
        )
        count = 0
        for delivery in reversed(dead):
            backlog = self.backlogs.get(delivery.channel)
            if backlog is None or len(backlog) >= backlog.channel.backlog:
                continue
            if backlog.find(delivery) is None:
                again = replace(
                    delivery,
                    state=Receipt.QUEUED,
                    attempts=0,
                    error=None,
                    queued_at=now,
                    changed_at=now,
                    due=now,
                )
                self._note([again])
                self._note(backlog.add(again))
                count += 1
        await self.save()
        return count

    def _note(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            self._unsaved[each.channel, each.key] = each
