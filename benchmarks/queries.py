"""People who never stop asking: one looks at charts, one tries out a rule on what is stored.

    python -m benchmarks.queries --http 127.0.0.1:8000 --devices 1000

A chart is the last hour of a metric of a device in as many points as the server gives. A backtest
judges what arrived in the last hour, from all devices, by one rule. Each asks again as soon as it
is answered. A line on stdin is answered with {"seen": …}: how many charts and backtests there were
since the line before, how many failed and how long they took. Ends when stdin closes.
"""

import argparse
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from itertools import count
from urllib.parse import urlencode

from tocsin.simulators.bench.lines import say
from tocsin.simulators.bench.packets import METRICS
from tocsin.simulators.bench.percentiles import percentiles

POINTS = 5000


class Asking:
    """State: one connection, how long each answer since the last report took, and what failed."""

    def __init__(self, address: str, request: Callable[[int], tuple[str, str, str | None]]) -> None:
        self._connection = HTTPConnection(address, timeout=60.0)
        self._request = request
        self._took_s: list[float] = []
        self._failed: Counter[str] = Counter()

    def run(self) -> None:
        for number in count():
            self.ask(number)

    def ask(self, number: int) -> None:
        method, path, body = self._request(number)
        headers = {} if body is None else {"content-type": "application/json"}
        began = time.monotonic()
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (HTTPException, OSError) as error:
            self._connection.close()
            self._fail(type(error).__name__)
            return
        if answer.status != HTTPStatus.OK:
            self._fail(f"status {answer.status}")
        elif b'"error"' in content:
            self._fail("error")
        else:
            self._took_s.append(time.monotonic() - began)

    def _fail(self, why: str) -> None:
        """Before the device is known, while the server is busy: not again at once."""
        self._failed[why] += 1
        time.sleep(0.1)

    def report(self) -> dict[str, object]:
        took_s, self._took_s = self._took_s, []
        failed, self._failed = self._failed, Counter[str]()
        return {"answers": len(took_s), "failed": dict(failed), "took_ms": percentiles(took_s)}


def last_hour() -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}


def chart(number: int, devices: int) -> tuple[str, str, str | None]:
    device, metric = number % devices, METRICS[number // devices % len(METRICS)]
    query = urlencode({"metric": metric, "points": POINTS, **last_hour()})
    return "GET", f"/api/devices/bench-{device}/series?{query}", None


def backtest(number: int) -> tuple[str, str, str | None]:
    rule = {"name": "tried", "devices": "*", "when": f"avg({METRICS[0]}, '1m') > {number % 100}"}
    return "POST", "/api/rules/preview", json.dumps({"rule": rule, **last_hour()})


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.queries")
    parser.add_argument("--http", required=True)
    parser.add_argument("--devices", type=int, required=True)
    args = parser.parse_args()
    asking = {
        "charts": Asking(args.http, lambda number: chart(number, args.devices)),
        "backtests": Asking(args.http, backtest),
    }
    for each in asking.values():
        threading.Thread(target=each.run, daemon=True).start()
    say("ready", {})
    while sys.stdin.readline():
        seen = {name: each.report() for name, each in asking.items()}
        say("seen", seen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
