"""Running a server from the command line: event loop, signals, what a person is told."""

import asyncio
import contextlib
import os
import resource
import shlex
import signal
import sys
import threading
from collections.abc import Awaitable, Callable

from rich.console import Console

from tocsin.app import STOP_S, App
from tocsin.logs import set_up_logs
from tocsin.memory import freeze_what_lives_on, give_back_what_is_freed
from tocsin.refusal import Refusal
from tocsin.rule_files import read_rules
from tocsin.settings import Settings
from tocsin.simulators.default_rules import rules_file

Beside = Callable[[App], Awaitable[None]]

LAST_S = 0.4
"""How long the threads may take to end after all parts have stopped."""
PLANT_S = 0.5
"""How long the simulated plant may take to end; it has nothing to lose."""


def run_server(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM."""
    set_up_logs(settings.log_level, settings.log_format)
    _run(
        _serve(App(settings, read_rules(settings.rules), rule_files=settings.rules), _until_stopped)
    )


def run_demo(settings: Settings, *, devices: int, seed: int) -> None:
    """Serve with a simulated plant beside, in a process of its own, until SIGINT or SIGTERM."""
    set_up_logs("warning" if sys.stderr.isatty() else settings.log_level, settings.log_format)
    files = (rules_file("plant"), *settings.rules)
    plant = _Plant(devices, seed)
    _run(_serve(App(settings, read_rules(files), rule_files=files, demo=True), plant.run_beside))


async def _serve(app: App, beside: Beside) -> None:
    stop = asyncio.Event()
    allow_open_files()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await app.start()
    freeze_what_lives_on()
    companion = asyncio.ensure_future(beside(app))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([companion, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        companion.cancel()
        ends = loop.time() + STOP_S
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await companion
        finally:
            await app.stop(ends - loop.time())
            _end_for_certain()


def _end_for_certain() -> None:
    """All parts are stopped, and what is not on the disk was not acknowledged: a thread that waits
    for a disk that does not answer shall not keep the process."""
    last = threading.Timer(LAST_S, os._exit, (0,))
    last.daemon = True
    last.start()


def allow_open_files() -> None:
    """Take as many sockets as the system allows: the usual soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS refuses "unlimited" for this one; the limit it has is then what it is.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until_stopped(app: App) -> None:
    await asyncio.Event().wait()


class _Plant:
    """The simulator process of the demo."""

    def __init__(self, devices: int, seed: int) -> None:
        self._arguments = ["--devices", str(devices), "--seed", str(seed)]
        self._devices = devices

    async def run_beside(self, app: App) -> None:
        url = f"mqtt://{app.mqtt_address.reachable}"
        command = [sys.executable, "-m", "tocsin", "simulate", "plant", "--broker", url]
        command += ["--with-stdin"]
        plant = await asyncio.create_subprocess_exec(
            *command,
            *self._arguments,
            # The plant ends when this closes: it does not outlive us, not even a kill -9.
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # Ctrl-C in the terminal is for us; we end the plant ourselves.
            start_new_session=True,
        )
        try:
            greet(app, self._devices)
            status = await plant.wait()
            raise Refusal(f"the simulated plant ended with status {status}")
        finally:
            if plant.returncode is None:
                plant.terminate()
                try:
                    async with asyncio.timeout(PLANT_S):
                        await plant.wait()
                except TimeoutError:
                    plant.kill()
                    await plant.wait()


def greet(app: App, devices: int) -> None:
    """Tell a person who just started the demo where to look and what to try."""
    mqtt = app.mqtt_address.reachable
    payload = shlex.quote('{"temp_c": 21.5}')
    publish = (
        f"mosquitto_pub -h {mqtt.host} -p {mqtt.port} -t devices/my-first/telemetry -m {payload}"
    )
    out = Console(highlight=False, soft_wrap=True)
    out.print()
    out.print(
        f"  [bold]Tocsin is up[/bold]   {devices} simulated devices, first alarm within a minute"
    )
    out.print()
    out.print(f"  Dashboard    [bold cyan]http://{app.http_address.reachable}[/bold cyan]")
    out.print(f"  MQTT         mqtt://{mqtt}")
    out.print("  Your device  ", end="")
    out.print(publish, markup=False)
    out.print()
    out.print("  Ctrl-C ends it.")
    out.print()


def _run(main: Awaitable[None]) -> None:
    """Run `main` on uvloop where there is one."""
    give_back_what_is_freed()

    async def whole() -> None:
        await main

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(whole())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
