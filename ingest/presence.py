"""Presence: is a device connected, and is it heard of?

Two axes that change by the tables below. The *connection* follows the MQTT connection that last
carried the device's messages; the *freshness* follows the age of its newest report. Causes:

    counted       a connection is old enough, or has brought enough, to count for the device
    lost          a connection that counted ended
    vanished      a connection ended that never counted (a lone `mosquitto_pub`)
    restarted     the server was down: whatever it knew of connections is out of date
    report        readings of the device arrived
    overdue       no report for `stale_after` expected intervals
    long overdue  no report for `silent_after` expected intervals
"""

from collections.abc import Mapping
from enum import StrEnum
from heapq import heapify, heappop, heappush
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tocsin.ingest.catalogue import Catalogue
from tocsin.ingest.growing import Growing
from tocsin.ingest.intervals import Intervals
from tocsin.ingest.order import occurrence
from tocsin.ingest.outcome import Presence
from tocsin.ingest.settings import Settings

Time = TypeVar("Time", float, NDArray[np.float64])


class Connection(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    SILENT = "silent"
    NEVER = "never"


class Cause(StrEnum):
    COUNTED = "counted"
    LOST = "lost"
    VANISHED = "vanished"
    RESTARTED = "restarted"
    REPORT = "report"
    OVERDUE = "overdue"
    LONG_OVERDUE = "long overdue"


# A pair that is missing changes nothing.
CONNECTIONS: Mapping[tuple[Connection, Cause], Connection] = MappingProxyType(
    {
        (Connection.UNKNOWN, Cause.COUNTED): Connection.ONLINE,
        (Connection.OFFLINE, Cause.COUNTED): Connection.ONLINE,
        (Connection.ONLINE, Cause.LOST): Connection.OFFLINE,
        (Connection.ONLINE, Cause.VANISHED): Connection.UNKNOWN,
        (Connection.OFFLINE, Cause.VANISHED): Connection.UNKNOWN,
        (Connection.ONLINE, Cause.RESTARTED): Connection.UNKNOWN,
    }
)
FRESHNESSES: Mapping[tuple[Freshness, Cause], Freshness] = MappingProxyType(
    {
        (Freshness.NEVER, Cause.REPORT): Freshness.FRESH,
        (Freshness.STALE, Cause.REPORT): Freshness.FRESH,
        (Freshness.SILENT, Cause.REPORT): Freshness.FRESH,
        (Freshness.FRESH, Cause.OVERDUE): Freshness.STALE,
        (Freshness.STALE, Cause.LONG_OVERDUE): Freshness.SILENT,
    }
)

# Arrays hold a freshness as its place in this tuple.
_FRESHNESSES = (Freshness.NEVER, Freshness.FRESH, Freshness.STALE, Freshness.SILENT)
_NEVER, _FRESH, _STALE, _SILENT = range(4)
_OVERDUE = {_FRESH: Cause.OVERDUE, _STALE: Cause.LONG_OVERDUE}

_COUNTS = -1  # in place of a number of messages: the connection counts for the device
_MOST_REPORTS = 1024  # that wait to be learned from


class _Link:
    """An open connection: since when, and how many messages it brought of which device."""

    __slots__ = ("devices", "number", "since", "waits")

    def __init__(self, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.devices: dict[int, int] = {}
        self.waits = False  # a timer for its coming of age is set


class PresenceBook:
    """Owns both axes of every device, the open connections, and the timers.

    Timers are lazy: a device has one entry in the heap, and when that is due it is looked up
    whether it was heard of since. So a reading costs no heap operation, and looking more often
    changes nothing. Reports are learned from when there are many, or before a timer fires that
    they might put off, or bring forward.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._connection: list[Connection] = []
        self._reason: list[str | None] = []
        self._via: list[str | None] = []
        self._revision: list[int] = []
        # By device: the client whose next message changes nothing on the connection axis.
        self.settled: list[str | None] = []
        self._links: dict[str, _Link] = {}
        self._clients: dict[int, str] = {}  # by number of a link
        self._next_link = 0
        self._timers: list[tuple[float, int, int]] = []  # due, 0 = device or 1 = link, its number

        self._freshness = Growing[np.int8](np.int8, _NEVER)
        self.last_seen = Growing[np.float64](np.float64, np.nan)
        self._intervals = Intervals(settings, catalogue)
        self._scheduled = Growing[np.float64](np.float64, np.inf)  # the device's entry in the heap
        self._reports: list[tuple[NDArray[np.int32], float]] = []  # devices, each once, and when
        self._reports_count = 0

    def reach(self, devices: int) -> None:
        """Know devices up to this number of them."""
        for device in range(len(self._via), devices):
            self._connection.append(Connection.UNKNOWN)
            self._reason.append(None)
            self._via.append(None)
            self._revision.append(0)
            self.settled.append(None)
            for column in (self._freshness, self.last_seen, self._scheduled):
                column.reach(device + 1)
            self._intervals.reach(device)

    def view(self, device: int) -> Presence:
        seen = self.last_seen.values.item(device)
        return Presence(
            device=self._catalogue.devices[device],
            connection=self._connection[device],
            connection_reason=self._reason[device],
            freshness=self._freshness_of(device),
            via=self._via[device],
            last_seen=None if seen != seen else seen,
            revision=self._revision[device],
        )

    # -- the connection axis

    def connected(self, client: str, now: float) -> list[Presence]:
        changes = self.disconnected(client, "taken over")
        self._links[client] = _Link(self._next_link, now)
        self._clients[self._next_link] = client
        self._next_link += 1
        return changes

    def disconnected(self, client: str, reason: str) -> list[Presence]:
        link = self._links.pop(client, None)
        if link is None:
            return []
        del self._clients[link.number]
        changes: list[Presence] = []
        for device, messages in link.devices.items():
            self.settled[device] = None
            cause = Cause.LOST if messages == _COUNTS else Cause.VANISHED
            changes += self._connection_turns(device, cause, reason)
        return changes

    def moves(self, client: str, device: int) -> bool:
        """Whether `device` came by another client so far: another gateway mutes its alarms."""
        return self._via[device] not in (None, client)

    def carried(self, client: str, device: int, now: float) -> list[Presence]:
        """A message of `device` came from `client`. Not needed while `settled` says so."""
        before = self._via[device]
        if before != client:
            self._via[device] = client
            self.settled[device] = None
            if before in self._links:
                self._links[before].devices.pop(device, None)
        link = self._links.get(client)
        if link is None:  # a will, or a source outside of our broker: says nothing of connections
            return []
        messages = link.devices.get(device, 0)
        if messages == _COUNTS:
            return []
        link.devices[device] = messages + 1
        age = now - link.since
        if messages + 1 >= self._settings.settles_messages or age >= self._settings.settles_s:
            return self._counts(link, device, client)
        if not link.waits:
            link.waits = True
            heappush(self._timers, (link.since + self._settings.settles_s, 1, link.number))
        return []

    def _counts(self, link: _Link, device: int, client: str) -> list[Presence]:
        link.devices[device] = _COUNTS
        self.settled[device] = client
        return self._connection_turns(device, Cause.COUNTED, None)

    def _connection_turns(self, device: int, cause: Cause, reason: str | None) -> list[Presence]:
        before = self._connection[device]
        after = CONNECTIONS.get((before, cause), before)
        if after == before:
            return []
        self._connection[device] = after
        self._reason[device] = reason
        return [self._changed(device)]

    # -- the freshness axis

    def fresh(self, devices: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which devices are: a report of them turns nothing."""
        return self._freshness.values.take(devices) == _FRESH

    def is_fresh(self, device: int) -> bool:
        """As `fresh`, of one."""
        return self._freshness.values.item(device) == _FRESH

    def reported(self, devices: NDArray[np.int32], now: float) -> list[Presence]:
        """Readings of `devices` (each once) arrived."""
        if not len(devices):
            return []
        self.last_seen.values[devices] = now
        self._intervals.heard.values[devices] = now
        self._reports.append((devices, now))
        self._reports_count += len(devices)
        freshness = self._freshness.values
        changes: list[Presence] = []
        turns = freshness[devices] != _FRESH
        if np.count_nonzero(turns):
            for device in devices[turns].tolist():
                changes += self._freshness_turns(device, Cause.REPORT)
        if self._reports_count >= _MOST_REPORTS:
            self._learn()
        return changes

    def _learn(self) -> None:
        """Take in the reports that wait, in order."""
        if not self._reports:
            return
        device = np.concatenate([devices for devices, _ in self._reports])
        at = np.repeat([at for _, at in self._reports], [len(each) for each, _ in self._reports])
        self._reports.clear()
        self._reports_count = 0
        nth = occurrence(device)
        for number in range(int(nth.max()) + 1):
            here = np.flatnonzero(nth == number)
            self._intervals.learn(device[here], at[here])
            self._schedule(device[here])

    def _schedule(self, devices: NDArray[np.int32]) -> None:
        due = (
            self._intervals.heard.values[devices]
            + self._settings.stale_after * self._intervals.expected.values[devices]
        )
        sooner = due < self._scheduled.values[devices]
        if sooner.any():
            for device, at in zip(devices[sooner].tolist(), due[sooner].tolist(), strict=True):
                self._wait(device, at)

    def _wait(self, device: int, due: float) -> None:
        self._scheduled.values[device] = due
        heappush(self._timers, (due, 0, device))

    def _freshness_of(self, device: int) -> Freshness:
        return _FRESHNESSES[self._freshness.values.item(device)]

    def _freshness_turns(self, device: int, cause: Cause) -> list[Presence]:
        before = self._freshness_of(device)
        after = FRESHNESSES.get((before, cause), before)
        if after == before:
            return []
        self._freshness.values[device] = _FRESHNESSES.index(after)
        return [self._changed(device)]

    # -- time

    def started(self, now: float) -> list[Presence]:
        """The server is back: connections are gone, and nobody was late while it was away."""
        self._learn()
        changes: list[Presence] = []
        self._links.clear()
        self._clients.clear()
        self._timers.clear()
        for device in range(len(self._via)):
            self.settled[device] = None
            changes += self._connection_turns(device, Cause.RESTARTED, "server restarted")
        self.resumed(now)
        return changes

    def resumed(self, now: float) -> None:
        """The server took in nothing for a while: nobody was late meanwhile."""
        self._learn()
        self._timers = [timer for timer in self._timers if timer[1]]
        heapify(self._timers)
        count = len(self._via)
        self._intervals.pause()
        self._scheduled.values[:count] = np.inf
        for device in np.flatnonzero(self._freshness.values[:count] != _NEVER).tolist():
            self._intervals.heard.values[device] = now
            self._wait_for_next(device)

    def next_due(self) -> float | None:
        """When `fire_next` may have something to tell; it may turn out to be nothing."""
        due = self._timers[0][0] if self._timers else None
        if self._reports:
            soonest = self._soonest(self._reports[0][1])
            return soonest if due is None else min(due, soonest)
        return due

    def _soonest(self, heard: Time) -> Time:
        """Before this nobody is overdue who was heard of then."""
        return heard + min(self._settings.stale_after, self._settings.silent_after) * (
            self._intervals.shortest_s
        )

    def look_ahead(self, now: float) -> None:
        """Put off, all at once, timers due until `now` of devices that were heard of since.

        Those still due until `now` after that are overdue, and are for `fire_next`.
        """
        due = self.next_due()
        if due is None or due > now:
            return
        devices: list[int] = []
        others: list[tuple[float, int, int]] = []
        while self._timers and self._timers[0][0] <= now:
            due, kind, number = heappop(self._timers)
            if kind:
                others.append((due, kind, number))
            elif self._scheduled.values.item(number) == due:
                devices.append(number)
        for timer in others:
            heappush(self._timers, timer)
        device = np.array(devices, np.intp)
        # Most were heard of just now, which needs no knowledge of their habits.
        soonest = self._soonest(self._intervals.heard.values[device])
        if np.count_nonzero(soonest > now) < len(device) or (
            self._reports and self._soonest(self._reports[0][1]) <= now
        ):
            self._learn()
        fresh = self._freshness.values[device] == _FRESH
        after = np.where(fresh, self._settings.stale_after, self._settings.silent_after)
        overdue_at = (
            self._intervals.heard.values[device] + after * self._intervals.expected.values[device]
        )
        due_at = np.where(soonest > now, soonest, overdue_at)
        self._scheduled.values[device] = due_at
        for each, due in zip(devices, due_at.tolist(), strict=True):
            heappush(self._timers, (due, 0, each))

    def fire_next(self) -> tuple[float, list[Presence]]:
        """Fires the timer that is due first: its due time, and what changed.

        `look_ahead` comes before, up to that time or later.
        """
        due, kind, number = heappop(self._timers)
        return due, self._link_of_age(number) if kind else self._look_at(number, due)

    def _link_of_age(self, number: int) -> list[Presence]:
        client = self._clients.get(number)
        if client is None:  # it ended before
            return []
        link = self._links[client]
        link.waits = False
        changes: list[Presence] = []
        for device, messages in link.devices.items():
            if messages != _COUNTS:
                changes += self._counts(link, device, client)
        return changes

    def _look_at(self, device: int, due: float) -> list[Presence]:
        if self._scheduled.values[device] != due:  # a sooner one took its place
            return []
        self._scheduled.values[device] = np.inf
        cause = _OVERDUE[self._freshness.values.item(device)]
        changes = self._freshness_turns(device, cause)
        self._wait_for_next(device)
        return changes

    def _overdue_at(self, device: int) -> float:
        fresh = self._freshness.values[device] == _FRESH
        after = self._settings.stale_after if fresh else self._settings.silent_after
        return self._intervals.heard.values.item(
            device
        ) + after * self._intervals.expected.values.item(device)

    def _wait_for_next(self, device: int) -> None:
        if self._freshness.values.item(device) in _OVERDUE:
            self._wait(device, self._overdue_at(device))

    def _changed(self, device: int) -> Presence:
        self._revision[device] += 1
        return self.view(device)

    # -- snapshots

    def _columns(self) -> dict[str, Growing[Any]]:
        return {
            "freshness": self._freshness,
            "last_seen": self.last_seen,
            **self._intervals.columns(),
        }

    def state(self) -> dict[str, Any]:
        self._learn()
        count = len(self._via)
        return {
            "connection": self._connection,
            "reason": self._reason,
            "via": self._via,
            "revision": self._revision,
            "settled": self.settled,
            "links": [
                [client, link.number, link.since, link.waits, list(link.devices.items())]
                for client, link in self._links.items()
            ],
            "next_link": self._next_link,
            # Those of devices follow from when they were heard of.
            "timers": sorted(timer for timer in self._timers if timer[1]),
            "by_device": {name: column.values[:count] for name, column in self._columns().items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become what `state` was taken from; profiles are those of the settings of today.

        The catalogue is loaded before.
        """
        self.__init__(self._settings, self._catalogue)
        self._connection = [Connection(each) for each in state["connection"]]
        self._reason = list(state["reason"])
        self._via = list(state["via"])
        self._revision = list(state["revision"])
        self.settled = list(state["settled"])
        for client, number, since, waits, devices in state["links"]:
            link = self._links[client] = _Link(number, since)
            link.waits = waits
            link.devices = dict(devices)
            self._clients[number] = client
        self._next_link = state["next_link"]
        self._timers = [(due, kind, number) for due, kind, number in state["timers"]]
        heapify(self._timers)
        for name, column in self._columns().items():
            column.load(state["by_device"][name])
        for device in range(len(self._via)):
            self._intervals.reach(device)
            self._scheduled.reach(device + 1)
            self._wait_for_next(device)
