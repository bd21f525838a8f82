"""The command line. Every command is a thin layer: read settings, call a part, print."""

import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from tocsin import __version__
from tocsin.commands.bench import bench
from tocsin.commands.credentials import devices, users
from tocsin.commands.functions import functions
from tocsin.commands.options import Config, Data, Http, Mqtt
from tocsin.commands.rules import rules
from tocsin.refusal import Refusal

app = typer.Typer(
    name="tocsin",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Hazard telemetry in one process.

Devices publish over MQTT, rules ring on every reading in motion, browsers watch live.
Start with [bold]tocsin demo[/bold]: a simulated plant, its rules and the dashboard.""",
    epilog="Settings come from flags, TOCSIN_… variables and tocsin.toml, in this order.",
)
app.add_typer(devices, name="devices")
app.add_typer(users, name="users")
app.add_typer(rules, name="rules")
app.add_typer(functions, name="functions")
app.add_typer(bench, name="bench")


def main() -> None:
    """Run a command; a refusal is one line on stderr and exit status 2."""
    try:
        app()
    except Refusal as refusal:
        sys.stderr.write(f"tocsin: {refusal}\n")
        sys.exit(2)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.command()
def serve(
    config: Config = None,
    data: Data = None,
    mqtt: Mqtt = None,
    http: Http = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="Rule file; may be given again.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error.")
    ] = None,
) -> None:
    """Run the server: MQTT broker, alert rules, dashboard.

    Listens on this machine only, unless told otherwise; beyond that it wants credentials
    ([bold]tocsin devices add[/bold], [bold]tocsin users add[/bold]). Ends on Ctrl-C or SIGTERM.
    """
    from tocsin.running import run_server
    from tocsin.settings import load_settings

    run_server(
        load_settings(
            config,
            data=data,
            mqtt=mqtt,
            http=http,
            rules=tuple(rules) if rules else None,
            log_level=log_level,
        )
    )


@app.command()
def demo(
    config: Config = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data folder [default: one of its own].")
    ] = None,
    mqtt: Mqtt = None,
    http: Http = None,
    devices: Annotated[int, typer.Option("--devices", min=1, help="Simulated devices.")] = 30,
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another plant.")] = 1,
) -> None:
    """Run the server with a simulated plant: boilers, pumps, gas detectors, cold rooms.

    Now and then a hazard builds up and rings. Connect a device of your own beside them.
    """
    from platformdirs import user_data_path

    from tocsin.running import run_demo
    from tocsin.settings import load_settings

    folder = data or user_data_path("tocsin") / "demo"
    run_demo(load_settings(config, data=folder, mqtt=mqtt, http=http), devices=devices, seed=seed)


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="What to simulate: plant.")],
    broker: Annotated[
        str, typer.Option("--broker", metavar="URL", help="Where to publish.")
    ] = "mqtt://127.0.0.1:1883",
    devices: Annotated[int, typer.Option("--devices", min=1, help="How many devices.")] = 30,
    rate: Annotated[
        float, typer.Option("--rate", min=0.001, help="Messages a second of each device.")
    ] = 1.0,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed gives the same readings and hazards.")
    ] = 1,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, help="Scenario seconds per second.")
    ] = 1.0,
    qos: Annotated[int, typer.Option("--qos", min=0, max=2, help="MQTT quality of service.")] = 1,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Write every hazard here, as JSON lines.")
    ] = None,
    with_stdin: Annotated[
        bool, typer.Option("--with-stdin", help="End when standard input closes.")
    ] = False,
) -> None:
    """Run devices that are not there, over real MQTT.

    A user name and password for the broker come from TOCSIN_MQTT_USERNAME and
    TOCSIN_MQTT_PASSWORD.
    """
    from tocsin.simulators.simulation import run

    try:
        status = run(
            scenario,
            broker=broker,
            devices=devices,
            rate=rate,
            seed=seed,
            speed=speed,
            qos=qos,
            truth=truth,
            stop=_when_stdin_closes() if with_stdin else None,
        )
    except (ValueError, OSError) as error:
        raise Refusal(str(error)) from None
    raise typer.Exit(status)


def _when_stdin_closes() -> threading.Event:
    """Set when whoever holds the other end of standard input is gone, however it went."""
    closed = threading.Event()

    def wait() -> None:
        sys.stdin.buffer.read()
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    return closed


@app.command()
def doctor(config: Config = None, data: Data = None) -> None:
    """Say how things stand: versions, disk, what listens where, who was refused lately."""
    from tocsin.doctor import examine
    from tocsin.settings import load_settings

    healthy = True
    for finding in examine(load_settings(config, data=data)):
        healthy &= finding.good
        mark = typer.style("ok  ", fg="green") if finding.good else typer.style("bad ", fg="red")
        typer.echo(f"{mark} {finding.subject:<18} {finding.says}")
    raise typer.Exit(0 if healthy else 1)
