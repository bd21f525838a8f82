"""`tocsin` that kills itself (SIGKILL) at one step of a delivery, named by TEST_DIES_AT.

A file TEST_DIES_ONCE makes it do so once: the next start goes on.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tocsin.cli import main
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.delivery.outbox import Outbox
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt
from tocsin.ingest.delivery.webhook import Webhook
from tocsin.ingest.storage.outbox import OutboxStore

STEP = os.environ["TEST_DIES_AT"]
ONCE = Path(os.environ["TEST_DIES_ONCE"])

_take, _save, _send = Outbox.take, OutboxStore.save, Webhook.send


def die_at(step: str) -> None:
    if step == STEP and ONCE.exists():
        ONCE.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def take(self: Outbox, alerts: Sequence[Alert], position: int | None, now: float) -> None:
    die_at("committed")
    _take(self, alerts, position, now)
    die_at("queued")


async def save(self: OutboxStore, changed: Sequence[Delivery], position: int) -> None:
    ends = any(each.state is Receipt.CONFIRMED for each in changed)
    if ends:
        die_at("confirming")
    await _save(self, changed, position)
    die_at("confirmed" if ends else "saved")


async def send(self: Webhook, parcel: Parcel) -> Answer:
    answer = await _send(self, parcel)
    die_at("answered")
    return answer


Outbox.take, OutboxStore.save, Webhook.send = take, save, send
main()
