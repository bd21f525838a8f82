"""A viewer: reads a Server-Sent Events stream as a browser does, and measures how late things are.

    python -m benchmarks.viewer --url http://127.0.0.1:8000/api/stream [--slow]

Understands the `readings` and `alert` events of Tocsin's stream; the peers of these benchmarks
speak the same. Latency counts from the event time in the message, which the load generator sets
as it sends, to the moment at which the event was read from the socket. Millisecond resolution.

Prints {"ready": …} at the first event. Each line on stdin is answered with {"seen": …}, what came
since the line before. With `--slow` it reads nothing at all after the headers.
"""

import argparse
import json
import selectors
import socket
import sys
import time
from array import array
from datetime import datetime
from urllib.parse import urlsplit

from benchmarks.measure import percentiles


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
            if b" 200 " not in headers.split(b"\r\n")[0]:
                raise ValueError(f"stream answered {headers[:80]!r}; expected status 200")
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


class Viewer:
    """State: the stream's unread bytes, and what came since the last report."""

    def __init__(self, url: str, slow: bool) -> None:
        parts = urlsplit(url)
        self.sock = socket.socket()
        if slow:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect((parts.hostname or "127.0.0.1", parts.port or 80))
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream"
        self.sock.sendall(request.encode() + b"\r\n\r\n")
        self._body = Body()
        self._unread = b""
        self._forget()

    def read(self) -> bool:
        """Takes what the socket has; whether the stream goes on."""
        data = self.sock.recv(1 << 20)
        now_ms = time.time_ns() / 1e6
        self.bytes += len(data)
        # sse-starlette ends lines with CR LF; both are allowed.
        text = self._body.feed(data).replace(b"\r\n", b"\n")
        *events, self._unread = (self._unread + text).split(b"\n\n")
        for event in events:
            self._take(event, now_ms)
        return bool(data)

    def report(self) -> dict[str, object]:
        seen: dict[str, object] = {
            "bytes": self.bytes,
            "events": self.events,
            "readings": self.readings,
            "latency_ms": percentiles(self.latency_s),
            "over_250ms": sum(late > 0.25 for late in self.latency_s),
            "alerts": self.alerts,
            "alert_latency_ms": percentiles(self.alert_latency_s),
        }
        self._forget()
        return seen

    def _forget(self) -> None:
        self.bytes = self.events = self.readings = self.alerts = 0
        self.latency_s = array("d")
        self.alert_latency_s = array("d")

    def _take(self, event: bytes, now_ms: float) -> None:
        self.events += 1
        lines = event.split(b"\n")
        name = next((line[6:].strip() for line in lines if line.startswith(b"event:")), b"")
        if name not in (b"readings", b"alert"):
            return
        body = json.loads(b"".join(line[5:] for line in lines if line.startswith(b"data:")))
        if name == b"readings":
            for _device, _metric, time_ms, *_rest in body["readings"]:
                self.latency_s.append((now_ms - time_ms) / 1e3)
            self.readings += sum(row[6] if len(row) > 6 else 1 for row in body["readings"])
        elif body["state"] == "active":
            began = datetime.fromisoformat(body["began_at"]).timestamp()
            self.alerts += 1
            self.alert_latency_s.append(now_ms / 1e3 - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.viewer")
    parser.add_argument("--url", required=True)
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args()
    viewer = Viewer(args.url, args.slow)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    if not args.slow:
        viewer.read()
        selector.register(viewer.sock, selectors.EVENT_READ)
    print(json.dumps({"ready": {}}), flush=True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is viewer.sock:
                if not viewer.read():
                    print(json.dumps({"error": "the stream ended"}), flush=True)
                    return 1
            elif sys.stdin.readline():
                print(json.dumps({"seen": viewer.report()}), flush=True)
            else:
                return 0


if __name__ == "__main__":
    sys.exit(main())
