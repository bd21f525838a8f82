"""The hub: from outcomes of the pipeline to everybody who watches.

    outcome ─┬─ alerts, presence ── numbered, kept ──────────── at once ─┐
             ├─ new devices, new series, rules ──────────────── at once ─┼─> queue of each viewer
             └─ readings ── frame of 100 ms ── rows per view ── timer ───┘

Everything is encoded once for all viewers with the same view. Without viewers only alerts and
presence cost anything, and no timer runs.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

import msgspec
import numpy as np

from tocsin.dashboard.about import About
from tocsin.dashboard.rule_views import RulesEvent, view_rule
from tocsin.dashboard.settings import Settings
from tocsin.dashboard.stream.events import EventLog, write_event
from tocsin.dashboard.stream.frames import FrameBuffer
from tocsin.dashboard.stream.latency import LatencyHistogram
from tocsin.dashboard.stream.refresh import DeviceRefresh
from tocsin.dashboard.stream.rows import Rows
from tocsin.dashboard.stream.view import View
from tocsin.dashboard.stream.viewer import Chunk, Viewer
from tocsin.dashboard.views import (
    DevicesEvent,
    Hello,
    Mqtt,
    time_of,
    view_alert,
    view_device,
    view_presence,
)
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.pipeline import Pipeline

DEVICES_PER_EVENT = 200
"""Devices in one `devices` event: 4 ms of the event loop."""

DEVICES_PER_TURN = 50
"""Devices whose counters are told in one turn of the event loop: a millisecond."""

PORTIONS = 8
"""Turns of the event loop in which readings are taken in before a frame; twice as many as wait."""

REFRESHED_PER_FRAME = 100
"""Devices whose counters are told again with one frame: 2,000 in the 2 s they have."""

STATUS_S = 1.0
FAREWELL_S = 0.5
"""When the server stops, viewers get what is queued for this long; then they are cut."""

JOIN_BYTES = 256 * 1024
"""Events told again to a viewer that came back are joined up to about this size."""


@dataclass(slots=True)
class StreamStats:
    """Since the start, except `viewers` and `queued_bytes`, which are of now."""

    viewers: int = 0
    queued_bytes: int = 0
    opened_total: int = 0
    resumed_total: int = 0
    """Of those opened, the ones that came back and missed nothing."""
    overrun_total: int = 0
    """Viewers disconnected because their queue was full."""
    undelivered_total: int = 0
    """Readings that were queued for viewers that were disconnected."""
    refused_total: int = 0
    """Streams refused because there were too many."""
    frames_total: int = 0
    rows_total: int = 0
    events_total: int = 0
    """Alert and presence events."""
    written_bytes_total: int = 0


class Hub:
    """Owns the viewers, the numbered events, the frame being gathered and the two timers.

    `status` makes the content of the `status` event; `settle` has the readings that wait told;
    `take_in_some` does a part of the work ahead and says whether there is more.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        clock: Callable[[], float],
        settings: Settings,
        about: About,
        status: Callable[[], msgspec.Struct],
        settle: Callable[[], None],
        take_in_some: Callable[[], bool],
    ) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._settings = settings
        self._about = about
        self._status = status
        self._settle = settle
        self._take_in_some = take_in_some
        self._log = EventLog(secrets.token_hex(4), settings.resume_events)
        self._frame = FrameBuffer()
        self._rows = Rows(pipeline.catalogue)
        self._refresh = DeviceRefresh(pipeline.catalogue, settings.device_refresh_s)
        self._viewers: dict[str, Viewer] = {}
        self._views: WeakValueDictionary[frozenset[str] | None, View] = WeakValueDictionary()
        self._frame_timer: asyncio.Handle | None = None
        self._frame_wanted = False  # by something that came while a frame was under way
        self._portions = 0  # that may be taken in before the frame that is under way
        self._changed: list[str] = []
        self._status_timer: asyncio.TimerHandle | None = None
        self._stats = StreamStats()
        self.latency = LatencyHistogram()
        """Readings, from their arrival to the viewer's socket."""
        self.alert_latency = LatencyHistogram()
        """Alert and presence events, from the arrival of their cause to the viewer's socket."""
        self.closing = False

    def stats(self) -> StreamStats:
        self._stats.viewers = len(self._viewers)
        self._stats.queued_bytes = sum(viewer.queued_bytes for viewer in self._viewers.values())
        self._stats.events_total = self._log.seq
        return self._stats

    # -- from the engine

    def on_outcome(self, outcome: Outcome) -> None:
        """Takes in what one batch brought. Called in the event loop, right after it was judged."""
        if outcome.alerts or outcome.presence:
            self._tell_numbered(outcome)
        if not self._viewers:
            return
        if outcome.new_devices or outcome.new_series or outcome.retagged:
            self._tell_new_devices(outcome)
        if outcome.rules_changed:
            self._broadcast(self._rules_chunk())
        if outcome.readings is not None:
            self._frame.add(outcome.readings)
        if outcome.readings is not None or outcome.waiting:
            self._expect_frame()

    def _tell_numbered(self, outcome: Outcome) -> None:
        bare = [write_event("presence", view_presence(p)) for p in outcome.presence]
        bare += [write_event("alert", view_alert(alert)) for alert in outcome.alerts]
        numbered = [self._log.add(event) for event in bare]
        if self._viewers:
            self._broadcast(
                Chunk(
                    b"".join(numbered),
                    b"".join(bare),
                    np.array([outcome.at]),
                    np.array([len(bare)], np.int64),
                    urgent=True,
                )
            )

    def _tell_new_devices(self, outcome: Outcome) -> None:
        catalogue = self._pipeline.catalogue
        owners = {catalogue.name_of(series)[0] for series in outcome.new_series}
        self._tell_devices(
            list(dict.fromkeys([*outcome.new_devices, *outcome.retagged, *sorted(owners)]))
        )

    def _tell_devices(self, names: list[str]) -> None:
        for viewer in self._viewers.values():
            if viewer.opening:
                viewer.missed.update(names)
        for first in range(0, len(names), DEVICES_PER_EVENT):
            part = names[first : first + DEVICES_PER_EVENT]
            self._broadcast(Chunk(self._log.id_line + self._devices_event(part, complete=True)))
        self._refresh.told(names, self._clock())

    def _broadcast(self, chunk: Chunk) -> None:
        for viewer in self._viewers.values():
            viewer.offer(chunk)

    # -- timers, which run only while somebody watches

    def _expect_frame(self) -> None:
        self._frame_wanted = self._frame_timer is not None
        if self._frame_timer is None:
            self._frame_timer = asyncio.get_running_loop().call_later(
                self._settings.frame_ms / 1000, self._step, self._on_frame
            )

    def _on_frame(self) -> None:
        if not self._viewers:
            self._frame_timer = None
            self._frame.clear()
            return
        self._portions = PORTIONS
        self._before_settling()

    def _before_settling(self) -> None:
        """Take in what waits, a portion each turn; what comes meanwhile must not put a frame off
        for ever."""
        self._portions -= 1
        if self._portions and self._take_in_some():
            self._go_on(self._before_settling)
            return
        self._settle()
        self._frame_wanted = False
        self._go_on(self._on_settled)

    def _on_settled(self) -> None:
        if self._frame:
            self._tell_frame()
        self._go_on(self._on_told)

    def _on_told(self) -> None:
        self._changed = self._refresh.due(self._clock(), REFRESHED_PER_FRAME)
        self._tell_changed()

    def _tell_changed(self) -> None:
        """The next devices whose counters have changed; with the last of them the frame is over."""
        part = self._changed[:DEVICES_PER_TURN]
        self._changed = self._changed[DEVICES_PER_TURN:]
        if part and self._viewers:
            self._tell_devices(part)
        if self._changed and self._viewers:
            self._go_on(self._tell_changed)
            return
        self._frame_timer = None
        if self._frame_wanted or self._refresh.pending:
            self._expect_frame()

    def _go_on(self, step: Callable[[], None]) -> None:
        """The rest of a frame in the next turn of the event loop: others have theirs before."""
        self._frame_timer = asyncio.get_running_loop().call_soon(self._step, step)

    def _step(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException:
            self._frame_timer = None  # there are others after a frame that fails
            raise

    def _tell_frame(self) -> None:
        frame = self._frame.take()
        self._stats.frames_total += 1
        made: dict[View, Chunk | None] = {}
        for viewer in self._viewers.values():
            view = viewer.view
            if view not in made:
                seen = frame
                if view.devices is not None:
                    seen = frame.only(view.wanted(self._pipeline.catalogue))
                made[view] = None
                if len(seen):
                    event = self._rows.event(seen, self._clock())
                    text = self._log.id_line + write_event("readings", event)
                    made[view] = Chunk(text, None, seen.arrivals, seen.arrived)
                    self._stats.rows_total += len(seen)
            if chunk := made[view]:
                viewer.offer(chunk)

    def _on_status(self) -> None:
        self._status_timer = None
        if self._viewers:
            self._broadcast(self._status_chunk())
            self._expect_frame()  # counters may have changed without a reading: refused messages
            self._expect_status()

    def _expect_status(self) -> None:
        if self._status_timer is None:
            self._status_timer = asyncio.get_running_loop().call_later(STATUS_S, self._on_status)

    @property
    def busy(self) -> bool:
        """Whether a timer runs."""
        return self._frame_timer is not None or self._status_timer is not None

    # -- viewers

    @property
    def full(self) -> bool:
        return self.closing or len(self._viewers) >= self._settings.viewers

    def refuse(self) -> None:
        self._stats.refused_total += 1

    def set_view(self, viewer_id: str, devices: frozenset[str] | None) -> None:
        """Changes what a viewer looks at, from the next frame on. Raises KeyError."""
        self._viewers[viewer_id].view = self._view(devices)

    def _view(self, devices: frozenset[str] | None) -> View:
        view = self._views.get(devices)
        if view is None:
            view = self._views[devices] = View(devices)
        return view

    async def watch(
        self,
        transport: asyncio.WriteTransport,
        last_event_id: str | None,
        hold: Callable[[Callable[[], None]], Callable[[], None]] | None = None,
    ) -> AsyncIterator[bytes]:
        """The stream of one new viewer, as bytes to be written one after the other.

        It resumes after `last_event_id` where that is possible. `transport` is the connection
        they are written to. `hold` is given what cuts the stream off, and gives what is called
        when the stream has ended.
        """
        viewer = Viewer(
            transport,
            self._view(None),
            self._settings.viewer_queue_bytes,
            on_written=self._note_written,
            on_overrun=self._note_overrun,
        )
        self._settle()  # what arrived before belongs to those who watched then
        missed = self._log.since(last_event_id)
        self._viewers[viewer.id] = viewer
        self._stats.opened_total += 1
        self._stats.resumed_total += missed is not None
        self._expect_status()
        release = hold(viewer.cut) if hold else None
        try:
            async for text in viewer.stream(self._opening(viewer, missed, last_event_id)):
                self._stats.written_bytes_total += len(text)
                yield text
        finally:
            self._viewers.pop(viewer.id, None)
            if release:
                release()

    def _opening(
        self, viewer: Viewer, missed: list[bytes] | None, last_event_id: str | None
    ) -> Iterator[bytes]:
        """What a new viewer is told first, each item made when it is its turn.

        Until the last item ids are withheld (an empty one makes the browser forget the one it
        has): whoever breaks off in between starts from where it was before.
        """
        hello = write_event("hello", self._hello(viewer, reset=missed is None))
        if missed is None:
            yield b"retry: 1000\nid:\n" + hello
        else:
            yield b"retry: 1000\nid: %b\n" % (last_event_id or "").encode() + hello
            yield from _joined(missed)
        names = list(self._pipeline.catalogue.devices)
        for first in range(0, max(1, len(names)), DEVICES_PER_EVENT):
            part = names[first : first + DEVICES_PER_EVENT]
            if len(self._viewers) == 1:
                self._refresh.told(part, self._clock())
            yield self._devices_event(part, complete=first + DEVICES_PER_EVENT >= len(names))
        yield self._rules_event()
        if missed is None:
            alerts = self._pipeline.alerts
            told = {alert.id: alert for alert in [*alerts.recent()[::-1], *alerts.open()]}
            yield from _joined([write_event("alert", view_alert(a)) for a in told.values()])
        while viewer.missed:
            names, viewer.missed = sorted(viewer.missed), set()
            for first in range(0, len(names), DEVICES_PER_EVENT):
                yield self._devices_event(names[first : first + DEVICES_PER_EVENT], complete=True)
        viewer.opening = False
        yield self._log.id_line + write_event("status", self._status())

    def close(self) -> None:
        """Says farewell to all viewers and ends their streams. Idempotent."""
        if self.closing:
            return
        self.closing = True
        for timer in (self._frame_timer, self._status_timer):
            if timer:
                timer.cancel()
        viewers = list(self._viewers.values())
        for viewer in viewers:
            viewer.offer(self._status_chunk())
            viewer.finish()
        if viewers:
            asyncio.get_running_loop().call_later(FAREWELL_S, self._cut_all)

    def _cut_all(self) -> None:
        for viewer in list(self._viewers.values()):
            viewer.cut()

    def _note_written(self, chunks: list[Chunk]) -> None:
        now = self._clock()
        for chunk in chunks:
            if chunk.arrivals is not None and chunk.arrived is not None:
                histogram = self.alert_latency if chunk.urgent else self.latency
                histogram.record(now - chunk.arrivals, chunk.arrived)

    def _note_overrun(self, lost: list[Chunk]) -> None:
        self._stats.overrun_total += 1
        for chunk in lost:
            if chunk.arrived is not None and not chunk.urgent:
                self._stats.undelivered_total += int(chunk.arrived.sum())

    # -- contents

    def _hello(self, viewer: Viewer, *, reset: bool) -> Hello:
        about = self._about
        return Hello(
            stream=viewer.id,
            boot=self._log.boot,
            reset=reset,
            now=time_of(self._clock()),
            version=about.version,
            mqtt=Mqtt(about.mqtt_host, about.mqtt_port),
            demo=about.demo,
        )

    def _devices_event(self, names: list[str], *, complete: bool) -> bytes:
        devices = [view_device(device) for device in self._pipeline.devices(names)]
        return write_event("devices", DevicesEvent(devices, complete))

    def _rules_event(self) -> bytes:
        rules = [view_rule(entry) for entry in self._pipeline.rules.entries()]
        return write_event("rules", RulesEvent(rules))

    def _rules_chunk(self) -> Chunk:
        event = self._rules_event()
        return Chunk(self._log.id_line + event, event)

    def _status_chunk(self) -> Chunk:
        return Chunk(self._log.id_line + write_event("status", self._status()))


def _joined(events: list[bytes]) -> Iterator[bytes]:
    """The events, several at a time."""
    part: list[bytes] = []
    size = 0
    for event in events:
        part.append(event)
        size += len(event)
        if size >= JOIN_BYTES:
            yield b"".join(part)
            part, size = [], 0
    if part:
        yield b"".join(part)
