"""What the API says about channels, and about what is told through them: JSON others rely on."""

from datetime import datetime

import msgspec

from tocsin.dashboard.views import time_of
from tocsin.ingest.alerts.alert import State
from tocsin.ingest.delivery.backlog import Backlog
from tocsin.ingest.delivery.receipt import Delivery, Receipt


class DeliveryView(msgspec.Struct, frozen=True):
    """The receipt of one transition of an alert on its way through one channel.

    `key` is the idempotency key. `next_at` is when it is tried (again), `error` why the last
    attempt failed. A command over MQTT ends as `sent`: nobody answers it.
    """

    channel: str
    key: str
    alert: str
    revision: int
    rule: str
    subject: str
    alert_state: State
    state: Receipt
    attempts: int
    queued_at: datetime
    changed_at: datetime
    next_at: datetime | None
    error: str | None
    command: str | None


class ChannelView(msgspec.Struct, frozen=True):
    """A channel and how it does. Totals count since the start. `group_by` is by what its alerts are
    told together, null where each is told alone."""

    name: str
    kind: str
    target: str
    failing: bool
    waiting: int
    in_flight: int
    confirmed_total: int
    failed_total: int
    dead_total: int
    dropped_total: int
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    group_by: str | None = None


def view_delivery(delivery: Delivery) -> DeliveryView:
    alert = delivery.alert
    waits = delivery.state in (Receipt.QUEUED, Receipt.FAILED)
    return DeliveryView(
        channel=delivery.channel,
        key=delivery.key,
        alert=alert.id,
        revision=alert.revision,
        rule=alert.rule,
        subject=alert.subject,
        alert_state=alert.state,
        state=delivery.state,
        attempts=delivery.attempts,
        queued_at=time_of(delivery.queued_at),
        changed_at=time_of(delivery.changed_at),
        next_at=time_of(delivery.due) if waits else None,
        error=delivery.error,
        command=delivery.command or None,
    )


def view_channel(backlog: Backlog) -> ChannelView:
    channel = backlog.channel
    return ChannelView(
        name=channel.name,
        kind=channel.kind,
        target=channel.target,
        failing=backlog.is_failing,
        waiting=len(backlog),
        in_flight=backlog.in_flight,
        confirmed_total=backlog.confirmed_total,
        failed_total=backlog.failed_total,
        dead_total=backlog.dead_total,
        dropped_total=backlog.dropped_total,
        last_success_at=time_of(backlog.last_success_at),
        last_error=backlog.last_error,
        last_error_at=time_of(backlog.last_error_at),
        group_by=channel.group_by or None,
    )
