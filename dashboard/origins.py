"""Where a request may come from: by which name of ours, from which page, through whom.

Headers are lower-case names and values as they came. The MQTT WebSocket asks here too.
"""

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

Headers = Mapping[bytes, bytes]


class Refused(Exception):
    """The request gets `status` and goes no further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def hosts_of(names: Collection[str]) -> frozenset[str]:
    """The names by which browsers may reach us: those of the settings, and this machine's."""
    return LOOPBACK_HOSTS | {name.lower() for name in names}


def check_host(headers: Headers, hosts: Collection[str], here: str) -> None:
    """`hosts`, and the address the connection arrived on: rebinding needs a name that a stranger
    controls, and an IP literal is none. Raises Refused."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = _without_port(host)
    if name not in hosts and name != here:
        raise Refused(
            421,
            f"host {host[:100]!r} is not served here; expected one of"
            f" {', '.join(sorted(hosts))} (setting dashboard.hosts)",
        )


def check_origin(headers: Headers, *, safe: bool) -> None:
    """Refuses what a page of another origin sent, unless a person followed a link there.

    `safe`: the request changes nothing, and its answer is for us alone. Raises Refused.
    """
    site = headers.get(b"sec-fetch-site", b"none")
    if site not in (b"same-origin", b"none") and not (
        safe and headers.get(b"sec-fetch-mode") == b"navigate"
    ):
        raise Refused(403, f"sent by a page of another site ({site.decode('latin-1')[:50]})")
    origin = headers.get(b"origin")
    if origin is not None and not safe:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        sent = urlsplit(origin.decode("latin-1").lower())
        if sent.scheme not in ("http", "https") or sent.netloc != host:
            raise Refused(
                403, f"sent by a page of {origin.decode('latin-1')[:100]!r}, not of {host!r}"
            )


def is_forwarded(headers: Headers) -> bool:
    """Whether a proxy speaks for somebody else."""
    return any(
        name in (b"forwarded", b"x-real-ip") or name.startswith(b"x-forwarded-") for name in headers
    )


def is_local(peer: str) -> bool:
    """Whether the peer's address is this machine's."""
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) else host
