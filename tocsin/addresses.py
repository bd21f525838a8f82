"""Where to listen: HOST:PORT."""

import ipaddress
import socket
from dataclasses import dataclass

from tocsin.refusal import Refusal

BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; port 0 lets the system choose."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `127.0.0.1:1883`, `localhost:1883`, `[::1]:1883` or `:1883` (all interfaces).

        Raises ValueError.
        """
        if "@" in text:  # what stands before it may be a password
            shown = "…@" + text.rpartition("@")[2]
            raise ValueError(f"address {shown!r} names a user; expected HOST:PORT")
        host, colon, port = text.strip().rpartition(":")
        if not colon or not port.isascii() or not port.isdigit():
            raise ValueError(
                f"address {text!r} has no port; expected HOST:PORT as in 127.0.0.1:1883"
            )
        if len(port) > 5 or int(port) > 65535:
            raise ValueError(f"address {text!r} has port {port[:20]}; expected 0 to 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"address {text!r} is ambiguous; expected brackets as in [::1]:1883")
        if "/" in host or "[" in host or "]" in host or any(c.isspace() for c in host):
            raise ValueError(f"address {text!r} has no host name; expected HOST:PORT")
        return cls(host or "0.0.0.0", int(port))  # noqa: S104  an empty host is a person's wish to listen everywhere

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def reachable(self) -> "Address":
        """Where this machine itself reaches it: loopback, if it stands for all interfaces."""
        try:
            everywhere = ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return self
        if not everywhere:
            return self
        return Address("::1" if ":" in self.host else "127.0.0.1", self.port)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen(address: Address, flag: str) -> socket.socket:
    """A TCP socket that listens already: a client that comes before the server is up waits.

    Raises Refusal, naming the port and the flag that changes it.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise Refusal(f"{flag} {address}: {error.strerror or error}; expected HOST:PORT") from None
    family, kind, protocol, _, place = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(place)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise Refusal(
            f"cannot listen on {address}: {error.strerror or error};"
            f" choose another with {flag} HOST:PORT"
        ) from None
    sock.setblocking(False)
    return sock
