"""Tocsin's own alarm: a channel that fails."""

from tocsin.ingest.rules.rule import Rule, Severity

CHANNEL_FAILS = Rule(
    name="tocsin.channel",
    when="failing == true",
    severity=Severity.MAJOR,
    message="{subject} cannot be told of alerts: {reason}",
)
"""It is signalled by deliveries, not judged by readings; its name no other rule may have."""

_PREFIX = "channel:"


def subject_of(channel: str) -> str:
    return _PREFIX + channel


def channel_of(subject: str) -> str:
    return subject.removeprefix(_PREFIX)
