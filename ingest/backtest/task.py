"""The task of a worker process that runs a backtest."""

import os
import traceback
from collections.abc import Generator, Sequence

import msgspec
import numpy as np

from tocsin.devices.profile import NAME, Profile
from tocsin.ingest.backtest.happenings import Happenings
from tocsin.ingest.backtest.readings import NO_READINGS, StoredReadings
from tocsin.ingest.backtest.replay import Replay, SeriesTable
from tocsin.ingest.backtest.report import Courses, Report
from tocsin.ingest.backtest.request import BacktestRequest, Progress
from tocsin.ingest.catalogue import Kind
from tocsin.ingest.frames import Column
from tocsin.ingest.rules.validation import validate
from tocsin.ingest.storage.history.arrivals import Arrivals

_NICE = 10  # steps behind the server, which judges what is happening now
_TOLD_EVERY = 50_000  # readings


def run(
    request: msgspec.Raw, columns: list[bytes]
) -> Generator[Progress, None, tuple[Report, Sequence[Column]]]:
    """Runs a `BacktestRequest`. Raises ValueError for one with too many readings."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    asked = msgspec.msgpack.decode(request, type=BacktestRequest)
    report = yield from backtest(asked, columns)
    return report, []


def backtest(asked: BacktestRequest, columns: Sequence[bytes]) -> Generator[Progress, None, Report]:
    """What would have happened; yields how far it is."""
    table = SeriesTable(
        asked.devices,
        asked.metrics,
        np.frombuffer(columns[0], np.int32),
        np.frombuffer(columns[1], np.int32),
        np.frombuffer(columns[2], np.int8),
        np.frombuffer(columns[3], np.bool_),
        asked.texts,
    )
    unsaved = StoredReadings(
        np.frombuffer(columns[4], np.int32),
        _micros(columns[5]),
        np.frombuffer(columns[6], np.float64),
        np.frombuffer(columns[7], np.bool_),
        _micros(columns[8]),
        np.frombuffer(columns[9], np.int32),
    )
    courses = Courses()
    rules = [validate(rule) for rule in asked.rules]
    profiles = [
        Profile(
            max_speed_kmh=speed_kmh,
            counters=counters,
            limits=limits,
            name=str(fields.get(NAME, "")),
            fields={name: said for name, said in fields.items() if name != NAME},
        )
        for speed_kmh, counters, limits, fields in zip(
            asked.max_speeds_kmh,
            asked.counters,
            asked.limits or [dict[str, float]()] * len(asked.devices),
            asked.fields or [dict[str, str | float]()] * len(asked.devices),
            strict=True,
        )
    ]
    replay = Replay(table, rules, asked.flaps, courses.note, asked.timezone, profiles, asked.tags)
    happenings = Happenings(asked.zones, asked.away, asked.expected)
    since_us, start_us, end_us = (round(at * 1e6) for at in (asked.since, asked.start, asked.end))
    seen = np.zeros(len(table.devices), np.bool_)
    judged = 0
    in_force = False
    with Arrivals(
        asked.folder,
        asked.files,
        asked.older,
        asked.without_arrival,
        table.names(),
        (table.kind == Kind.TEXT).tolist(),
        table.texts,
    ) as stored:
        slices = stored.slices(since_us, end_us)
        total = sum(rows for _, _, rows in slices) + len(unsaved)
        if total > asked.max_readings:
            raise ValueError(
                f"{total:,} readings to judge; expected at most {asked.max_readings:,}:"
                " a shorter range, or fewer devices"
            )
        # What is sent on change only was perhaps sent before the warm-up.
        newest = stored.newest_before(since_us, start_us)
        sent = unsaved.series[unsaved.arrival < start_us]
        newest = newest.only(~np.isin(newest.series, sent)).in_order()
        for some in happenings.between(replay, newest):
            for _ in replay.take(some):
                pass
        done = told = 0
        yield Progress(0, total)
        for begin_us, finish_us, rows in slices or [(since_us, end_us, 0)]:
            part = stored.between(begin_us, finish_us) if rows else NO_READINGS
            newer = (unsaved.arrival >= begin_us) & (unsaved.arrival < finish_us)
            part = part.joined(unsaved.only(newer)).in_order()
            before = int(np.searchsorted(part.arrival, start_us))
            earlier, later = part.only(slice(before)), part.only(slice(before, None))
            for some in (earlier, later):
                if some is later and not in_force and finish_us > start_us:
                    happenings.until(replay, asked.start)
                    replay.put_in_force(asked.start)
                    in_force = True
                for cut in happenings.between(replay, some):
                    for count in replay.take(cut):
                        done += count
                        if done >= told + _TOLD_EVERY:
                            told = done
                            yield Progress(done, total)
            seen[table.device[later.series]] = True
            judged += len(later)
    happenings.until(replay, asked.end)
    replay.finish(asked.end)
    for fault in replay.faults.take():
        # As in the server it costs what it happened in; its log has what a worker says.
        traceback.print_exception(fault.error)
    subjects = courses.subjects(asked.end)
    return Report(
        start=asked.start,
        end=asked.end,
        readings=judged,
        devices=int(np.count_nonzero(seen)),
        rang=sum(subject.rang for subject in subjects),
        subjects=subjects,
    )


def _micros(column: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.round(np.frombuffer(column, np.float64) * 1e6).astype(np.int64)
