"""Where the heartbeat goes, as the `[heartbeat]` table says it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tocsin.broker.topics import check_topic
from tocsin.heartbeat.url import BrokerUrl


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """`url` gets a GET every `every_s`, which may take `timeout_s`; none is sent without one.

    `mqtt`: `tocsin/heartbeat` is published at the own broker. `broker`: `topic` is published, with
    a will, at another one; `password_file` or the variable `password_env` hold the password of the
    user in it, and `tls_ca` the certificates in PEM that sign its own, without it the system's.
    """

    url: str = ""
    every_s: float = 60.0
    timeout_s: float = 10.0
    mqtt: bool = True
    broker: str = ""
    topic: str = "tocsin/heartbeat"
    password_file: Path | None = None
    password_env: str = ""
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("heartbeat.url is none; expected http:// or https:// and a host")
        try:
            check_topic(self.topic)
        except ValueError as error:
            raise ValueError(f"heartbeat.{error}") from None
        secrets = [key for key in ("password_file", "password_env") if getattr(self, key)]
        if len(secrets) > 1:
            raise ValueError("heartbeat has password_file and password_env; expected one of them")
        if not self.broker:
            for key in (*secrets, *(["tls_ca"] if self.tls_ca else [])):
                raise ValueError(f"heartbeat.{key} is for heartbeat.broker, which is not there")
            return
        url = BrokerUrl.parse(self.broker)
        if secrets and url.user is None:
            raise ValueError(
                f"heartbeat.{secrets[0]} is for a user; expected one in heartbeat.broker, as in"
                f" mqtt://plant-1@{url.host}"
            )
        if self.tls_ca and not url.tls:
            raise ValueError("heartbeat.tls_ca is for TLS; expected mqtts:// in heartbeat.broker")

    def password(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """The password, None where there is none to be.

        Raises ValueError, which never repeats it, where it cannot be read.
        """
        if self.password_env:
            text = environment.get(self.password_env)
            if text is None:
                raise ValueError(f"heartbeat.password_env: ${self.password_env} is not set")
            return text.strip()
        if self.password_file:
            try:
                return self.password_file.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no text"
                raise ValueError(f"heartbeat.password_file: {self.password_file}: {why}") from None
        return None

    def tls(self) -> ssl.SSLContext | None:
        """What a connection to `broker` must prove. Raises ValueError for a `tls_ca` that is of no
        use."""
        if not self.broker or not BrokerUrl.parse(self.broker).tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.tls_ca)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(
                f"heartbeat.tls_ca: {self.tls_ca} holds no certificates in PEM: {error}"
            ) from None
