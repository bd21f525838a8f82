"""A person who never stops looking at charts: series queries one after the other.

    python -m benchmarks.queries --http 127.0.0.1:8000 --devices 1000

Each asks for the last hour of a metric of a device in as many points as the server gives. Prints
{"ready": …} after the first answer. A line on stdin is answered with {"seen": …}: how many there
were since the line before, how many failed and how long they took. Ends when stdin closes.
"""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from itertools import count
from urllib.parse import urlencode

from tocsin.simulators.bench.packets import METRICS
from tocsin.simulators.bench.percentiles import percentiles

POINTS = 5000


class Queries:
    """State: how long each query since the last report took, and how many failed."""

    def __init__(self, address: str, devices: int) -> None:
        self._connection = HTTPConnection(address, timeout=60.0)
        self._devices = devices
        self._took_s: list[float] = []
        self._failed: Counter[str] = Counter()

    def run(self) -> None:
        for number in count():
            self.ask(number)

    def ask(self, number: int) -> None:
        device, metric = number % self._devices, METRICS[number // self._devices % len(METRICS)]
        now = datetime.now(UTC)
        query = urlencode(
            {
                "metric": metric,
                "from": (now - timedelta(hours=1)).isoformat(),
                "to": now.isoformat(),
                "points": POINTS,
            }
        )
        began = time.monotonic()
        try:
            self._connection.request("GET", f"/api/devices/bench-{device}/series?{query}")
            answer = self._connection.getresponse()
            answer.read()
        except (HTTPException, OSError) as error:
            self._connection.close()
            self._fail(type(error).__name__)
            return
        if answer.status == HTTPStatus.OK:
            self._took_s.append(time.monotonic() - began)
        else:
            self._fail(f"status {answer.status}")

    def _fail(self, why: str) -> None:
        """Before the device is known, while the server is busy: not again at once."""
        self._failed[why] += 1
        time.sleep(0.1)

    def report(self) -> dict[str, object]:
        took_s, self._took_s = self._took_s, []
        failed, self._failed = self._failed, Counter[str]()
        return {"queries": len(took_s), "failed": dict(failed), "took_ms": percentiles(took_s)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.queries")
    parser.add_argument("--http", required=True)
    parser.add_argument("--devices", type=int, required=True)
    args = parser.parse_args()
    queries = Queries(args.http, args.devices)
    threading.Thread(target=queries.run, daemon=True).start()
    print(json.dumps({"ready": {}}), flush=True)
    while sys.stdin.readline():
        print(json.dumps({"seen": queries.report()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
