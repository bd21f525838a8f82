"""Deliveries, joined: the outbox of the engine, its channels, and the alarm of one that fails."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tocsin.dashboard.views import AlertView, TransitionView, view_alert, view_transition
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.commands import Commands
from tocsin.ingest.delivery.dispatcher import Dispatcher, Send
from tocsin.ingest.delivery.receipt import Delivery, Parcel
from tocsin.ingest.delivery.self_alarm import CHANNEL_FAILS, channel_of, subject_of
from tocsin.ingest.delivery.webhook import Webhook
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import ChannelTurned
from tocsin.ingest.outcome import Outcome
from tocsin.refusal import Refusal


class Notice(msgspec.Struct, frozen=True):
    """A transition under its idempotency key, and the alert as it left it."""

    key: str
    alert: AlertView
    transition: TransitionView


class Single(Notice, frozen=True, tag_field="type", tag="alert"):
    """The body of a webhook's request."""


class Group(msgspec.Struct, frozen=True, tag_field="type", tag="alerts"):
    """The body of a request of a channel that groups: transitions in the order in which they
    happened. `alerts_total` are the alerts they are of, `states` how these stand after them."""

    key: str
    group_by: str
    group: str
    alerts_total: int
    states: dict[str, int]
    notices: list[msgspec.Raw]


AT_ONCE = 50
"""Transitions that are written down before others have a turn: about a millisecond."""


async def encode(channel: Channel, parcel: Parcel) -> bytes:
    """What a channel is told."""
    if parcel.group is None:
        [delivery] = parcel.deliveries
        return msgspec.json.encode(_about(Single, delivery))
    notices: list[msgspec.Raw] = []
    for number, delivery in enumerate(parcel.deliveries):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        notices.append(msgspec.Raw(msgspec.json.encode(_about(Notice, delivery))))
    newest = {delivery.alert.id: delivery.alert.state.value for delivery in parcel.deliveries}
    group = Group(
        parcel.key, channel.group_by, parcel.group, len(newest), Counter(newest.values()), notices
    )
    return msgspec.json.encode(group)


def _about(kind: type[Notice], delivery: Delivery) -> Notice:
    alert = delivery.alert
    at = delivery.queued_at if alert.cause is None else alert.cause.at
    return kind(delivery.key, view_alert(alert), view_transition(alert, at))


class Deliveries:
    """Owns the dispatcher and the connections of the webhooks. `trouble` is told why the outbox
    cannot be saved, None when it can. Raises Refusal for a secret that cannot be had."""

    def __init__(
        self,
        engine: Engine,
        channels: Sequence[Channel],
        publish: Callable[..., None],
        version: str,
        trouble: Callable[[str | None], None],
    ) -> None:
        self._engine = engine
        self._webhooks: list[Webhook] = []
        senders: dict[str, Send] = {}
        for channel in channels:
            if channel.kind == "mqtt":
                senders[channel.name] = Commands(channel, publish).send
                continue
            try:
                webhook = Webhook(channel, partial(encode, channel), engine.clock.now, version)
            except ValueError as error:
                raise Refusal(str(error)) from None
            self._webhooks.append(webhook)
            senders[channel.name] = webhook.send
        self._dispatcher = Dispatcher(
            engine.outbox, senders, engine.clock.now, self._channel_turned, trouble
        )

    def start(self) -> None:
        self._engine.on_committed.append(self._wake)
        for alert in self._engine.pipeline.alerts.open():
            name = channel_of(alert.subject)
            if alert.rule == CHANNEL_FAILS.name and name not in self._engine.outbox.channels:
                self._engine.record(ChannelTurned(name, None))
        self._dispatcher.start()

    async def stop(self) -> None:
        await self._dispatcher.stop()
        for webhook in self._webhooks:
            await webhook.close()

    def wake(self) -> None:
        """The outbox changed otherwise than by an outcome."""
        self._dispatcher.wake()

    def _wake(self, outcome: Outcome) -> None:
        if outcome.alerts:
            self._dispatcher.wake()

    def _channel_turned(self, channel: str, reason: str | None) -> None:
        alarm = CHANNEL_FAILS.name, subject_of(channel)
        rings = any(
            (alert.rule, alert.subject) == alarm and alert.active
            for alert in self._engine.pipeline.alerts.open()
        )
        if rings is (reason is None):
            self._engine.record(ChannelTurned(channel, reason))
