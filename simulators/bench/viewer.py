"""Viewers in a process of their own, so that reading a stream does not delay what is measured.

    python -m tocsin.simulators.bench.viewer --url http://127.0.0.1:8000/api/stream [--count N]

Understands the `readings` and `alert` events of Tocsin's stream. The first of `--count` viewers is
measured; what the others get is read and thrown away. Who is cut off comes back after a second, as
a browser does, from the last event on.

Prints {"ready": …} at the first event. Each line on stdin is answered with {"seen": …}, what came
since the line before, and how often a viewer was `cut` off. Ends when stdin closes. With `--slow`
every viewer takes 1 KiB every half second, and comes back at once.
"""

import argparse
import selectors
import sys
import time
from collections import deque
from collections.abc import Sequence

from tocsin.simulators.bench.lines import say
from tocsin.simulators.bench.stream import Onlooker, Viewer

SLOW_EVERY_S = 0.5
BACK_S = 1.0
"""After how long who was cut off comes back: what the stream tells browsers (`retry`)."""


def watch(url: str, count: int, prefix: str) -> int:
    """Reads until stdin closes; the exit status."""
    viewer = Viewer(url, prefix)
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    while not viewer.events:
        if not viewer.read():
            raise ValueError("the stream ended before its first event")
    selector.register(viewer.sock, selectors.EVENT_READ, viewer)
    for _ in range(count - 1):
        onlooker = Onlooker(url)
        selector.register(onlooker.sock, selectors.EVENT_READ, onlooker)
    cut = 0
    away: deque[tuple[float, Viewer | Onlooker]] = deque()  # when each comes back, soonest first
    say("ready", {})
    while True:
        wait_s = max(0.0, away[0][0] - time.monotonic()) if away else None
        for key, _ in selector.select(wait_s):
            who: Viewer | Onlooker | None = key.data
            if who is not None:
                if not who.read():
                    cut += 1
                    selector.unregister(who.sock)
                    away.append((time.monotonic() + BACK_S, who))
            elif sys.stdin.readline():
                say("seen", {**viewer.report(), "cut": cut})
                cut = 0
            else:
                return 0
        while away and away[0][0] <= time.monotonic():
            who = away.popleft()[1]
            who.come_back()
            selector.register(who.sock, selectors.EVENT_READ, who)


def watch_slowly(url: str, count: int) -> int:
    """As `watch`, but hardly reading."""
    onlookers = [Onlooker(url, slow=True) for _ in range(count)]
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    cut = 0
    say("ready", {})
    while True:
        if selector.select(SLOW_EVERY_S):
            if not sys.stdin.readline():
                return 0
            say("seen", {"cut": cut})
            cut = 0
        for onlooker in onlookers:
            if not onlooker.read():
                cut += 1
                onlooker.come_back()


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
        say("error", f"{args.url}: {error.strerror or error}")
    except ValueError as error:
        say("error", f"{args.url}: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
