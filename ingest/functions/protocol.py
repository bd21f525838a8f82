"""What the server and the worker of functions say to each other (frames of `ingest/frames.py`).

    server → worker   load · readings · alerts        one at a time
    worker → server   progress: Loaded, Begun, Ran, Said, any number; then `ok`

The worker says what it did at least every SAYS_S between two calls, so that silence for longer than
a call may take means that one call took longer. `Said` alone comes within calls too.
"""

import msgspec

from tocsin.ingest.facts import DerivedRow

SAYS_S = 0.1
REPLY_LIMIT_BYTES = 16 << 20
LINE_CHARACTERS = 500
ROWS_AT_ONCE = 500
COMMENT_CHARACTERS = 500
METRICS_PER_CALL = 256
TEXT_CHARACTERS = 256

LOAD = "load"
READINGS = "readings"
ALERTS = "alerts"


class Load(msgspec.Struct, frozen=True):
    """Files to load, entry points by name, and the most memory to take."""

    files: list[str]
    entry_points: list[str]
    memory_bytes: int


class Batch(msgspec.Struct, frozen=True):
    """Columns: series i32, time f64, value f64, kind i8, late i8, row i32 (which message).

    `names` are series that this worker was not told of before: series, device, metric.
    `texts` are the values of texts by their place.
    """

    functions: list[str]
    names: list[tuple[int, str, str]]
    texts: dict[int, str]


class Transitions(msgspec.Struct, frozen=True):
    """Alerts as of `AlertSeen`, encoded: the server does not hold users' types."""

    functions: list[str]
    alerts: list[msgspec.Raw]


class Described(msgspec.Struct, frozen=True):
    """A function there is."""

    name: str
    kind: str
    devices: str
    metrics: list[str]
    doc: str = ""


class Begun(msgspec.Struct, frozen=True, tag="begun", array_like=True):
    """From now on this function runs, or (`loading`) this file is loaded."""

    name: str


class Loaded(msgspec.Struct, frozen=True, tag="loaded", array_like=True):
    source: str
    functions: list[Described]
    error: str | None


class Ran(msgspec.Struct, frozen=True, tag="ran", array_like=True):
    """What a function did since it was last said: calls, seconds in them, errors with the newest,
    what it made, and comments by alert."""

    name: str
    calls: int
    seconds: float
    errors: int
    error: str | None
    rows: list[DerivedRow]
    comments: list[tuple[str, str]]


class Said(msgspec.Struct, frozen=True, tag="said", array_like=True):
    """Lines that were printed or logged while the function of that name ran; how many were not
    kept."""

    name: str
    lines: list[str]
    dropped: int


Progress = Loaded | Begun | Ran | Said
