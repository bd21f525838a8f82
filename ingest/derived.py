"""What users' functions made of readings, on its way into the pipeline.

A function never takes a device's word away: a metric that the device sends itself is the device's,
and what a function says of it is refused. So no function can silence a hazard, whatever it returns.
"""

import math

import numpy as np

from tocsin.devices.topics import MAX_METRIC_NAME
from tocsin.ingest.batch import Batch
from tocsin.ingest.catalogue import Catalogue, Refused
from tocsin.ingest.facts import Derived

_NO_METRICS = frozenset({"ts", "lat", "lon"})
"""A time and a position are the device's to say."""


def batch_of(fact: Derived, catalogue: Catalogue) -> tuple[Batch, list[str]]:
    """The readings of `fact`, and why some of them are none. Series that are new are derived."""
    device: list[int] = []
    times: list[float] = []
    row: list[int] = []
    series: list[int] = []
    numbers: list[float] = []
    problems: list[str] = []
    for each in fact.rows:
        found = catalogue.device_id(each.device)
        if found is None or not math.isfinite(each.time):
            problems.append(f"device {each.device[:128]!r} is not known at time {each.time!r}")
            continue
        before = len(series)
        for name, value in each.values.items():
            if not 1 <= len(name) <= MAX_METRIC_NAME:
                problems.append(
                    f"metric name {name[:40]!r} has {len(name)} characters;"
                    f" expected 1 to {MAX_METRIC_NAME}"
                )
                continue
            if name in _NO_METRICS:
                problems.append(f"metric {name!r} is no metric; expected another name")
                continue
            if isinstance(value, float) and not math.isfinite(value):
                problems.append(f"metric {name!r} is {value!r}; expected a finite number")
                continue
            known = catalogue.series_of(found).get(name)
            if known is not None and not catalogue.derived.values[known]:
                problems.append(
                    f"{each.device}/{name} is sent by the device itself; expected another name"
                )
                continue
            try:
                admitted, number = catalogue.admit_value(found, name, value)
            except Refused as refusal:
                problems.append(str(refusal))
                continue
            catalogue.derived.values[admitted] = 1
            row.append(len(device))
            series.append(admitted)
            numbers.append(number)
        if len(series) > before:
            device.append(found)
            times.append(each.time)
    batch = Batch(
        np.array(device, np.int32),
        np.array(times, np.float64),
        np.arange(len(device)),
        np.array(row, np.intp),
        np.array(series, np.int32),
        np.array(numbers, np.float64),
    )
    return batch, problems
