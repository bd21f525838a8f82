"""What Prometheus reads, made when it asks. docs/metrics.md says what each is for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from tocsin.dashboard.stream.hub import StreamStats
from tocsin.dashboard.stream.latency import LatencyHistogram
from tocsin.ingest.delivery.backlog import Backlog
from tocsin.ingest.functions.ledger import FunctionsView
from tocsin.ingest.status import EngineStatus


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything the metrics are made of, taken at one moment."""

    engine: EngineStatus
    stream: StreamStats
    latency: LatencyHistogram
    alert_latency: LatencyHistogram
    open_alerts: Mapping[tuple[str, str], int]
    """By severity and state."""
    channels: Sequence[Backlog]
    unknown_channels_total: int
    refused_requests: Mapping[int, int]
    """By HTTP status."""
    broker: Mapping[str, Any]
    functions: FunctionsView
    version: str


LATENCY_EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 5.0)
STATES = ("ok", "behind", "failing")


class Metrics(Collector):
    """Makes every metric from one `Figures`."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures()
        yield _labelled("tocsin_info", "Always 1.", ("version",), {(figures.version,): 1})
        yield from _ingest(figures.engine)
        yield from _storage(figures.engine)
        yield _labelled(
            "tocsin_alerts_open", "Open alerts.", ("severity", "state"), figures.open_alerts
        )
        yield from _deliveries(figures)
        yield from _functions(figures.functions)
        yield from _stream(figures)
        yield from _broker(figures.broker)


def _ingest(engine: EngineStatus) -> Iterator[Metric]:
    yield _counter("tocsin_messages", "Messages of devices.", engine.messages_total)
    yield _counter("tocsin_readings", "Readings accepted.", engine.readings_total)
    yield _counter("tocsin_readings_late", "Readings too late to be judged.", engine.late_total)
    yield _counter(
        "tocsin_readings_duplicate", "Readings that came again.", engine.duplicates_total
    )
    yield _counter("tocsin_messages_rejected", "Messages refused.", engine.rejected_total)
    yield _gauge("tocsin_devices", "Devices known.", engine.devices)
    yield _gauge("tocsin_series", "Series known.", engine.series)
    yield _gauge("tocsin_clocks_wrong", "Devices whose clock is off.", engine.clocks_wrong)
    yield _gauge(
        "tocsin_clock_off_seconds", "Engine time ahead of the machine's.", engine.clock_off_s
    )
    yield _counter(
        "tocsin_pipeline_failures", "Faults of ours in the pipeline.", engine.failures_total
    )


def _storage(engine: EngineStatus) -> Iterator[Metric]:
    journal = engine.journal
    yield _gauge(
        "tocsin_background_troubles", "Kinds of background work failing.", len(engine.troubles)
    )
    yield _labelled(
        "tocsin_journal_state",
        "1 for the state the journal is in.",
        ("state",),
        {(state,): int(journal.state == state) for state in STATES},
    )
    yield _gauge("tocsin_journal_pending_bytes", "Waiting to be written.", journal.pending_bytes)
    yield _gauge("tocsin_journal_bytes", "Journal on disk.", journal.bytes)
    yield _counter("tocsin_journal_commits", "Group commits.", journal.commits)
    yield _counter("tocsin_journal_refused", "Batches that were not stored.", journal.refused)
    yield _gauge(
        "tocsin_journal_commit_p99_seconds", "Of the last 1,000 commits.", journal.p99_ms / 1000
    )
    yield _gauge("tocsin_history_bytes", "History on disk.", engine.history.bytes)
    yield _gauge("tocsin_history_unsaved_readings", "Not yet in history.", engine.unsaved_readings)
    yield _counter(
        "tocsin_history_dropped_readings", "Never in history.", engine.dropped_readings_total
    )


def _deliveries(figures: Figures) -> Iterator[Metric]:
    of = {(each.channel.name,): each for each in figures.channels}
    channel = ("channel",)
    yield _labelled(
        "tocsin_deliveries_waiting",
        "Neither confirmed nor dead.",
        channel,
        {name: len(each) for name, each in of.items()},
    )
    yield _labelled(
        "tocsin_channel_failing",
        "1 while a channel fails.",
        channel,
        {name: int(each.is_failing) for name, each in of.items()},
    )
    for name, text, totals in (
        ("confirmed", "Deliveries confirmed.", {n: e.confirmed_total for n, e in of.items()}),
        ("failed", "Attempts that failed.", {n: e.failed_total for n, e in of.items()}),
        ("dead", "Deliveries given up.", {n: e.dead_total for n, e in of.items()}),
        ("dropped", "Of these, for want of room.", {n: e.dropped_total for n, e in of.items()}),
    ):
        family = CounterMetricFamily(f"tocsin_deliveries_{name}", text, labels=channel)
        for labels, total in sorted(totals.items()):
            family.add_metric(labels, total)
        yield family
    yield _counter(
        "tocsin_deliveries_unknown_channel",
        "Transitions whose rule names no channel there is.",
        figures.unknown_channels_total,
    )


def _functions(view: FunctionsView) -> Iterator[Metric]:
    yield _counter("tocsin_function_worker_starts", "Workers of functions.", view.starts_total)
    yield _gauge("tocsin_function_queued_readings", "Waiting for it.", view.queued_readings)
    dropped = view.dropped_readings_total + view.lost_readings_total
    yield _counter("tocsin_function_missed_readings", "Not seen by functions.", dropped)
    for name, text, totals in (
        ("calls", "Calls of functions.", {f.name: f.calls_total for f in view.functions}),
        ("seconds", "Spent in calls.", {f.name: f.seconds_total for f in view.functions}),
        ("errors", "Calls that failed.", {f.name: f.errors_total for f in view.functions}),
        (
            "stops",
            "Workers that hung or ended in a function.",
            {f.name: f.timeouts_total + f.crashes_total for f in view.functions},
        ),
        ("readings", "Made by functions.", {f.name: f.readings_total for f in view.functions}),
        ("refused", "Of these, refused.", {f.name: f.refused_total for f in view.functions}),
    ):
        family = CounterMetricFamily(f"tocsin_function_{name}", text, labels=("function",))
        for function, total in sorted(totals.items()):
            family.add_metric((function,), total)
        yield family


def _stream(figures: Figures) -> Iterator[Metric]:
    stream = figures.stream
    yield _gauge("tocsin_viewers", "Open streams.", stream.viewers)
    yield _gauge("tocsin_stream_queued_bytes", "Waiting for viewers.", stream.queued_bytes)
    yield _counter("tocsin_stream_opened", "Streams opened.", stream.opened_total)
    yield _counter("tocsin_stream_resumed", "Streams resumed without a gap.", stream.resumed_total)
    yield _counter("tocsin_stream_overruns", "Viewers cut as too slow.", stream.overrun_total)
    yield _counter(
        "tocsin_stream_readings_undelivered",
        "Readings waiting for viewers that were cut.",
        stream.undelivered_total,
    )
    yield _counter("tocsin_stream_refused", "Streams refused.", stream.refused_total)
    yield _counter("tocsin_stream_frames", "Frames made.", stream.frames_total)
    yield _counter("tocsin_stream_rows", "Rows in frames.", stream.rows_total)
    yield _counter("tocsin_stream_events", "Alert and presence events.", stream.events_total)
    yield _counter("tocsin_stream_written_bytes", "To all viewers.", stream.written_bytes_total)
    yield _latency(
        "tocsin_reading_latency_seconds",
        "Arrival of a reading to a viewer's socket.",
        figures.latency,
    )
    yield _latency(
        "tocsin_alert_latency_seconds",
        "Arrival of the cause of an alert or presence event to a viewer's socket.",
        figures.alert_latency,
    )
    requests = CounterMetricFamily(
        "tocsin_http_refused", "Requests stopped by the guards.", labels=("status",)
    )
    for status, count in sorted(figures.refused_requests.items()):
        requests.add_metric((str(status),), count)
    yield requests


def _broker(report: Mapping[str, Any]) -> Iterator[Metric]:
    totals = report["totals"]
    yield _gauge("tocsin_broker_connections", "MQTT clients connected.", totals["connected"])
    yield _gauge("tocsin_broker_sessions", "MQTT sessions.", totals["sessions"])
    yield _gauge("tocsin_broker_subscriptions", "MQTT subscriptions.", totals["subscriptions"])
    yield _gauge("tocsin_broker_retained", "Retained messages.", totals["retained"])
    yield _gauge(
        "tocsin_broker_uncommitted_bytes", "Waiting for the disk.", totals["uncommitted_bytes"]
    )
    yield _gauge("tocsin_broker_retained_bytes", "Retained messages.", totals["retained_bytes"])
    yield _gauge("tocsin_broker_sockets", "Open MQTT sockets.", totals["connections"])
    yield _labelled(
        "tocsin_broker_limit",
        "Limits of the broker.",
        ("limit",),
        {(name,): value for name, value in report["limits"].items()},
    )
    hits = CounterMetricFamily("tocsin_broker_limit_hits", "Limits reached.", labels=("limit",))
    for name, count in sorted(report["limit_hits"].items()):
        hits.add_metric((name,), count)
    yield hits
    yield _counter("tocsin_broker_pauses", "Pauses in reading.", totals["pauses"])
    for name, help_text in (
        ("messages_received", "PUBLISH packets from clients."),
        ("messages_sent", "PUBLISH packets to clients."),
        ("bytes_received", "From MQTT clients."),
        ("bytes_sent", "To MQTT clients."),
        ("messages_dropped", "MQTT messages not passed on."),
        ("messages_not_stored", "MQTT messages whose batch was not stored."),
        ("not_retained", "MQTT messages not retained for want of room."),
        ("throttled", "Pauses in reading from clients that were too fast."),
    ):
        yield _counter(f"tocsin_broker_{name}", help_text, totals[name])
    refusals = CounterMetricFamily(
        "tocsin_broker_refusals", "Connections and requests refused.", labels=("reason",)
    )
    for reason, count in sorted(report["refused"].items()):
        refusals.add_metric((reason,), count)
    yield refusals


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(
    name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(label_values, value)
    return family


def _latency(name: str, text: str, latency: LatencyHistogram) -> Metric:
    counts = latency.cumulative(LATENCY_EDGES_S)
    buckets = [(f"{edge:g}", count) for edge, count in zip(LATENCY_EDGES_S, counts, strict=True)]
    return HistogramMetricFamily(
        name, text, buckets=[*buckets, ("+Inf", latency.count)], sum_value=latency.sum_s
    )
