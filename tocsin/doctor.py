"""How things stand, for a person who wonders: versions, disk, what listens where, refusals."""

import contextlib
import json
import platform
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tocsin import __version__
from tocsin.addresses import Address, listen
from tocsin.lock import Holder, is_held, read_holder
from tocsin.refusal import Refusal
from tocsin.settings import Settings

PACKAGES = ("numpy", "duckdb", "fastapi", "uvicorn", "uvloop", "msgspec", "paho-mqtt")
LOW_DISK_BYTES = 1 << 30
REFUSALS_SHOWN = 5
CLOCK_OFF_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: about what, what was found, and whether that is as it should be."""

    subject: str
    says: str
    good: bool = True


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at this machine, the data folder and the server that runs on it, if one does."""
    yield Finding("tocsin", f"{__version__} on Python {platform.python_version()}")
    yield Finding("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    yield from _disk(settings.data)
    holder = read_holder(settings.data) if is_held(settings.data) else None
    if holder:
        yield Finding("server", f"process {holder.pid}, tocsin {holder.version}")
        yield _listens("MQTT", holder.mqtt)
        yield _listens("dashboard", holder.http)
        yield from _ask(holder)
    else:
        yield Finding("server", f"none is running on {settings.data}")
        yield _free("MQTT", settings.mqtt_address, "--mqtt")
        yield _free("dashboard", settings.http_address, "--http")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if not folder.exists():
        yield Finding("data folder", f"{folder}, not made yet")
    elif not folder.is_dir():
        yield Finding("data folder", f"{folder} is a file; choose another with --data", good=False)
    else:
        yield Finding("data folder", f"{folder}, {_size(_used(folder))}")
    yield Finding("disk", f"{_size(free)} free", free >= LOW_DISK_BYTES)


def _used(folder: Path) -> int:
    """Bytes in `folder`; a running server may delete files meanwhile."""
    used = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            used += file.stat().st_size if file.is_file() else 0
    return used


def _listens(what: str, address: str) -> Finding:
    place = Address.parse(address).reachable
    try:
        socket.create_connection((place.host, place.port), timeout=2).close()
    except OSError as error:
        return Finding(what, f"{address} does not answer: {error}", good=False)
    return Finding(what, f"{address} answers")


def _free(what: str, address: Address, flag: str) -> Finding:
    try:
        listen(address, flag).close()
    except Refusal as refusal:
        return Finding(what, str(refusal), good=False)
    return Finding(what, f"{address} is free")


def _ask(holder: Holder) -> Iterator[Finding]:
    """What the running server says of itself."""
    try:
        status = _get(holder, "/api/status")
        broker = _get(holder, "/api/broker")
    except urllib.error.HTTPError as error:
        wants_login = error.code == 401
        says = "only for those who log in to the dashboard" if wants_login else str(error)
        yield Finding("status", says, wants_login)
        return
    except (OSError, ValueError) as error:
        yield Finding("status", f"not to be had: {error}", good=False)
        return
    journal = status["journal"]
    trouble = f": {journal['error']}" if journal.get("error") else ""
    yield Finding("journal", journal["state"] + trouble, journal["state"] == "ok")
    troubles = status["troubles"]
    if not troubles:
        yield Finding("background", "checkpoints, alert transitions and history are kept up")
    for trouble in troubles:
        says = f"{trouble['work']} failed and is tried again: {trouble['error']}"
        yield Finding("background", says, good=False)
    if dropped := status["dropped_readings_total"]:
        yield Finding("history", f"{dropped} readings could not be kept", good=False)
    failures = status["failures_total"]
    says = f"{failures} batches failed since the start; see the log" if failures else "no failure"
    yield Finding("judging", says, not failures)
    yield Finding(
        "traffic",
        f"{status['messages_total']} messages, {status['rejected_total']} rejected,"
        f" {status['devices']} devices, {status['connections']} connections",
    )
    if abs(off_s := status["clock_off_s"]) > CLOCK_OFF_S:
        says = f"the machine's was set by {-off_s:+.0f} s since the start; a restart follows it"
        yield Finding("clock", says, good=False)
    if wrong := status["clocks_wrong"]:
        count = f"{wrong} of {status['devices']} devices"
        whose = "; is it the server's that is wrong?" if wrong * 2 > status["devices"] else ""
        says = f"those of {count} are off: clock_wrong in /api/devices{whose}"
        yield Finding("clocks", says, good=False)
    refusals = broker["refusals"][-REFUSALS_SHOWN:]
    if not refusals:
        yield Finding("refused", "nobody lately")
    for refusal in refusals:
        who = refusal.get("client") or refusal.get("address")
        yield Finding("refused", f"{who}: {refusal['reason']}")


def _get(holder: Holder, path: str) -> Any:
    # No proxy: the server is on this machine, whatever the environment says of other places.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{Address.parse(holder.http).reachable}{path}", timeout=3) as answer:
        return json.load(answer)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
