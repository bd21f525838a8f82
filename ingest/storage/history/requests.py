"""What the server asks of the worker that reads and writes history, and what it answers."""

import msgspec


class Store(msgspec.Struct, frozen=True):
    """Write rows (columns of `Rows`, from `code` on, in its order) as raw files.

    `devices` and `metrics` name the codes; where `is_text` of one, the values are places in
    `texts`. Answer: list[Stored], one file for each day of `suffix`-named rows, at most three
    (`parts` in parquet.py).
    """

    folder: str
    suffix: str
    """Of the file names: first-last-serial.parquet."""
    devices: list[str]
    metrics: list[str]
    is_text: list[bool]
    texts: list[str]


class MergeFiles(msgspec.Struct, frozen=True):
    """Write the rows of `inputs` to `output`, and their rollups to `minute` and `hour` if given.

    All paths are relative to `folder`. Answer: list[Stored] of output, minute, hour.
    """

    folder: str
    raw: bool
    inputs: list[str]
    output: str | None
    """None: the one input stays as it is, only its rollups are made."""
    minute: str | None = None
    hour: str | None = None
    without_arrival: list[str] = []
    """Those of the inputs that do not say when their rows arrived."""


class Query(msgspec.Struct, frozen=True):
    """Buckets of the numbers of one series from `raw` and `rollup` files.

    Answer: None with columns bucket int64, min, max, sum float64, count int64 of the buckets
    that are not empty.
    """

    folder: str
    raw: list[str]
    rollup: list[str]
    device: str
    metric: str
    start_us: int
    width_us: int
    count: int


class Grid(msgspec.Struct, frozen=True, tag=True):
    """`count` windows from `start_us` on, a hop apart, each of so many hops."""

    start_us: int
    hop_us: int
    panes: int
    count: int


class Gaps(msgspec.Struct, frozen=True, tag=True):
    """Sessions that begin in [since, until)."""

    gap_us: int
    since_us: int
    until_us: int


class WindowsQuery(msgspec.Struct, frozen=True):
    """Results of windows of a metric of `devices` together, from `raw` files of which some are
    `without_arrival`, and from columns of what is in no file yet: place in `devices`, judged time,
    value (float64), arrival and row of readings of the metric, then place, judged time and arrival
    of all readings of these devices, which were not too late; int64, times in µs. Readings from
    `start_us` on and before `end_us` are looked at, at most `most`.

    Answer: how many readings there were; then the columns of the first `most_windows` of `Results`,
    none if too many readings were.
    """

    folder: str
    raw: list[str]
    without_arrival: list[str]
    devices: list[str]
    metric: str
    start_us: int
    end_us: int
    most: int
    most_windows: int
    shape: Grid | Gaps
