"""Workloads of neighbours that disturb, and what the event loop and acknowledgements say of it."""

from benchmarks.peers import Tocsin
from benchmarks.trial import Build, Workload

OURS: dict[str, Build] = {"tocsin": Tocsin}
GROUP = "isolation: 200 devices, 1,000 messages a second in all, QoS 1, and one neighbour"
QUIET = "isolation-quiet"
LAG = "lag"
NEIGHBOURS = {
    "deaf": "a subscriber to everything stops reading",
    "flood": "a client publishes at full speed",
    "logins": "50 wrong logins a second",
    "reconnect": "1,000 clients reconnect at once, again and again",
}


def isolation() -> list[Workload]:
    """The quiet one first: the others are compared with it."""
    load: dict[str, object] = {"connections": 200, "qos": 1, "rate": 1000.0, "seconds": 4.0}
    titles = {"": "quiet", **NEIGHBOURS}
    return [
        Workload(
            f"isolation-{what}" if what else QUIET,
            title,
            load,
            neighbours=("ping", what) if what else ("ping",),
            group=GROUP,
            size=place,
        )
        for place, (what, title) in enumerate(titles.items())
    ]


def lag() -> Workload:
    return Workload(
        LAG,
        "event-loop lag: 1,000 devices, 20,000 messages a second, QoS 0, one viewer",
        {"connections": 1000, "qos": 0, "rate": 20_000.0, "seconds": 4.0},
        viewers=1,
        neighbours=("ping",),
    )
