"""Viewers in a process of their own, so that reading a stream does not delay what is measured.

    python -m tocsin.simulators.bench.viewer --url http://127.0.0.1:8000/api/stream [--count N]

Understands the `readings` and `alert` events of Tocsin's stream. The first of `--count` viewers is
measured; what the others get is read and thrown away.

Prints {"ready": …} at the first event. Each line on stdin is answered with {"seen": …}, what came
since the line before. Ends when stdin closes. With `--slow` every viewer takes 1 KiB every half
second, connects again when it is cut off, and {"seen": {"cut": …}} counts how often that was.
"""

import argparse
import json
import selectors
import sys
from collections.abc import Sequence

from tocsin.simulators.bench.stream import Viewer, open_stream

SLOW_BYTES = 1024
SLOW_EVERY_S = 0.5


def watch(url: str, count: int, prefix: str) -> int:
    """Reads until stdin closes; the exit status."""
    viewer = Viewer(url, prefix)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    while not viewer.events:
        if not viewer.read():
            raise ValueError("the stream ended before its first event")
    selector.register(viewer.sock, selectors.EVENT_READ)
    for _ in range(count - 1):
        selector.register(open_stream(url), selectors.EVENT_READ, data="unmeasured")
    _say("ready", {})
    while True:
        for key, _ in selector.select():
            if key.fileobj is viewer.sock:
                if not viewer.read():
                    raise ValueError("the stream ended")
            elif key.data:
                key.fileobj.recv(1 << 20)  # type: ignore[union-attr]  # it is a socket
            elif sys.stdin.readline():
                _say("seen", viewer.report())
            else:
                return 0


def watch_slowly(url: str, count: int) -> int:
    """As `watch`, but hardly reading."""
    socks = [open_stream(url, slow=True) for _ in range(count)]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    cut = 0
    _say("ready", {})
    while True:
        if selector.select(SLOW_EVERY_S):
            if not sys.stdin.readline():
                return 0
            _say("seen", {"cut": cut})
            cut = 0
        for place, sock in enumerate(socks):
            sock.setblocking(False)
            try:
                going_on = bool(sock.recv(SLOW_BYTES))
            except BlockingIOError:
                continue
            except ConnectionError:
                going_on = False
            if not going_on:
                cut += 1
                sock.close()
                socks[place] = open_stream(url, slow=True)


def _say(key: str, value: object) -> None:
    print(json.dumps({key: value}), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tocsin.simulators.bench.viewer")
    parser.add_argument("--url", required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--prefix", default="", help="of the devices that count")
    parser.add_argument("--slow", action="store_true")
    args = parser.parse_args(arguments)
    try:
        if args.slow:
            return watch_slowly(args.url, args.count)
        return watch(args.url, args.count, args.prefix)
    except OSError as error:
        _say("error", f"{args.url}: {error.strerror or error}")
    except ValueError as error:
        _say("error", f"{args.url}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
