"""What every request has to pass before the application sees it. Pure ASGI.

A web page of any site may send requests to 127.0.0.1 through the browser of a person who runs
Tocsin, so loopback is guarded like any other address.

    attack                                     answer
    another site's name on our address         421  (Host is not ours)
    a request another site's page sent         403  (Sec-Fetch-Site, Origin)
    a form post, which browsers allow          415  (unsafe methods need application/json; not
                                                     DELETE without a body: no form sends DELETE)
    a stranger, or one behind a proxy          401  (trust needs loopback and no Forwarded header)
    a body that is too large or too slow       413, 408
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tocsin.dashboard.about import About
from tocsin.dashboard.origins import (
    Refused,
    check_host,
    check_origin,
    hosts_of,
    is_forwarded,
    is_local,
)
from tocsin.dashboard.settings import Settings
from tocsin.dashboard.users.logins import COOKIE

LOCAL_USER = "local"
"""Who did it, where nobody logged in."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/api/login", "/api/logout", "/api/me"})

SECURITY_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self';"
        b" frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]

FindUser = Callable[[str], Awaitable[str | None]]


def _arrived_on(scope: Scope) -> str:
    """Our end of the connection, as a Host header writes it."""
    here = str((scope.get("server") or ("",))[0])
    return f"[{here}]" if ":" in here else here


class Guards:
    """Lets through what may pass; the user's name is then in `request.state.user` (None: nobody).

    `find_user` gives the name behind a session token; refusals are counted in `refused` by status.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        about: About,
        find_user: FindUser,
        refused: Counter[int],
    ) -> None:
        self._app = app
        self._settings = settings
        self._hosts = hosts_of(settings.hosts)
        self._trusting = about.loopback and not settings.require_login
        self._find_user = find_user
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        protected = _Headers(send)
        try:
            headers = _read_headers(scope)
            check_host(headers, self._hosts, _arrived_on(scope))
            safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
            check_origin(headers, safe=safe)
            await self._authenticate(scope, headers)
            if scope["type"] == "http" and _brings_body(scope["method"], headers):
                receive = await self._read_body(headers, receive)
        except Refused as refusal:
            self._refused[refusal.status] += 1
            await _refuse(scope, receive, protected, refusal)
            return
        await self._app(scope, receive, protected)

    async def _authenticate(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        user: str | None = None
        if token := _session_token(headers):
            user = await self._find_user(token)
        scope["state"]["token"] = token if user else None
        if user is None and self._trusting and _comes_straight_from_here(scope, headers):
            user = LOCAL_USER
        scope["state"]["user"] = user
        if user is None and _needs_user(scope["path"]):
            raise Refused(401, "not logged in; expected a session from POST /api/login")

    async def _read_body(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Reads the whole body, bounded in size and time; a `receive` that gives it."""
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if kind != b"application/json":
            raise Refused(
                415, f"content type {kind[:100].decode('latin-1')!r}; expected application/json"
            )
        most = self._settings.body_bytes
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            raise Refused(413, f"body of {int(length)} bytes; expected at most {most}")
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        break
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise Refused(413, f"body of over {most} bytes; expected at most that")
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Refused(
                408, f"the body was not complete within {self._settings.body_timeout_s:g} s"
            ) from None
        waiting: Message | None = {"type": "http.request", "body": bytes(body), "more_body": False}

        async def give() -> Message:
            nonlocal waiting
            if waiting is None:
                return await receive()
            message, waiting = waiting, None
            return message

        return give


class _Headers:
    """A `send` that adds the security headers to the response's start."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            message["headers"] = [*message.get("headers", []), *SECURITY_HEADERS]
        await self._send(message)


def _read_headers(scope: Scope) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in (b"host", b"origin", b"content-type", b"content-length"):
            raise Refused(400, f"header {name.decode('latin-1')} is sent twice; expected it once")
        headers[name] = value
    return headers


def _brings_body(method: str, headers: dict[bytes, bytes]) -> bool:
    if method == "DELETE":
        return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
    return method not in SAFE_METHODS


def _needs_user(path: str) -> bool:
    return path not in OPEN_PATHS and path.startswith(("/api/", "/metrics"))


def _comes_straight_from_here(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether the peer is on this machine and speaks for nobody else."""
    client = scope.get("client")
    return client is not None and is_local(client[0]) and not is_forwarded(headers)


def _session_token(headers: dict[bytes, bytes]) -> str | None:
    cookie = headers.get(b"cookie")
    if cookie is None or COOKIE.encode() not in cookie:
        return None
    try:
        found = SimpleCookie(cookie.decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return found.value[:100] if found else None


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refused) -> None:
    if scope["type"] == "websocket":
        # Closed before it is accepted: the server answers the handshake with 403.
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason[:120]})
        return
    body = msgspec.json.encode({"detail": refusal.reason})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if refusal.status in (408, 413):  # the rest of the body may still come: do not read it
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
