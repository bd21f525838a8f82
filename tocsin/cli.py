"""The command line. Every command is a thin layer: read settings, call a part, print."""

import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin import __version__
from tocsin.refusal import Refusal

if TYPE_CHECKING:
    from tocsin.devices.storage.database import Database

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
devices = typer.Typer(no_args_is_help=True, help="Credentials with which devices connect.")
users = typer.Typer(no_args_is_help=True, help="People who may log in to the dashboard.")
rules = typer.Typer(no_args_is_help=True, help="Alert rules in files.")
functions = typer.Typer(no_args_is_help=True, help="Python functions of your own.")
bench = typer.Typer(
    no_args_is_help=True,
    help="""Measure a running server from the wire.

    Devices [bold]bench-0[/bold], [bold]bench-1[/bold], … publish to it and stay in its catalogue,
    so start one for it: [bold]tocsin serve --data /tmp/bench[/bold].""",
)
app.add_typer(devices, name="devices")
app.add_typer(users, name="users")
app.add_typer(rules, name="rules")
app.add_typer(functions, name="functions")
app.add_typer(bench, name="bench")

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file [default: ./tocsin.toml].")
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder [default: the platform's].")]
Mqtt = Annotated[
    str | None,
    typer.Option("--mqtt", metavar="HOST:PORT", help="MQTT listener [default: 127.0.0.1:1883]."),
]
Http = Annotated[
    str | None,
    typer.Option("--http", metavar="HOST:PORT", help="Dashboard [default: 127.0.0.1:8000]."),
]


def main() -> None:
    """Run a command; a refusal is one line on stderr and exit status 2."""
    try:
        app()
    except Refusal as refusal:
        sys.stderr.write(f"tocsin: {refusal}\n")
        sys.exit(2)


@contextmanager
def _database(config: Path | None, data: Path | None) -> Generator["Database"]:
    """state.db of the data folder, also beside a running server."""
    from tocsin.devices.storage.database import Database, DatabaseError
    from tocsin.lock import make_folder
    from tocsin.settings import load_settings

    folder = load_settings(config, data=data).data
    make_folder(folder)
    try:
        database = Database.open(folder)
    except DatabaseError as error:
        raise Refusal(str(error)) from None
    try:
        yield database
    finally:
        database.close()


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


@rules.command("check")
def rules_check(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    zones: Annotated[
        list[Path] | None, typer.Option("--zones", help="GeoJSON file; may be given again.")
    ] = None,
    config: Config = None,
    data: Data = None,
) -> None:
    """Check rule files; name every mistake with its place.

    With settings or a data folder also against what is there: zones and channels that are missing
    are mistakes, as they are for the server; a metric or a tag that no device has, and devices that
    are not known, may come yet and are said as notes.
    """
    from tocsin.ingest.rules.validation import validate
    from tocsin.rule_check import RuleCheck
    from tocsin.rule_files import read_rules
    from tocsin.settings import load_settings

    found = read_rules(files)
    has_settings = config or data or Path("tocsin.toml").is_file()
    check = RuleCheck(load_settings(config, data=data) if has_settings else None, zones or [])
    if problems := check.problems(found):
        raise Refusal("\n  ".join(["rules are not valid:", *problems]))
    for rule in found:
        typer.echo(f"{rule.severity:<8}  {rule.name}: {rule.when}  [{rule.devices}]")
        for doubt in check.doubts(validate(rule)):
            typer.echo(f"          note: {doubt}")
    typer.echo("1 rule, valid" if len(found) == 1 else f"{len(found)} rules, all valid")
    if check.unknown:
        typer.echo(f"note: metrics and tags are not checked: {check.unknown}", err=True)


@rules.command("explain")
def rules_explain(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, a rule a line.")] = False,
) -> None:
    """Say what judging rules takes: what wakes them, the windows they share, their cost."""
    import msgspec

    from tocsin.ingest.rules.explain import explain, lines
    from tocsin.ingest.rules.validation import validate
    from tocsin.rule_files import read_rules

    checked = [validate(rule) for rule in read_rules(files)]
    for rule in checked:
        explanation = explain(rule, (each for each in checked if each.rule.enabled))
        if as_json:
            typer.echo(msgspec.json.encode(explanation))
        else:
            typer.echo("\n".join(lines(explanation)))


@rules.command("backtest")
def rules_backtest(
    files: Annotated[list[Path], typer.Argument(help="TOML files of [[rule]] tables.")],
    start: Annotated[
        str, typer.Option("--from", metavar="TIME", help="A time, or how long ago.")
    ] = "24h",
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="The same [default: now].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Say how often rules would have rung, over the readings in the data folder.

    As if they had been put in force at [bold]--from[/bold]. Nothing is changed and nobody is told.
    Works beside a running server; what that has not written to history yet, about a minute, is
    not judged.
    """
    from tocsin.backtesting import run_backtest
    from tocsin.rule_files import read_rules
    from tocsin.settings import load_settings

    settings = load_settings(config, data=data)
    run_backtest(settings, read_rules(files), start, end, as_json=as_json)


@functions.command("test")
def functions_test(
    path: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="What to load.")],
    given: Annotated[
        Path | None,
        typer.Option("--input", help="Readings as JSON lines: a device and its metrics in each."),
    ] = None,
    config: Config = None,
) -> None:
    """Run functions as the server would, and show what they make, print and do wrong.

    Without [bold]--input[/bold] each is called with one reading made up for it. Ends with status 1
    if there was a problem.
    """
    from tocsin.function_test import run_function_test
    from tocsin.settings import load_settings

    if not run_function_test(path, given, load_settings(config).functions):
        raise typer.Exit(1)


@devices.command("add")
def devices_add(
    name: Annotated[str, typer.Argument(help="The device's id; its MQTT user name.")],
    operator: Annotated[
        bool,
        typer.Option("--operator", help="Not a device: may read everything and send commands."),
    ] = False,
    config: Config = None,
    data: Data = None,
) -> None:
    """Make a credential and print its token, once. Again for the same name: a new token."""
    from tocsin.devices.credentials import Credential, Role, hash_token, new_token
    from tocsin.devices.storage.credentials import CredentialStore
    from tocsin.devices.topics import TopicError, check_device_id

    try:
        check_device_id(name)
    except TopicError as error:
        raise Refusal(str(error)) from None
    token = new_token()
    role = Role.OPERATOR if operator else Role.DEVICE
    with _database(config, data) as database:
        store = CredentialStore(database)
        store.put(Credential(name, role, hash_token(token.encode()), time.time()))
    typer.echo(f"user name  {name}\npassword   {token}")
    typer.echo("The password is not stored and cannot be shown again.", err=True)


@devices.command("password")
def devices_password(
    name: Annotated[str, typer.Argument(help="The device's id; its MQTT user name.")],
    file: Annotated[
        Path, typer.Option("--file", help="The password file; made if it is not there.")
    ],
    operator: Annotated[
        bool,
        typer.Option("--operator", help="Not a device: may read everything and send commands."),
    ] = False,
) -> None:
    """Give a device a password of your choice, as a line of a password file.

    It is asked for, or read from standard input if that is a pipe. A running server that has
    the file as [bold]password_file[/bold] reads it again by itself.
    """
    from tocsin.dashboard.users.passwords import hash_password
    from tocsin.devices.credentials import Role
    from tocsin.devices.password_file import Entry, put_entry
    from tocsin.devices.topics import check_device_id

    try:
        check_device_id(name)
        if ":" in name:
            raise ValueError(f"user name {name!r} has a colon, which ends the name in the file")
        entry = Entry(name, hash_password(_password()), Role.OPERATOR if operator else Role.DEVICE)
        put_entry(file, entry)
    except (ValueError, OSError) as error:
        raise Refusal(str(error)) from None
    typer.echo(f"{name} can connect with this password where password_file is {file}")


@devices.command("list")
def devices_list(config: Config = None, data: Data = None) -> None:
    """List credentials."""
    from tocsin.devices.storage.credentials import CredentialStore
    from tocsin.devices.timestamps import rfc3339

    with _database(config, data) as database:
        store = CredentialStore(database)
        for found in store.all():
            revoked = f"revoked {rfc3339(found.revoked_at)}" if found.revoked_at else ""
            typer.echo(
                f"{found.name:<32} {found.role:<9} {rfc3339(found.created_at)} {revoked}".rstrip()
            )


@devices.command("revoke")
def devices_revoke(
    name: Annotated[str, typer.Argument(help="As it was added.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Revoke a credential: its next connection is refused."""
    from tocsin.devices.storage.credentials import CredentialStore

    with _database(config, data) as database:
        store = CredentialStore(database)
        if not store.revoke(name, time.time()):
            raise Refusal(f"no credential {name!r} to revoke; `tocsin devices list` shows all")
    typer.echo(f"revoked {name}")


def _password() -> str:
    """Asked for on a terminal, read from what else standard input is."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@users.command("add")
def users_add(
    name: Annotated[str, typer.Argument(help="What they log in with.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Add a person. The password is asked for, or read from standard input if that is a pipe."""
    from tocsin.dashboard.users.accounts import add_user

    password = _password()
    with _database(config, data) as database:
        try:
            add_user(database, name, password, time.time())
        except ValueError as error:
            raise Refusal(str(error)) from None
    typer.echo(f"{name} can log in")


@users.command("list")
def users_list(config: Config = None, data: Data = None) -> None:
    """List the people who may log in."""
    from tocsin.dashboard.users.accounts import list_users
    from tocsin.devices.timestamps import rfc3339

    with _database(config, data) as database:
        for user in list_users(database):
            typer.echo(f"{user.name:<32} {rfc3339(user.created_at)}")


@users.command("remove")
def users_remove(
    name: Annotated[str, typer.Argument(help="As it was added.")],
    config: Config = None,
    data: Data = None,
) -> None:
    """Remove a person. Their logins end at once, pages they have open within two seconds."""
    from tocsin.dashboard.users.accounts import remove_user

    with _database(config, data) as database:
        try:
            remove_user(database, name)
        except LookupError as error:
            raise Refusal(str(error.args[0])) from None
    typer.echo(f"removed {name}")


BenchBroker = Annotated[str, typer.Option("--broker", metavar="URL", help="Where to publish.")]
BenchConnections = Annotated[
    int, typer.Option("--connections", min=1, help="Devices, each with a connection.")
]
BenchQos = Annotated[
    int, typer.Option("--qos", min=0, max=1, help="0, or 1: acknowledged when on disk.")
]
BenchMetrics = Annotated[
    int, typer.Option("--metrics", min=1, max=4, help="Readings in a message.")
]
BenchSeconds = Annotated[
    float, typer.Option("--seconds", min=0.1, max=3600.0, help="How long to measure.")
]


@bench.command("load")
def bench_load(
    broker: BenchBroker = "mqtt://127.0.0.1:1883",
    connections: BenchConnections = 1000,
    qos: BenchQos = 1,
    metrics: BenchMetrics = 4,
    in_flight: Annotated[
        int, typer.Option("--in-flight", min=1, help="Messages under way in all.")
    ] = 500,
    pipeline: Annotated[
        int, typer.Option("--pipeline", min=1, help="Messages of a device sent in one piece.")
    ] = 1,
    seconds: BenchSeconds = 10.0,
) -> None:
    """How many messages a second: as fast as the server takes them.

    Always [bold]--in-flight[/bold] messages are under way; the next leaves when one is
    acknowledged, at QoS 0 when the server has read it. More under way means more messages a
    second and longer waits.

    Few fast devices: [bold]--connections 4 --pipeline 32[/bold].

    A user name and password come from TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD.
    """
    from tocsin.simulators.bench.measurement import Offer, measure_load

    offer = Offer(broker, connections, qos, metrics, seconds)
    with _bench_refusals():
        for line in measure_load(offer, in_flight, pipeline):
            typer.echo(line)


@bench.command("latency")
def bench_latency(
    broker: BenchBroker = "mqtt://127.0.0.1:1883",
    http: Annotated[
        str, typer.Option("--http", metavar="HOST:PORT", help="The server's dashboard.")
    ] = "127.0.0.1:8000",
    viewer: Annotated[
        bool, typer.Option(help="Whether to watch the dashboard's stream as a browser does.")
    ] = True,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, help="Messages a second in all.")
    ] = 1000.0,
    connections: BenchConnections = 1000,
    qos: BenchQos = 1,
    metrics: BenchMetrics = 4,
    seconds: BenchSeconds = 10.0,
) -> None:
    """How long it takes: publish → acknowledgement and publish → browser at a fixed rate.

    Messages leave when they are due, however long the server takes; the wait counts from then.
    The dashboard gathers readings for 100 ms, which is part of publish → browser.

    A percentile is printed only where ten samples lie beyond it: 99.9 % takes 10,000 messages.

    A user name and password come from TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD.
    """
    from tocsin.simulators.bench.measurement import Offer, measure_latency

    offer = Offer(broker, connections, qos, metrics, seconds)
    with _bench_refusals():
        for line in measure_latency(offer, rate, http if viewer else None):
            typer.echo(line)


@contextmanager
def _bench_refusals() -> Generator[None]:
    from tocsin.simulators.bench.load import LoadError

    try:
        yield
    except (LoadError, ValueError) as error:
        raise Refusal(str(error)) from None


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
