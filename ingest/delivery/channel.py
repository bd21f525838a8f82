"""A channel: where alerts are told, as `[[channel]]` tables say it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from tocsin.ingest.alerts.alert import Alert

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")

MAX_PAYLOAD = 4096
"""Characters of a command's payload."""

MAX_GROUP_S = 3600.0
"""Seconds for which the transitions of a group are gathered. What may wait longer is a report."""

MOST_TOGETHER = 500
"""Transitions told in one request: about half a megabyte, less than what receivers take."""

MIN_SECRET = 16
"""Bytes. A shorter secret can be guessed."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Settings of one channel; rules name it in `actions`.

    A `webhook` gets every transition of an alert that rang as a POST to `url`, signed with the
    secret in `secret_file` or in the environment variable `secret_env`. An attempt may take
    `timeout_s`; `concurrency` of them run at a time. With `group_by` transitions of alerts of one
    rule, or of one severity, are told together: the first after `group_wait_s`, further ones not
    sooner than `group_interval_s` after those before. `mqtt` publishes `ring` and `clear` to
    devices/{device}/commands/{command}. What cannot be told is tried again for `give_up_s`;
    of what waits the newest `backlog` are kept.
    """

    name: str
    kind: Literal["webhook", "mqtt"] = "webhook"
    url: str = ""
    secret_file: Path | None = None
    secret_env: str = ""
    timeout_s: float = 10.0
    concurrency: int = 4
    give_up_s: float = 86400.0
    backlog: int = 10_000
    group_by: Literal["", "rule", "severity"] = ""
    group_wait_s: float = 1.0
    group_interval_s: float = 10.0
    device: str = "{device}"
    command: str = ""
    ring: str = '{"on": true}'
    clear: str = '{"on": false}'

    def __post_init__(self) -> None:
        if NAME.fullmatch(self.name) is None:
            raise ValueError(
                f"name {self.name[:64]!r} is none of a channel; expected 1 to 64 letters, digits,"
                " '-', '_' or '.'"
            )
        if self.backlog <= self.concurrency:
            raise ValueError(
                f"backlog of {self.name} is {self.backlog}; expected more than {self.concurrency},"
                " its concurrency"
            )
        for key, time_s in (
            ("group_wait_s", self.group_wait_s),
            ("group_interval_s", self.group_interval_s),
        ):
            if not 0 < time_s <= MAX_GROUP_S:
                raise ValueError(
                    f"{key} of {self.name} is {time_s:g}; expected more than 0 and at"
                    f" most {MAX_GROUP_S:g} seconds"
                )
        if self.kind == "webhook":
            self._check_webhook()
        else:
            self._check_command()

    def _check_webhook(self) -> None:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            parts, fits = None, False
        if not fits:
            raise ValueError(f"url of {self.name} is none; expected http:// or https:// and a host")
        if parts and (parts.username or parts.password):
            raise ValueError(
                f"url of {self.name} holds a password; expected it in secret_file or secret_env"
            )
        if self.command:
            raise ValueError(f"{self.name} is a webhook; command is for kind 'mqtt'")
        if self.secret_file and self.secret_env:
            raise ValueError(f"{self.name} has secret_file and secret_env; expected one of them")

    def _check_command(self) -> None:
        if not self.command:
            raise ValueError(f"{self.name} has no command; expected its name, as in 'siren'")
        if self.url:
            raise ValueError(f"{self.name} publishes over MQTT; url is for kind 'webhook'")
        if self.group_by:
            raise ValueError(f"{self.name} publishes over MQTT; group_by is for kind 'webhook'")
        for key, text in (("device", self.device), ("command", self.command)):
            if not text or set(text) & set("/+#\0"):
                raise ValueError(
                    f"{key} of {self.name} is {text[:64]!r}; expected one level of a topic"
                )
        for key, text in (("ring", self.ring), ("clear", self.clear)):
            if len(text) > MAX_PAYLOAD:
                raise ValueError(f"{key} of {self.name} is over {MAX_PAYLOAD} characters")

    @property
    def together(self) -> int:
        """How many transitions one request may tell: so few that some can wait besides."""
        if not self.group_by:
            return 1
        return max(1, min(MOST_TOGETHER, (self.backlog - 1) // self.concurrency))

    def group_of(self, alert: Alert) -> str | None:
        """With which others an alert is told; None: with none."""
        match self.group_by:
            case "rule":
                return alert.rule
            case "severity":
                return alert.severity
            case _:
                return None

    def topic_for(self, device: str | None) -> str | None:
        """Where the command for an alert on `device` goes; None: the alert is about no device, and
        the channel commands the one that an alert is about."""
        if device is None and "{device}" in self.device:
            return None
        return f"devices/{self.device.replace('{device}', device or '')}/commands/{self.command}"

    @property
    def target(self) -> str:
        """Where it leads, for people: host or topic. A path may hold a secret, and is left out."""
        if self.kind == "mqtt":
            return self.topic_for("{device}") or ""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def secret(self, environment: Mapping[str, str] = os.environ) -> bytes | None:
        """The secret, None where there is none to be.

        Raises ValueError, which never repeats it, where it cannot be read or is too short.
        """
        if self.secret_env:
            text = environment.get(self.secret_env)
            if text is None:
                raise ValueError(f"channel {self.name}: ${self.secret_env} is not set")
            secret = text.strip().encode()
        elif self.secret_file:
            try:
                secret = self.secret_file.read_bytes().strip()
            except OSError as error:
                why = error.strerror or error
                raise ValueError(f"channel {self.name}: {self.secret_file}: {why}") from None
        else:
            return None
        if len(secret) < MIN_SECRET:
            raise ValueError(
                f"channel {self.name}: its secret has {len(secret)} bytes; expected {MIN_SECRET}"
            )
        return secret


def check_names(channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """The channels. Raises ValueError where two have one name."""
    names = [channel.name for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"channel {json.dumps(name)} is there twice; expected different names")
    return channels
