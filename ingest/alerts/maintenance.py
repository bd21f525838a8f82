"""Maintenance windows: planned times in which alarms of some devices are out of service."""

from collections.abc import Iterable

import msgspec

from tocsin.ingest.alerts.timers import Timers
from tocsin.ingest.rules.device_glob import DeviceGlob

MAX_WINDOWS = 1000
"""Planned or running at one time."""

MAX_MAINTENANCE_S = 90 * 86400.0
"""Seconds one window may last. What is out of service for longer is a rule to disable."""

OWNER = ""
"""The rule's name in the alarm of a timer that is a window's: no rule has it."""


class Maintenance(msgspec.Struct, frozen=True):
    """Alarms of devices and rules that match two globs, out of service from `start` to `end`.

    Times are seconds since the epoch, `id` is unique.
    """

    id: str
    devices: str
    start: float
    end: float
    by: str
    rules: str = "*"
    note: str = ""


class Window(msgspec.Struct):
    """A window in the book. `timer` is the number of the one for its start or its end."""

    plan: Maintenance
    timer: int
    running: bool = False


class Calendar:
    """Owns the windows that are not over. Time is that of the timers."""

    def __init__(self, timers: Timers, windows: Iterable[Window] = ()) -> None:
        self._timers = timers
        self._windows = {window.plan.id: window for window in windows}

    def __len__(self) -> int:
        return len(self._windows)

    def add(self, plan: Maintenance, now: float) -> bool:
        """Plan a window: whether it runs at once. Raises ValueError for what cannot be."""
        if plan.id in self._windows:
            raise ValueError(f"maintenance {plan.id!r} exists already; expected another id")
        if len(self._windows) >= MAX_WINDOWS:
            raise ValueError(f"{MAX_WINDOWS} maintenance windows are planned; expected fewer")
        DeviceGlob(plan.devices)
        DeviceGlob(plan.rules)
        if not now < plan.end <= now + MAX_MAINTENANCE_S or not plan.start < plan.end:
            raise ValueError(
                f"end is {plan.end - now:.0f} s from now and {plan.end - plan.start:.0f} s after"
                f" start; expected a time ahead, at most {MAX_MAINTENANCE_S:.0f} s, after start"
            )
        running = plan.start <= now
        due = plan.end if running else plan.start
        timer = self._timers.start(due, (OWNER, plan.id))
        self._windows[plan.id] = Window(plan, timer, running)
        return running

    def turn(self, window_id: str) -> Maintenance:
        """A window's timer is over: it begins, or it ends and is forgotten."""
        window = self._windows[window_id]
        if window.running:
            return self._windows.pop(window_id).plan
        window.running = True
        window.timer = self._timers.start(window.plan.end, (OWNER, window_id))
        return window.plan

    def cancel(self, window_id: str) -> Maintenance:
        """Forget a window before it is over. Raises KeyError for an unknown one."""
        window = self._windows.pop(window_id)
        self._timers.stop(window.timer)
        return window.plan

    def covering(self, rule: str, subject: str) -> Maintenance | None:
        """A window that runs and covers this alarm."""
        for window in self._windows.values():
            if window.running and covers(window.plan, rule, subject):
                return window.plan
        return None

    def plans(self) -> list[Maintenance]:
        """Those that are not over, in the order in which they begin."""
        plans = [window.plan for window in self._windows.values()]
        return sorted(plans, key=lambda plan: (plan.start, plan.id))

    def all(self) -> list[Window]:
        return list(self._windows.values())


def covers(plan: Maintenance, rule: str, subject: str) -> bool:
    return DeviceGlob(plan.devices).matches(subject) and DeviceGlob(plan.rules).matches(rule)
