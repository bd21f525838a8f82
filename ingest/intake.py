"""From messages to columns: one pass over the payloads, then no object per reading.

Hot path (benchmarks/pipeline.py). A message that is a flat JSON object of numbers, from a device
that sent the same names before, costs the JSON parser, one dictionary hit on its names and two
appends. The series of such a *shape* (device and names, in order) are in one pool:

    message   {"temp_c": 21.5, "flow_lpm": 9.0}  →  shape 7, values 21.5, 9.0
    shape 7   device 3, pool[14:16] = series 10, 11

Anything else takes the long way once per message: decode, admit each metric, find the shape.
"""

from collections.abc import Sequence
from math import nan
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tocsin.devices.formats import Decoded, Decoder, Rejected, Row, Unclaimed
from tocsin.devices.formats.decoder import read_numbers
from tocsin.devices.formats.row import Value
from tocsin.devices.message import Message
from tocsin.devices.topics import Claim
from tocsin.ingest.batch import Batch
from tocsin.ingest.catalogue import Catalogue, Refused
from tocsin.ingest.faults import Faults
from tocsin.ingest.gathered import Gathered
from tocsin.ingest.growing import Growing
from tocsin.ingest.outcome import Presence
from tocsin.ingest.presence import PresenceBook
from tocsin.ingest.refusals import Refusals
from tocsin.ingest.settings import Caps

Ids = NDArray[np.int32]
Floats = NDArray[np.float64]

_read_number = msgspec.json.Decoder(float).decode
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)

_FEW = 8  # rows that are columns faster by way of lists

_END_OF_TIME = 1e17  # beyond it is no time in any unit

_TS = -1  # in a shape, in place of a series
# What is in a shape besides plain metrics: nothing, a time, or a part of a position too.
_PLAIN, _TIMED, _PLACED = range(3)
# What a shape is found by. Rows that came the long way go by None and their series: among them
# booleans and texts have numbers' places, which the fast lane must not take for its own.
_Names = tuple[str | int | None, ...]
_LIMITS = {"lat": 90.0, "lon": 180.0}  # degrees, either way


class _Route:
    """Where the messages of a topic go: a device, its shapes by names, and the fast lane to try."""

    __slots__ = ("bare", "device", "numbers", "shapes")

    def __init__(self, device: int, shapes: dict[_Names, int]) -> None:
        self.device = device
        self.shapes = shapes
        self.numbers = True
        self.bare = -1  # the shape of a bare number


class _Form(NamedTuple):
    """A shape without a position: the device, the place of the time in it or -1, its series."""

    device: int
    time: int
    series: list[int]


class Intake:
    """Reads messages into batches. State: the caches of routes and shapes; both can be forgotten.

    Admits devices and series to the catalogue, counts messages per device, tells presence which
    client carried a device's messages, and hands what it cannot read to `refusals`.
    """

    def __init__(
        self,
        caps: Caps,
        decoder: Decoder,
        catalogue: Catalogue,
        presence: PresenceBook,
        refusals: Refusals,
        faults: Faults | None = None,
    ) -> None:
        self._caps = caps
        self._decoder = decoder
        self._catalogue = catalogue
        self._presence = presence
        self._refusals = refusals
        self._faults = faults or Faults()
        self._retagged: dict[int, None] = {}
        self.forget()

    def forget(self) -> None:
        """Empty the caches."""
        self._routes: dict[str, _Route] = {}
        self._met: set[str] = set()  # topics that something came on
        self._tagging: dict[int, list[str]] = {}  # by device: routes whose topics say tags
        self._shapes: dict[int, dict[_Names, int]] = {}
        self._shape_count = 0
        self._pool_used = 0
        self._device = Growing[np.int32](np.int32, -1)
        self._start = Growing[np.int64](np.int64, 0)
        self._length = Growing[np.int64](np.int64, 0)
        self._special = Growing[np.int8](np.int8, _PLAIN)
        self._pool = Growing[np.int32](np.int32, 0)
        self._forms: list[_Form | None] = []  # by shape

    def gather(self, messages: Sequence[Message], now: float) -> tuple[Batch, list[Presence], int]:
        """The rows and readings of `messages`, in order, what they changed in presence, and how
        many of them were taken: where a metric was of texts and a number comes, a topic says other
        tags than those before, or a device comes by another client than before, what came till
        then has to be judged first.
        """
        most = self._caps.shapes
        if self._shape_count > most or self._pool_used > 8 * most or len(self._met) > most:
            self.forget()
        gathered = Gathered(now)
        shapes, origin, values = gathered.shapes, gathered.origin, gathered.values
        routes, settled = self._routes, self._presence.settled
        for index, message in enumerate(messages):
            try:
                route = routes.get(message.topic)
                if route is not None:
                    if (
                        settled[route.device] != message.client
                        and shapes
                        and self._presence.moves(message.client, route.device)
                    ):
                        return self._rows(messages, gathered), gathered.presence, index
                    shape = None
                    try:
                        if route.bare >= 0:
                            values.append(_read_number(message.payload))
                            shape = route.bare
                        elif route.numbers:
                            numbers = read_numbers(message.payload)
                            shape = route.shapes.get(tuple(numbers))
                            if shape is not None:
                                values.extend(numbers.values())
                    except _UNREADABLE:
                        pass
                    if shape is not None:
                        shapes.append(shape)
                        origin.append(index)
                        if settled[route.device] != message.client:
                            gathered.presence += self._presence.carried(
                                message.client, route.device, now
                            )
                        continue
                if not self._read(message, gathered):
                    return self._rows(messages, gathered), gathered.presence, index
                if self._retagged:  # other rules are for the device, before anything else comes
                    return self._rows(messages, gathered), gathered.presence, index + 1
            except Exception as error:
                # Rows and values fit together all the same: no fault comes between them.
                self._faults.note(f"a message on {message.topic[:200]!r}", error)
        return self._rows(messages, gathered), gathered.presence, len(messages)

    def is_new(self, topic: str) -> bool:
        """Whether nothing came on a topic before, or that was forgotten."""
        return topic not in self._met

    def take_retagged(self) -> list[int]:
        """The devices that were known before and have got other tags by their topics since."""
        retagged = list(self._retagged)
        self._retagged.clear()
        return retagged

    def refuse(self, message: Message, reason: str, now: float) -> list[Presence]:
        """Counts a message that was refused unread at the device it is of; changes in presence."""
        gathered = Gathered(now)
        match self._decoder.claim(message.topic):
            case None:
                self._refusals.unclaimed(message, now)
            case Rejected():
                self._refusals.reject(None, message, reason, now)
            case claim if claim.control:
                pass  # for a device, not from it
            case claim:
                device = self._admit(claim.device, message, gathered)
                if device is not None:
                    self._reject(device, message, reason, now)
        return gathered.presence

    def _read(self, message: Message, gathered: Gathered) -> bool:
        """The long way: one message, whatever it is. False if it has to wait; see `gather`."""
        found = self._decode(message)
        self._met.add(message.topic)
        if gathered.shapes and self._must_wait(found, message):
            return False
        match found:
            case Unclaimed():
                self._refusals.unclaimed(message, gathered.now)
            case Rejected(name, reason):
                device = self._admit(name, message, gathered) if name else None
                if name is None:
                    self._refusals.reject(None, message, reason, gathered.now)
                elif device is not None:
                    self._reject(device, message, reason, gathered.now)
            case Decoded(_, []):
                pass  # a command or a reply: traffic to a device, not telemetry from it
            case Decoded(name, rows):
                device = self._admit(name, message, gathered)
                if device is not None and (
                    reason := self._read_rows(message, rows, device, gathered)
                ):
                    self._reject(device, message, reason, gathered.now)
        return True

    def _decode(self, message: Message) -> Decoded | Rejected | Unclaimed:
        """What a message says; a fault of the decoder costs that message only."""
        try:
            return self._decoder(message.topic, message.payload)
        except Exception as error:
            self._faults.note(f"a message on {message.topic[:200]!r}", error)
            claim = self._decoder.claim(message.topic)
            device = claim.device if isinstance(claim, Claim) else None
            return Rejected(device, f"a fault of the server: {error!r}"[:500])

    def _read_rows(
        self, message: Message, rows: list[Row], device: int, gathered: Gathered
    ) -> str | None:
        """Reads the rows of a message, or in case of a fault none of them; the first refusal."""
        before = len(gathered.shapes), len(gathered.values)
        try:
            refused = [self._read_row(row, device, gathered) for row in rows]
            self._learn_route(message, device, rows)
        except Exception as error:
            self._faults.note(f"a message on {message.topic[:200]!r}", error)
            gathered.take_back(*before)
            return f"a fault of the server: {error!r}"[:500]
        return next((each for each in refused if each), None)

    def _must_wait(self, found: Decoded | Rejected | Unclaimed, message: Message) -> bool:
        if isinstance(found, Decoded) and self._replaces_text(found):
            return True
        claim = self._decoder.claim(message.topic)
        device = self._catalogue.device_id(claim.device) if isinstance(claim, Claim) else None
        if device is None or not isinstance(claim, Claim):
            return False
        if self._presence.moves(message.client, device):
            return True
        return bool(claim.tags) and self._catalogue.tags.claims_other(device, claim.tags)

    def _tag(self, device: int, topic: str, *, known: bool) -> None:
        """What the topic says of a device it has, until another one says something else."""
        match self._decoder.claim(topic):
            case Claim(tags=tags) if tags and self._catalogue.tags.claims_other(device, tags):
                # The fast lane does not look at tags: it must not have the topics before.
                for each in self._tagging.pop(device, ()):
                    self._routes.pop(each, None)
                if self._catalogue.tags.claim(device, tags) and known:
                    self._retagged[device] = None
            case _:
                pass

    def _replaces_text(self, found: Decoded) -> bool:
        """Whether there is a number for a metric that was of texts."""
        catalogue = self._catalogue
        device = catalogue.device_id(found.device)
        return device is not None and any(
            catalogue.has_texts(name)
            and not isinstance(value, (str, bool))
            and catalogue.is_text(catalogue.series_of(device).get(name, -1))
            for row in found.rows
            for name, value in row.values.items()
        )

    def _admit(self, name: str, message: Message, gathered: Gathered) -> int | None:
        known = self._catalogue.device_id(name) is not None
        try:
            device = self._catalogue.admit_device(name)
        except Refused as refusal:
            self._refusals.reject(None, message, str(refusal), gathered.now)
            return None
        self._presence.reach(len(self._catalogue.devices))
        self._tag(device, message.topic, known=known)
        self._catalogue.messages.values[device] += 1
        if self._presence.settled[device] != message.client:
            gathered.presence += self._presence.carried(message.client, device, gathered.now)
        return device

    def _reject(self, device: int, message: Message, reason: str, now: float) -> None:
        self._catalogue.rejected.values[device] += 1
        self._refusals.reject(device, message, reason, now)

    def _read_row(self, row: Row, device: int, gathered: Gathered) -> str | None:
        """Appends what the catalogue admits of a row; the first refusal, if there is one."""
        series_of_row: list[int] = []
        refused: str | None = None
        for name, value in row.values.items():
            try:
                series, number = self._admit_value(device, name, value)
            except Refused as refusal:
                refused = refused or str(refusal)
                continue
            series_of_row.append(series)
            gathered.values.append(number)
        if series_of_row:
            index = len(gathered.shapes)
            gathered.shapes.append(self._shape(device, (None, *series_of_row), series_of_row))
            gathered.origin.append(-1)
            gathered.slow = True
            if row.ts is not None:
                gathered.times.append((index, row.ts))
        return refused

    def _admit_value(self, device: int, name: str, value: Value) -> tuple[int, float]:
        series, number = self._catalogue.admit_value(device, name, value)
        # What the device says itself is the device's from now on (`derived.py`). The fast lane
        # has no names that did not come by here first.
        self._catalogue.derived.values[series] = 0
        return series, number

    def _shape(self, device: int, names: _Names, series: Sequence[int]) -> int:
        """The shape of `names` of a device, new or known."""
        shapes = self._shapes.setdefault(device, {})
        shape = shapes.get(names)
        if shape is None:
            shape = shapes[names] = self._shape_count
            self._shape_count += 1
            for column in (self._device, self._start, self._length, self._special):
                column.reach(self._shape_count)
            end = self._pool_used + len(series)
            self._pool.reach(end)
            self._device.values[shape] = device
            self._start.values[shape] = self._pool_used
            self._length.values[shape] = len(series)
            form = None
            if any(name in _LIMITS for name in names):
                self._special.values[shape] = _PLACED
            elif _TS in series:
                self._special.values[shape] = _TIMED
                form = _Form(device, series.index(_TS), [each for each in series if each != _TS])
            else:
                form = _Form(device, -1, list(series))
            self._forms.append(form)
            self._pool.values[self._pool_used : end] = series
            self._pool_used = end
        return shape

    def _learn_route(self, message: Message, device: int, rows: list[Row]) -> None:
        """Let the fast lane have the next message of this topic, if it was fit for it."""
        route = self._routes.get(message.topic)
        if route is None:
            route = _Route(device, self._shapes.setdefault(device, {}))
            if len(self._routes) < self._caps.shapes:
                self._routes[message.topic] = route
                claimed = self._decoder.claim(message.topic)
                if isinstance(claimed, Claim) and claimed.tags:
                    self._tagging.setdefault(device, []).append(message.topic)
        route.numbers = False
        known = self._catalogue.series_of(device)
        if any(self._catalogue.is_text(known.get(n, -1)) for row in rows for n in row.values):
            return  # also where a number for it was refused
        try:
            names = tuple(read_numbers(message.payload))
        except _UNREADABLE:
            try:
                _read_number(message.payload)
            except _UNREADABLE:
                return
            (name,) = rows[0].values
            if name in known:
                route.bare = self._shape(device, (name,), [known[name]])
            return
        route.numbers = True
        series = [_TS if name == "ts" else known.get(name) for name in names]
        claim = self._decoder.claim(message.topic)
        if None not in series and isinstance(claim, Claim) and claim.metric is None:
            self._shape(device, names, [each for each in series if each is not None])

    # -- rows and readings

    def _rows(self, messages: Sequence[Message], gathered: Gathered) -> Batch:
        """The batch; where it cannot be made, that of the rows of which one can."""
        try:
            return self._batch(messages, gathered)
        except Exception as error:
            if len(gathered.shapes) == 1:
                return self._lose(messages, gathered, error)
        lengths = self._length.values
        ones = [self._rows(messages, each) for each in gathered.one_by_one(lengths)]
        return Batch.joined(ones)

    def _lose(self, messages: Sequence[Message], row: Gathered, error: Exception) -> Batch:
        """Counts what a fault costs: a row, and its message, if it came by the fast lane."""
        device, index = int(self._device.values[row.shapes[0]]), row.origin[0]
        self._faults.note(f"a row of device {self._catalogue.devices[device]!r}", error)
        if index >= 0:
            self._catalogue.messages.values[device] += 1
            reason = f"a fault of the server: {error!r}"[:500]
            self._reject(device, messages[index], reason, row.now)
        return self._batch(messages, Gathered(row.now))

    def _batch(self, messages: Sequence[Message], gathered: Gathered) -> Batch:
        """What was gathered, as columns. What it raises, it raises before anything has changed."""
        if len(gathered.shapes) <= _FEW and (few := self._few(gathered)) is not None:
            return few
        shape = np.array(gathered.shapes, np.intp)
        value = np.array(gathered.values, np.float64)
        device, length = self._device.values.take(shape), self._length.values.take(shape)
        start = self._start.values.take(shape)
        place = np.arange(len(shape))
        if len(shape) == 1:
            row = np.zeros(len(value), np.intp)
            begin = start.item()
            series = self._pool.values[begin : begin + len(value)].copy()
        else:
            row = np.repeat(place, length)
            first = start - (length.cumsum() - length)
            series = self._pool.values.take(first.take(row) + np.arange(len(row)))
        ts = np.full(len(shape), np.nan)
        fast = device
        if gathered.slow:
            fast = device[np.array(gathered.origin, np.intp) >= 0]
        for index, at in gathered.times:
            ts[index] = at
        batch = Batch(device, ts, place, row, series, value)
        special = int(self._special.values.take(shape).max(initial=_PLAIN))
        if special == _PLACED:
            batch = self._take_out_special(batch, messages, gathered)
        elif special == _TIMED:
            batch = _timed(batch) or self._take_out_special(batch, messages, gathered)
        np.add.at(self._catalogue.messages.values, fast, 1)
        return batch

    def _few(self, gathered: Gathered) -> Batch | None:
        """As `_batch`, where the rows are few; None where one has a position or a bad time."""
        device: list[int] = []
        ts: list[float] = []
        row: list[int] = []
        series: list[int] = []
        value: list[float] = []
        values, begin, forms = gathered.values, 0, self._forms
        for place, shape in enumerate(gathered.shapes):
            form = forms[shape]
            if form is None:
                return None
            own = form.series
            if form.time < 0:
                end = begin + len(own)
                value += values[begin:end]
                ts.append(nan)
            else:
                end, at = begin + len(own) + 1, begin + form.time
                time = values[at]
                if not 0 <= time < _END_OF_TIME:
                    return None
                value += values[begin:at]
                value += values[at + 1 : end]
                ts.append(_one_in_seconds(time))
            device.append(form.device)
            row += [place] * len(own)
            series += own
            begin = end
        for index, stated in gathered.times:
            ts[index] = stated
        batch = Batch(
            np.array(device, np.int32),
            np.array(ts, np.float64),
            np.arange(len(device)),
            np.array(row, np.intp),
            np.array(series, np.int32),
            np.array(value, np.float64),
        )
        messages = self._catalogue.messages.values
        for each, origin in zip(device, gathered.origin, strict=True):
            if origin >= 0:
                messages[each] += 1
        return batch

    def _take_out_special(
        self, batch: Batch, messages: Sequence[Message], gathered: Gathered
    ) -> Batch:
        """The batch with the times of the fast lane in their places.

        Its rows where a time or a position is out of range are dropped; the decoder says what is
        wrong with them. Those of the long way were looked at by it.
        """
        device, ts, row, series, value = (
            batch.device, batch.ts, batch.row, batch.series, batch.value,
        )  # fmt: skip
        bad = np.zeros(len(device), np.bool_)
        stated = series == _TS
        time = value[stated]
        bad[row[stated]] = ~((time >= 0) & (time < _END_OF_TIME))
        ts[row[stated]] = _in_seconds(time)
        metrics = self._catalogue.metric.values[series]
        fast = np.array(gathered.origin, np.intp)[row] >= 0
        for name, limit in _LIMITS.items():
            here = fast & (metrics == self._catalogue.metric_id(name)) & (series >= 0)
            bad[row[here]] |= ~(np.abs(value[here]) <= limit)
        metric = (series >= 0) & ~bad[row]
        kept = np.cumsum(~bad) - 1
        count = len(device) - np.count_nonzero(bad)
        taken = Batch(
            device[~bad],
            ts[~bad],
            batch.place[:count],
            kept[row[metric]],
            series[metric],
            value[metric],
        )
        for index in np.flatnonzero(bad).tolist():
            message = messages[gathered.origin[index]]
            found = self._decode(message)
            reason = found.reason if isinstance(found, Rejected) else "out of range"
            self._reject(device.item(index), message, reason, gathered.now)
        return taken


def _timed(batch: Batch) -> Batch | None:
    """The batch with its times in their place, None if one is out of range."""
    stated = batch.series == _TS
    time = batch.value[stated]
    if np.count_nonzero((time >= 0) & (time < _END_OF_TIME)) < len(time):
        return None
    batch.ts[batch.row[stated]] = _in_seconds(time)
    metric = ~stated
    return Batch(
        batch.device,
        batch.ts,
        batch.place,
        batch.row[metric],
        batch.series[metric],
        batch.value[metric],
    )


def _in_seconds(time: Floats) -> Floats:
    """Times stated in seconds, milliseconds or microseconds."""
    if not np.count_nonzero(time >= 1e11):
        return time
    return np.where(time >= 1e14, time / 1e6, np.where(time >= 1e11, time / 1e3, time))


def _one_in_seconds(time: float) -> float:
    """As `_in_seconds`, of one."""
    if time >= 1e14:
        return time / 1e6
    return time / 1e3 if time >= 1e11 else time
