"""A place where clients come in: its address, and what holds there alone."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. A renewed certificate is read when the next client comes, at most a minute
    later; connections that are open keep the old one."""

    certificate: Path
    """The server's, followed by those between it and the root."""
    key: Path
    client_ca: Path | None = None
    """Clients may show a certificate that one of these signed: the common name of its subject
    is their user name. None: clients are not asked for one."""
    require_certificate: bool = False
    """A client without such a certificate is not let in."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Port 0 lets the system choose."""

    host: str
    port: int
    tls: Tls | None = None
    websocket: bool = False
    """MQTT in WebSocket frames at the path `/mqtt`."""
    anonymous: bool = False
    """Clients without credentials are let in, as `ANONYMOUS`."""
    connections: int | None = None
    """Open sockets here (count); None: only the bound on all of them."""

    origins: tuple[str, ...] = ()
    """Web pages that may come here by WebSocket beside those of this address itself, as
    `https://plant.example`; `*`: every page."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Caller:
    """Who is at the other end of a socket, before it has said so itself.

    Owns nothing; the layers of a connection (TLS, WebSocket, MQTT) hand it on.
    """

    __slots__ = ("host", "inside", "listener", "trusted")

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.host = ""
        """The address of the peer, without its port."""
        self.trusted = listener.anonymous
        """It needs no credentials."""
        self.inside = False
        """It is counted among those who are in: see `Door`."""
