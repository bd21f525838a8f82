"""What could not be read or may not be remembered: counted, and the last of it kept to look at."""

from collections import OrderedDict
from typing import Any

import msgspec

from tocsin.devices.message import Message
from tocsin.ingest.settings import Caps


class Rejection(msgspec.Struct, frozen=True):
    """The last message of a device that was refused, wholly or in part."""

    at: float
    topic: str
    reason: str
    payload_preview: str


class UnclaimedTopic(msgspec.Struct, frozen=True):
    """A topic that no format and no pattern claims. `count` since it was first listed."""

    topic: str
    count: int
    last_at: float
    preview: str


class Refusals:
    """State: the last rejection of each device and of none, and the unclaimed topics.

    Both are bounded; the one least recently added to goes out. The counters by device are in the
    catalogue; `strangers_total` counts messages of devices that could not be told or admitted.
    """

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._last: OrderedDict[int, Rejection] = OrderedDict()
        self._topics: OrderedDict[str, UnclaimedTopic] = OrderedDict()
        self.strangers_total = 0
        self.last_stranger: Rejection | None = None
        self.unclaimed_total = 0

    def reject(self, device: int | None, message: Message, reason: str, now: float) -> None:
        rejection = Rejection(
            at=now,
            topic=self._topic(message),
            reason=reason,
            payload_preview=self._preview(message),
        )
        if device is None:
            self.strangers_total += 1
            self.last_stranger = rejection
        else:
            _remember(self._last, device, rejection, self._caps.rejections)

    def unclaimed(self, message: Message, now: float) -> None:
        self.unclaimed_total += 1
        topic = self._topic(message)
        before = self._topics.get(topic)
        count = before.count + 1 if before else 1
        entry = UnclaimedTopic(topic, count, now, self._preview(message)[:120])
        _remember(self._topics, topic, entry, self._caps.unclaimed_topics)

    def last_of(self, device: int) -> Rejection | None:
        return self._last.get(device)

    def topics(self) -> list[UnclaimedTopic]:
        """The unclaimed topics, most recent first."""
        return list(reversed(self._topics.values()))

    def _topic(self, message: Message) -> str:
        return message.topic[: self._caps.topic_preview]

    def _preview(self, message: Message) -> str:
        return message.payload[: self._caps.payload_preview_bytes].decode(errors="replace")

    def state(self) -> dict[str, Any]:
        return {
            "last": list(self._last.items()),
            "topics": list(self._topics.values()),
            "strangers_total": self.strangers_total,
            "last_stranger": self.last_stranger,
            "unclaimed_total": self.unclaimed_total,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from."""
        self._last = OrderedDict(
            (device, msgspec.convert(each, Rejection)) for device, each in state["last"]
        )
        topics = msgspec.convert(state["topics"], list[UnclaimedTopic])
        self._topics = OrderedDict((each.topic, each) for each in topics)
        self.strangers_total = state["strangers_total"]
        self.last_stranger = msgspec.convert(state["last_stranger"], Rejection | None)
        self.unclaimed_total = state["unclaimed_total"]


def _remember(kept: OrderedDict[Any, Any], key: object, entry: object, limit: int) -> None:
    kept[key] = entry
    kept.move_to_end(key)
    if len(kept) > limit:
        kept.popitem(last=False)
