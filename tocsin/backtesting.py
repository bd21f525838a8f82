"""`tocsin rules backtest`: rules from files over the history of a data folder.

Beside a running server too: it reads files that are never changed, only replaced.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.devices.formats import Decoder
from tocsin.devices.timestamps import parse_timestamp
from tocsin.ingest import snapshot as snapshots
from tocsin.ingest.backtest.preparation import RangeError, request_of, scope_of
from tocsin.ingest.backtest.report import Report, Subject
from tocsin.ingest.backtest.task import backtest
from tocsin.ingest.outcome import Readings
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.durations import parse_duration
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError, validate
from tocsin.ingest.storage.history import index as index_file
from tocsin.ingest.storage.history.history import HistoryCorrupt, RawFiles
from tocsin.ingest.storage.snapshots import Snapshots
from tocsin.refusal import Refusal
from tocsin.settings import Settings

_TRIES = 3  # a running server may replace a file that is being read
_UNBOUNDED = 2**62


def run_backtest(
    settings: Settings, rules: Sequence[Rule], start: str, end: str | None, *, as_json: bool
) -> None:
    """Judge the readings of the data folder by `rules` and print what they would have done.

    `start` and `end` are times, or how long ago (`24h`). Raises Refusal.
    """
    until = time.time() if end is None else _time("--to", end)
    since = _time("--from", start)
    tries = 1
    while True:
        try:
            report = _backtest(settings, rules, since, until)
            break
        except OSError as error:
            if tries == _TRIES:
                raise Refusal(f"history cannot be read: {error}") from None
            tries += 1
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _print(report)


def _backtest(settings: Settings, rules: Sequence[Rule], since: float, until: float) -> Report:
    ingest = replace(settings.ingest, profiles=settings.profile)
    pipeline = Pipeline(ingest, Decoder([]))
    know_plant(pipeline, settings.data)
    catalogue = pipeline.catalogue
    try:
        checked = [validate(rule) for rule in rules if rule.enabled]
        scope = scope_of(checked, catalogue, since, until, pipeline.absence.expected_since())
        history = settings.data / "history"
        files = RawFiles.of(history, index_file.load(history), scope.since, scope.end)
    except RangeError as error:
        raise Refusal(f"--{error.field} {error.message}") from None
    except (RuleError, HistoryCorrupt) as error:
        raise Refusal(str(error)) from None
    request, columns = request_of(
        scope,
        catalogue,
        files,
        Readings.joined([]),
        pipeline.flaps,
        pipeline.zones,
        pipeline.downtime,
    )
    request = msgspec.structs.replace(request, max_readings=_UNBOUNDED)
    steps = backtest(request, [column.tobytes() for column in columns])
    with Progress(
        TextColumn("judging"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("readings"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("judging", total=None)
        while True:
            try:
                progress = next(steps)
            except StopIteration as finished:
                report: Report = finished.value
                return report
            bar.update(task, completed=progress.readings, total=progress.of)


def know_plant(pipeline: Pipeline, folder: Path) -> None:
    """Which devices and metrics there are, from the newest snapshot that can be read."""
    if not (folder / "snapshots").is_dir():
        raise Refusal(f"{folder} has no history; expected the data folder of a server")
    problem = "a server writes it a minute after its start"
    for snapshot in Snapshots(folder / "snapshots").whole():
        try:
            pipeline.restore(snapshots.split(snapshot.content)[0])
        except ValueError as error:
            problem = str(error)
        else:
            return
    raise Refusal(f"{folder} has no history yet: {problem}")


def _time(flag: str, text: str) -> float:
    try:
        return time.time() - parse_duration(text)
    except ValueError:
        pass
    try:
        return parse_timestamp(text)
    except ValueError:
        raise Refusal(
            f"{flag} {text!r} is no time; expected one as in 2026-11-24T06:00 (UTC), or how long"
            " ago, as in 24h"
        ) from None


def _print(report: Report) -> None:
    out = Console(highlight=False, soft_wrap=True)
    begin, finish = (
        datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")
        for at in (report.start, report.end)
    )
    times = "once" if report.rang == 1 else f"{report.rang:,} times"
    out.print(
        f"{begin} to {finish}, {report.readings:,} readings of {report.devices:,} devices:"
        f" would have rung [bold]{times}[/bold]"
    )
    rule = ""
    for subject in sorted(report.subjects, key=lambda each: each.rule):
        if subject.rule != rule:
            rule = subject.rule
            out.print(f"\n[bold]{rule}[/bold]")
        _print_subject(out, subject)


def _print_subject(out: Console, subject: Subject) -> None:
    flaps = f", {subject.flaps:,} of them flapping" if subject.flaps else ""
    still = ", still at the end" if subject.in_alarm else ""
    times = "once" if subject.rang == 1 else f"{subject.rang:,} times"
    rang = f"rang {times}{flaps}" if subject.rang else "never rang"
    out.print(f"  {subject.device}", markup=False, end="")
    out.print(f"  {rang}, {subject.in_alarm_s:,.1f} s in alarm{still}")
    for change in subject.changes:
        at = datetime.fromtimestamp(change.at).strftime("%m-%d %H:%M:%S.%f")[:-3]
        out.print(f"    {at}  {change.state:<22}  {change.message}", markup=False)
    if more := subject.changes_total - len(subject.changes):
        out.print(f"    and {more:,} more", style="dim")
