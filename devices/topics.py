"""Topics: which device, and which metric, a topic is about.

The native topics are `devices/{device}/telemetry` (a JSON payload) and
`devices/{device}/{metric}` (one value). `[[topic]]` patterns in the settings claim others.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tocsin.devices.tags import TagError, check_tag_value

MAX_DEVICE_ID = 128
MAX_METRIC_NAME = 128
TELEMETRY = "telemetry"
CONTROL = frozenset({"commands", "replies"})

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a topic says. `metric` is None where the payload names its metrics.

    `control` marks commands and replies: traffic to a device, not telemetry from it.
    """

    device: str
    metric: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    control: bool = False


class TopicError(ValueError):
    """A topic, pattern or device id that cannot be used: what, the value, what was expected."""


def check_device_id(device: str) -> str:
    """`device`, if it can be a device id: 1 to 128 printable characters without / + #."""
    if not 1 <= len(device) <= MAX_DEVICE_ID:
        raise TopicError(
            f"device id {device[:40]!r} has {len(device)} characters; expected 1 to {MAX_DEVICE_ID}"
        )
    if _UNPRINTABLE.search(device) or not device.isprintable() or any(c in device for c in "/+#"):
        raise TopicError(
            f"device id {device!r} has a character that is not allowed (/ + # or control)"
        )
    return device


def is_device_id(name: str) -> bool:
    """Whether `name` can be a device id."""
    try:
        check_device_id(name)
    except TopicError:
        return False
    return True


class TopicPattern:
    """A `[[topic]]` of the settings, such as `plant/{site}/{device}/{metric}`.

    Each level is literal text or one placeholder. `{device}` and `{metric}` have their
    meaning; any other placeholder becomes a tag of the device. With more than one placeholder
    besides `{metric}` the device's id would be ambiguous: then `device_id` says how it is made.
    """

    def __init__(self, pattern: str, device_id: str | None = None) -> None:
        self.pattern = pattern
        self._levels = [self._level(level) for level in pattern.split("/")]
        names = [name for name, _ in self._levels if name]
        identifying = [name for name in names if name != "metric"]
        if len(names) != len(set(names)):
            raise TopicError(f"topic pattern {pattern!r} uses a placeholder twice")
        if not identifying:
            raise TopicError(f"topic pattern {pattern!r} names no device; expected {{device}}")
        if device_id is None and len(identifying) > 1:
            raise TopicError(
                f"topic pattern {pattern!r} has several placeholders; "
                f"expected an id, such as id = {'.'.join('{' + n + '}' for n in identifying)!r}"
            )
        self.id = device_id or f"{{{identifying[0]}}}"
        unknown = [n for n in _PLACEHOLDER.findall(self.id) if n not in identifying]
        if unknown:
            raise TopicError(
                f"id {self.id!r} uses {{{unknown[0]}}}, which {pattern!r} does not have"
            )

    def _level(self, level: str) -> tuple[str | None, str]:
        if match := _PLACEHOLDER.fullmatch(level):
            return match[1], level
        if not level or any(c in level for c in "{}+#"):
            raise TopicError(
                f"topic pattern {self.pattern!r} has the level {level!r}; "
                "expected literal text or one {placeholder}"
            )
        return None, level

    def match(self, levels: Sequence[str]) -> Claim | None:
        """The claim on a topic split into levels, or None."""
        if len(levels) != len(self._levels):
            return None
        found: dict[str, str] = {}
        for (name, literal), level in zip(self._levels, levels, strict=True):
            if name:
                found[name] = level
            elif literal != level:
                return None
        metric = found.pop("metric", None)
        device = _PLACEHOLDER.sub(lambda match: found[match[1]], self.id)
        tags = {name: value for name, value in found.items() if name != "device"}
        return _claim(device, metric, tags)


def claim_topic(topic: str, patterns: Sequence[TopicPattern] = ()) -> Claim | None:
    """What `topic` is about; None if nothing claims it.

    Raises TopicError if it is claimed but its device id or metric name cannot be used.
    """
    levels = topic.split("/")
    if levels[0] == "devices" and len(levels) >= 3:
        device, metric = levels[1], levels[2]
        if metric in CONTROL:
            return Claim(check_device_id(device), control=True)
        if len(levels) == 3:
            return _claim(device, None if metric == TELEMETRY else metric, {})
    for pattern in patterns:
        if found := pattern.match(levels):
            return found
    return None


def _claim(device: str, metric: str | None, tags: Mapping[str, str]) -> Claim:
    if metric is not None and not 1 <= len(metric) <= MAX_METRIC_NAME:
        raise TopicError(
            f"metric name {metric[:40]!r} has {len(metric)} characters; "
            f"expected 1 to {MAX_METRIC_NAME}"
        )
    try:
        for name, value in tags.items():
            check_tag_value(name, value)
    except TagError as error:
        raise TopicError(str(error)) from None
    return Claim(check_device_id(device), metric, tags)
