"""This project: `tocsin serve` with its defaults, some rules, and a data folder on the disk."""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from benchmarks.peers.server import Server
from tocsin import __version__
from tocsin.simulators.default_rules import rules_file as plant_rules

LIMITS = {"temp_c": 90.0, "pressure_bar": 3.0, "flow_lpm": 60.0, "vibration_mm_s": 5.0}
FORMS = (
    ("high", "{metric} > {limit}"),
    ("mean", "avg({metric}, '1m') > {limit}"),
    ("peak", "max({metric}, '10s') > {limit} * 1.1"),
    ("jump", "delta({metric}, '30s') > {limit}"),
    ("both", "{metric} > {limit} * 0.99 and avg({metric}, '5m') > {limit} * 0.9"),
)


class Tocsin(Server):
    name = "tocsin"
    configuration = (
        "`tocsin serve` with defaults, data folder on disk (fsync before every acknowledgement),"
        " 20 rules over all devices unless stated: five forms, three of them windowed, four metrics"
    )

    @classmethod
    def version(cls) -> str:
        return __version__

    @property
    def stream_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/api/stream"

    def __init__(self, rules: int = 20) -> None:
        super().__init__()
        self._rules = rules
        # Not in /tmp, which is memory on some machines: the fsync must reach a disk.
        place = Path(__file__).parents[1] / ".installed"
        place.mkdir(exist_ok=True)
        self._data = Path(tempfile.mkdtemp(prefix="data-", dir=place))

    def rules(self) -> Path:
        """The file of rules to serve with."""
        rules = self.folder / "bench.toml"
        rules.write_text(rules_file(self._rules))
        return rules

    def start(self) -> None:
        self.run(
            "tocsin",
            Path(sys.executable).with_name("tocsin"),
            "serve",
            "--data",
            self._data,
            "--mqtt",
            f"127.0.0.1:{self.port}",
            "--http",
            f"127.0.0.1:{self.http_port}",
            "--rules",
            self.rules(),
            "--log-level",
            "warning",
            port=self.http_port,
        )
        self.wait("tocsin", self.port)

    def received(self) -> int:
        return int(self.status()["messages_total"])

    def status(self) -> dict[str, Any]:
        """What `GET /api/status` says."""
        with urlopen(f"http://127.0.0.1:{self.http_port}/api/status", timeout=10) as answer:
            status: dict[str, Any] = json.loads(answer.read())
            return status

    def _stop(self) -> None:
        super()._stop()
        shutil.rmtree(self._data, ignore_errors=True)


class TocsinWithPlant(Tocsin):
    """With the rules of the simulated plant."""

    def rules(self) -> Path:
        return plant_rules("plant")


def rules_file(count: int) -> str:
    """That many rules, none of which rings on the load's normal readings."""
    tables: list[str] = []
    for n in range(count):
        metric, limit = list(LIMITS.items())[n % len(LIMITS)]
        form, when = FORMS[n // len(LIMITS) % len(FORMS)]
        limit *= 1.0 + 0.01 * (n // (len(LIMITS) * len(FORMS)))
        condition = when.format(metric=metric, limit=limit)
        tables.append(
            f'[[rule]]\nname = "{metric}-{form}-{n}"\ndevices = "*"\nwhen = "{condition}"\n'
            f'message = "{{device}}: {metric} {{{metric}:.1f}}"\n'
        )
    return "\n".join(tables)
