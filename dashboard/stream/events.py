"""Server-sent events as bytes, and the numbered ones kept for viewers that come back."""

from collections import deque
from itertools import islice

import msgspec

_encode = msgspec.json.Encoder().encode


def write_event(name: str, content: object) -> bytes:
    """One event without its id. `content` becomes one JSON object, which has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(content))


class EventLog:
    """Owns the numbering of alert and presence events of this run, and the newest of them.

    An id is `{boot}.{seq}`; `boot` differs from run to run, so an id of another run is known
    not to be ours. Bounded by `size`; policy: drop the oldest, whoever needs it starts afresh.
    """

    def __init__(self, boot: str, size: int) -> None:
        self.boot = boot
        self.seq = 0
        self._events: deque[bytes] = deque(maxlen=size)

    @property
    def id_line(self) -> bytes:
        """The line that tells a viewer how far it has got."""
        return b"id: %b.%d\n" % (self.boot.encode(), self.seq)

    def add(self, event: bytes) -> bytes:
        """Numbers an event and keeps it; the event with its id."""
        self.seq += 1
        numbered = self.id_line + event
        self._events.append(numbered)
        return numbered

    def since(self, last_id: str | None) -> list[bytes] | None:
        """The events after the one with `last_id`; None if they are not (all) here."""
        boot, _, number = (last_id or "").partition(".")
        if boot != self.boot or not number.isascii() or not number.isdigit() or len(number) > 18:
            return None
        missed = self.seq - int(number)
        if not 0 <= missed <= len(self._events):
            return None
        return list(islice(self._events, len(self._events) - missed, None))
