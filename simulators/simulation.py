"""A scenario on the wire: the plant's samples, paced by the clock, published by the fleet."""

import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

import msgspec

from tocsin.devices.timestamps import rfc3339
from tocsin.simulators.broker_address import parse_broker
from tocsin.simulators.connection import Settings
from tocsin.simulators.fleet import Fleet
from tocsin.simulators.hazards import Truth
from tocsin.simulators.open_files import allow_sockets
from tocsin.simulators.plant import Plant, Sample
from tocsin.simulators.report import Report, totals

SCENARIOS = ("plant",)
LONGEST_TURN_S = 0.1
"""How long a signal may go unnoticed."""
SAMPLES_PER_TURN = 500
"""A plant that is behind its clock catches up in slices, so that acknowledgements are read too."""
PROGRESS_S = 0.5


def run(
    scenario: str = "plant",
    broker: str = "mqtt://127.0.0.1:1883",
    devices: int = 30,
    rate: float = 1.0,
    seed: int = 1,
    speed: float = 1.0,
    qos: int = 1,
    truth: Path | None = None,
    username: str | None = None,
    password: str | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Simulates a scenario until SIGINT, SIGTERM or `stop`, and prints a line of totals at the end.

    `rate` is samples per device and second of scenario time. `speed` is scenario seconds per
    second of the clock: at 10, the broker sees the same readings ten times closer together. The
    credentials default to TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD. Hazards go to the file
    `truth` as JSON lines as they end. Signals are handled only when called in the main thread.

    Returns the exit status: 1 when the broker accepted no device at all, else 0. Raises
    ValueError for arguments out of range, OSError when `truth` cannot be written.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"scenario {scenario!r} is unknown; expected {', '.join(SCENARIOS)}")
    if qos not in (0, 1, 2):
        raise ValueError(f"qos {qos} is not a quality of service; expected 0, 1 or 2")
    if not 0.01 <= speed <= 1000.0:
        raise ValueError(f"speed {speed} is out of range; expected 0.01 to 1000")
    plant = Plant(devices, rate, seed)
    address = parse_broker(broker)
    settings = Settings(
        qos=qos,
        username=username or os.environ.get("TOCSIN_MQTT_USERNAME"),
        password=password or os.environ.get("TOCSIN_MQTT_PASSWORD"),
    )
    allow_sockets(devices)
    stop = stop or threading.Event()
    report = Report(sys.stderr)
    with ExitStack() as stack:
        log = stack.enter_context(truth.open("w", encoding="utf-8")) if truth else None
        stack.enter_context(_ended_by_signal(stop))
        fleet = Fleet(
            plant.devices,
            address,
            settings,
            seed=seed,
            now=time.monotonic(),
            say=report.note,
        )
        _play(plant, fleet, speed, stop, log, report)
        fleet.close(time.monotonic)
    report.note(totals(fleet.counters()))
    return 0 if fleet.ever_accepted else 1


def _play(
    plant: Plant,
    fleet: Fleet,
    speed: float,
    stop: threading.Event,
    log: TextIO | None,
    report: Report,
) -> None:
    """The loop. Scenario time stands still until the broker accepts the first device."""
    while not fleet.ever_accepted and not stop.is_set():
        fleet.turn(time.monotonic(), LONGEST_TURN_S)
    began, began_at = time.monotonic(), time.time()
    reported_at = began
    at = 0.0
    while not stop.is_set():
        now = time.monotonic()
        at = (now - began) * speed
        for _ in range(SAMPLES_PER_TURN):
            if plant.next_at > at:
                break
            sample = plant.sample()
            fleet.publish(sample.device, telemetry(sample, began_at + sample.at / speed))
        _write_truths(log, plant.ended(), began_at, speed)
        idle_s = (plant.next_at - at) / speed
        fleet.turn(now, min(LONGEST_TURN_S, max(0.0, idle_s)))
        if now - reported_at >= PROGRESS_S:
            reported_at = now
            report.progress(at, fleet.connected, len(plant.devices), fleet.counters())
    _write_truths(log, plant.unfinished(), began_at, speed)


def telemetry(sample: Sample, ts: float) -> bytes:
    """The message on the wire: a JSON object with the event time in seconds since the epoch."""
    return msgspec.json.encode({"ts": round(ts, 3), **sample.values})


def truth_line(truth: Truth, began_at: float, speed: float) -> str:
    """A hazard as a line of JSON, its times on the clock of the readings, as RFC 3339."""

    def stamp(at: float) -> str:
        return rfc3339(began_at + at / speed)

    fields = {
        "device": truth.device,
        "kind": truth.kind,
        "rules": truth.rules,
        "start": stamp(truth.start),
        "peak": stamp(truth.peak),
        "end": None if truth.end is None else stamp(truth.end),
    }
    return msgspec.json.encode(fields).decode() + "\n"


def _write_truths(log: TextIO | None, truths: list[Truth], began_at: float, speed: float) -> None:
    if log is not None and truths:
        log.writelines(truth_line(truth, began_at, speed) for truth in truths)
        log.flush()


@contextmanager
def _ended_by_signal(stop: threading.Event) -> Generator[None]:
    """Lets SIGINT and SIGTERM set `stop`; a second one acts as it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, action in before.items():
            signal.signal(number, action)

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        restore()
