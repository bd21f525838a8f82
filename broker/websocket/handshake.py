"""The handshake of WebSocket (RFC 6455, 4.2), as a server reads and answers it. Pure."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

PATH = "/mqtt"
SUBPROTOCOLS = ("mqtt", "mqttv3.1")
"""What clients ask for [MQTT-6.0.0-3]; the first of theirs that is here is answered."""

HEAD_BYTES = 16 * 1024
"""The largest request. Browsers send 1 KiB with their cookies; who sends it is not known yet."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# Two of these would say two things.
_ONCE = frozenset({b"host", b"origin", b"sec-websocket-key", b"sec-websocket-version"})


class HandshakeRefused(Exception):
    """The request is answered with `status` and no WebSocket begins."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request without a body. Names of headers are in lower case."""

    method: str
    path: str
    """Without its query."""
    headers: Mapping[bytes, bytes]
    here: str
    """Our address that it came to, as a Host header writes it."""
    peer: str
    """The address of the peer, without its port."""


CheckRequest = Callable[[Request, tuple[str, ...]], bool]
"""Raises HandshakeRefused for a request that another site's page sent, unless the page is one of
the listener's `origins`. False: what comes speaks for somebody else (a proxy), and is not trusted
without credentials."""


def check_origin_only(request: Request, origins: tuple[str, ...]) -> bool:
    """No page may come but those that are named: for a broker that serves no pages itself."""
    origin = request.headers.get(b"origin")
    if origin is not None and not allows(origins, origin):
        raise HandshakeRefused(403, f"sent by a page of {origin[:100].decode('latin-1')!r}")
    return True


def allows(origins: tuple[str, ...], origin: bytes) -> bool:
    return "*" in origins or origin.decode("latin-1").lower() in origins


def read_request(head: bytes, here: str, peer: str) -> Request:
    """The request that ends with an empty line at the end of `head`. Raises HandshakeRefused."""
    line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1":
        raise HandshakeRefused(400, f"request is {line[:100]!r}; expected HTTP/1.1")
    headers: dict[bytes, bytes] = {}
    for each in lines:
        name, colon, value = each.partition(b":")
        if not colon or not _NAME.fullmatch(name) or _UNPRINTABLE.search(value):
            raise HandshakeRefused(400, f"malformed header {each[:100]!r}")
        name, value = name.lower(), value.strip(b" \t")
        if name in headers:
            if name in _ONCE:
                raise HandshakeRefused(400, f"header {name.decode()} is sent twice")
            value = headers[name] + b", " + value
        headers[name] = value
    path = words[1].partition(b"?")[0].decode("latin-1")
    return Request(words[0].decode("latin-1"), path, headers, here, peer)


def accept_request(request: Request) -> bytes:
    """The answer that begins the WebSocket. Raises HandshakeRefused."""
    headers = request.headers
    if request.path != PATH:
        raise HandshakeRefused(404, f"nothing at {request.path[:100]!r}; expected {PATH}")
    if (
        request.method != "GET"
        or b"websocket" not in _tokens(headers.get(b"upgrade", b""))
        or b"upgrade" not in _tokens(headers.get(b"connection", b""))
    ):
        raise HandshakeRefused(426, "expected a WebSocket (GET with Upgrade: websocket)")
    if headers.get(b"sec-websocket-version") != b"13":
        raise HandshakeRefused(426, "expected version 13 of WebSocket")
    key = headers.get(b"sec-websocket-key", b"")
    try:
        size = len(base64.b64decode(key, validate=True))
    except binascii.Error:
        size = 0
    if size != 16:
        raise HandshakeRefused(400, f"key {key[:50]!r}; expected 16 bytes in base64")
    asked = _tokens(headers.get(b"sec-websocket-protocol", b""))
    agreed = next((name for name in SUBPROTOCOLS if name.encode() in asked), None)
    if agreed is None:
        raise HandshakeRefused(400, "no subprotocol 'mqtt' or 'mqttv3.1'; expected one of them")
    digest = hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
        f"Sec-WebSocket-Protocol: {agreed}\r\n\r\n"  # [MQTT-6.0.0-4]
    ).encode()


def _tokens(value: bytes) -> list[bytes]:
    return [each.strip().lower() for each in value.split(b",")]


def refusal_response(refused: HandshakeRefused) -> bytes:
    body = refused.reason.encode()
    upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if refused.status == 426 else ""
    return (
        f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n{upgrade}"
        "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
