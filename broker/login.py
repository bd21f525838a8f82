"""What a client says of itself in CONNECT, and what its connection shows."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tocsin.devices.credentials import Identity


@dataclass(frozen=True, slots=True)
class Login:
    client: str
    """Its client id; made by the server when it sent none."""
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    address: str = ""
    """Peer as host:port."""
    subject: str | None = None
    """The common name of the certificate it showed, which the listener's client CA has signed."""
    trusted: bool = False
    """The listener lets in clients without credentials."""


Authenticate = Callable[[Login], Awaitable[Identity | None]]
"""Who that is, or None. What it raises is answered with "server unavailable"."""
