"""What a snapshot has of the alert book."""

import msgspec

from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.episode import Ending, Episode
from tocsin.ingest.alerts.maintenance import Window
from tocsin.ingest.alerts.mutes import Mute
from tocsin.ingest.alerts.timers import Timer

FORMAT = 1


class _Form(msgspec.Struct, frozen=True):
    format: int


class BookSnapshot(msgspec.Struct, frozen=True):
    """Everything an alert book owns. `last_timer` is the number of the timer started last."""

    last_timer: int
    timers: list[Timer]
    open: list[Episode]
    recent: list[Alert]
    mutes: list[Mute]
    endings: list[Ending]
    maintenance: list[Window] = []
    rings: list[tuple[str, str, list[float]]] = []
    format: int = FORMAT

    def encoded(self) -> bytes:
        return msgspec.msgpack.encode(self)


def decode_snapshot(data: bytes) -> BookSnapshot:
    """Raises ValueError for what is not a snapshot of this format."""
    form = msgspec.msgpack.decode(data, type=_Form).format
    if form != FORMAT:
        raise ValueError(f"alert snapshot has format {form}; expected {FORMAT}")
    return msgspec.msgpack.decode(data, type=BookSnapshot)
