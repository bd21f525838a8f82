"""A rule as its author wrote it."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Rule(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The keys of a `[[rule]]` table. Durations are text such as `30s`, `5m`, `1h`."""

    name: str
    when: str
    devices: str = "*"
    tags: dict[str, str] = {}
    group_by: str = ""
    clear: str | None = None
    on_delay: str = "0s"
    off_delay: str = "0s"
    latch: bool = False
    re_alarm: str = "0s"
    inhibited_by: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    severity: Severity = Severity.WARNING
    message: str = ""
    enabled: bool = True
