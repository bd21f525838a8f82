"""Tags: what people say about a device besides what it measures, as `site = north`.

A tag comes from a topic (`plant/{site}/{device}/{metric}`), from `[[tag]]` tables in the settings,
or from a person. Of one name the person's wins, then the settings', then the topic's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

MAX_TAGS = 32
"""Tags of one device, from one source."""

MAX_TAG_NAME = 64
MAX_TAG_VALUE = 128

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class TagError(ValueError):
    """A tag that cannot be: what, the value, what was expected."""


def check_tag_name(name: str) -> str:
    """`name`, if a tag can have it."""
    if not _NAME.fullmatch(name) or len(name) > MAX_TAG_NAME:
        raise TagError(
            f"{name[:64]!r} is no name of a tag; expected 1 to {MAX_TAG_NAME} letters, digits and"
            " '_', as in 'site'"
        )
    return name


def check_tag_value(name: str, value: str) -> str:
    """`value`, if a tag can have it: it may become a level of a topic, as the name of a group."""
    if (
        not 1 <= len(value) <= MAX_TAG_VALUE
        or not value.isprintable()
        or value != value.strip()
        or set(value) & set("/+#")
    ):
        raise TagError(
            f"tag {name} is {value[:64]!r}; expected 1 to {MAX_TAG_VALUE} printable characters"
            " without '/', '+' and '#' and without spaces at the ends"
        )
    return value


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """`tags`, if a device can have them. Raises TagError."""
    if len(tags) > MAX_TAGS:
        raise TagError(f"has {len(tags)} tags; expected at most {MAX_TAGS}")
    for name, value in tags.items():
        check_tag_value(check_tag_name(name), value)
    return tags


@dataclass(frozen=True, slots=True)
class TagTable:
    """A `[[tag]]` table: `tags` of the devices that match a glob. All tables that match count; of
    one name the last."""

    devices: str = "*"
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        check_tags(self.tags)

    def covers(self, device: str) -> bool:
        return fnmatchcase(device, self.devices)
