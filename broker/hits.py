"""How often each limit was hit, by the name of its setting."""

from collections import Counter

LIMITS = frozenset({
    "connections", "address_connections", "address_connects_per_s", "login_failures_free",
    "address_login_failures", "connect_timeout_s", "connect_packet_bytes", "packet_bytes",
    "client_id_bytes", "topic_bytes", "topic_levels", "subscriptions", "sessions_offline",
    "client_messages_per_s", "client_bytes_per_s", "queued_messages", "queued_bytes", "unreleased",
    "write_buffer_bytes", "retained_messages", "retained_bytes", "retained_replay",
    "uncommitted_bytes",
})  # fmt: skip
"""Limits that refuse, drop, close or hold back. The others size what is remembered, say how long
something lasts, or are told to the client before it can go beyond them."""


class Hits:
    """Owns the counts since the start; a limit that was never hit counts 0."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(LIMITS, 0))

    def add(self, limit: str) -> None:
        """KeyError for what is not in `LIMITS`."""
        if limit not in LIMITS:
            raise KeyError(limit)
        self.counts[limit] += 1

    def forget(self) -> None:
        """What a replay did again is not of this life of the server."""
        self.counts = Counter(dict.fromkeys(LIMITS, 0))
