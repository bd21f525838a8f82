"""A viewer's side of a stream of Server-Sent Events: how much comes, and how late it is."""

import json
import socket
import time
from array import array
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from tocsin.simulators.bench.percentiles import percentiles

PROMISE_MS = 250.0
SLOW_BUFFER_BYTES = 4096
SLOW_BYTES = 1024
CONNECT_S = 10.0


class Body:
    """The body of a streamed HTTP/1.1 response. State: the bytes not yet understood."""

    def __init__(self) -> None:
        self._raw = b""
        self._chunked: bool | None = None  # None while the headers are under way
        self._left = 0  # bytes to come of the present chunk

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in what the socket gave. Raises ValueError unless it is 200."""
        self._raw += data
        if self._chunked is None:
            headers, end, rest = self._raw.partition(b"\r\n\r\n")
            if not end:
                return b""
            status = headers.split(b"\r\n")[0]
            if b" 200 " not in status:
                said = status.decode("ascii", "replace")
                raise ValueError(f"the stream answered {said[:80]!r}; expected status 200")
            self._chunked = b"transfer-encoding: chunked" in headers.lower()
            self._raw = rest
        if not self._chunked:
            data, self._raw = self._raw, b""
            return data
        parts: list[bytes] = []
        while self._raw:
            if self._left:
                parts.append(self._raw[: self._left])
                self._raw = self._raw[self._left :]
                self._left -= len(parts[-1])
                continue
            size, end, rest = self._raw.removeprefix(b"\r\n").partition(b"\r\n")
            if not end:
                break
            self._left, self._raw = int(size, 16), rest
        return b"".join(parts)


def open_stream(url: str, *, slow: bool = False, after: bytes = b"") -> socket.socket:
    """A socket that has asked for the stream, from the event `after` on.

    `slow`: with the smallest buffer there is. Raises OSError.
    """
    parts = urlsplit(url)
    sock = socket.socket(socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET)
    sock.settimeout(CONNECT_S)
    if slow:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    sock.connect((parts.hostname or "127.0.0.1", parts.port or 80))
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n"
    resume = b"Last-Event-ID: " + after + b"\r\n" if after else b""
    sock.sendall(request.encode() + resume + b"\r\n")
    return sock


class Onlooker:
    """A viewer who looks at nothing of what comes. State: the socket."""

    def __init__(self, url: str, *, slow: bool = False) -> None:
        """`slow`: takes 1 KiB at a time, and has the smallest buffer there is."""
        self._url, self._slow = url, slow
        self.sock = open_stream(url, slow=slow)

    def read(self) -> bool:
        """Takes what the socket has; whether the stream goes on."""
        if self._slow:
            self.sock.setblocking(False)
        try:
            return bool(self.sock.recv(SLOW_BYTES if self._slow else 1 << 20))
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def come_back(self) -> None:
        """Opens the stream anew. Raises OSError."""
        self.sock.close()
        self.sock = open_stream(self._url, slow=self._slow)


class Viewer:
    """State: the stream's unread bytes, and what came since the last report.

    Latency counts from the event time in the message, which the load generator sets as it sends,
    to the moment at which the event was read from the socket. Millisecond resolution.
    """

    def __init__(self, url: str, prefix: str = "") -> None:
        """Readings of devices whose id begins with `prefix` count; others are nobody's concern."""
        self._url, self._prefix = url, prefix
        self._last_id = b""
        self._open()
        self._forget()

    def come_back(self) -> None:
        """Opens the stream anew where it ended, as a browser does. Raises OSError."""
        self.sock.close()
        self._open()

    def read(self) -> bool:
        """Takes what the socket has; whether the stream goes on. Raises ValueError."""
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError:
            return False
        now_ms = time.time_ns() / 1e6
        self.bytes += len(data)
        # sse-starlette ends lines with CR LF; both are allowed.
        text = self._body.feed(data).replace(b"\r\n", b"\n")
        *events, self._unread = (self._unread + text).split(b"\n\n")
        for event in events:
            self._take(event, now_ms)
        return bool(data)

    def report(self) -> dict[str, object]:
        """What came since the report before:

        latency_ms        publish → read, of the newest reading of each series in each frame
        over_250ms        how many of those took longer than 250 ms
        readings          all readings that those stand for
        received_late     of all readings, those in a frame that was read more than 250 ms after
                          the server had received the oldest of them; 0 where it does not say
        alert_latency_ms  event time of the reading that rings → read
        """
        seen: dict[str, object] = {
            "bytes": self.bytes,
            "events": self.events,
            "readings": self.readings,
            "received_late": self.received_late,
            "latency_ms": percentiles(self.latency_s),
            "over_250ms": sum(late > PROMISE_MS / 1e3 for late in self.latency_s),
            "alerts": self.alerts,
            "alert_latency_ms": percentiles(self.alert_latency_s),
        }
        self._forget()
        return seen

    def _open(self) -> None:
        self.sock = open_stream(self._url, after=self._last_id)
        self._body = Body()
        self._unread = b""

    def _forget(self) -> None:
        self.bytes = self.events = self.readings = self.received_late = self.alerts = 0
        self.latency_s = array("d")
        self.alert_latency_s = array("d")

    def _take(self, event: bytes, now_ms: float) -> None:
        self.events += 1
        lines = event.split(b"\n")
        name = next((line[6:].strip() for line in lines if line.startswith(b"event:")), b"")
        self._last_id = next(
            (line[3:].strip() for line in lines if line[:3] == b"id:"), self._last_id
        )
        if name not in (b"readings", b"alert"):
            return
        body: Any = json.loads(b"".join(line[5:] for line in lines if line.startswith(b"data:")))
        if name == b"readings":
            rows: list[list[Any]] = body["readings"]
            if self._prefix:
                rows = [row for row in rows if row[0].startswith(self._prefix)]
            self.latency_s.extend([(now_ms - row[2]) / 1e3 for row in rows])
            count = sum(row[6] if len(row) > 6 else 1 for row in rows)
            self.readings += count
            if now_ms - body.get("received_at", now_ms) > PROMISE_MS:
                self.received_late += count
        elif body["state"] == "active":
            began = datetime.fromisoformat(body["began_at"]).timestamp()
            self.alerts += 1
            self.alert_latency_s.append(now_ms / 1e3 - began)
