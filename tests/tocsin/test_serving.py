"""When a server does not start, and how one ends."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker.certificates import Authority
from tests.server import Events, Server, wait_for
from tests.tocsin.command import finish, run, start
from tocsin.devices.credentials import Credential, Role, hash_token
from tocsin.devices.storage.credentials import CredentialStore
from tocsin.devices.storage.database import Database
from tocsin.ingest.storage.state import StateStore

SERVE = ("serve", "--data", "data", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")


def test_strangers_are_not_let_in_by_accident(tmp_path: Path):
    everywhere = "0.0.0.0:0"
    open_mqtt = start(tmp_path, *SERVE, "--mqtt", everywhere, "--data", "a")
    open_http = start(tmp_path, *SERVE, "--http", everywhere, "--data", "b")
    assert finish(open_mqtt).refusal() == (
        "--mqtt 0.0.0.0:0 can be reached from other machines and no device has a credential;"
        " make one with `tocsin devices add NAME`"
    )
    assert finish(open_http).refusal() == (
        "--http 0.0.0.0:0 can be reached from other machines and nobody can log in;"
        " make a user with `tocsin users add NAME`"
    )


@contextmanager
def credentials(folder: Path) -> Generator[CredentialStore]:
    database = Database.open(folder)
    yield CredentialStore(database)
    database.close()


BOILER = Credential("boiler-1", Role.DEVICE, hash_token(b"token"), 1.0)


def test_a_revoked_credential_is_none(tmp_path: Path):
    with credentials(tmp_path / "data") as store:
        store.put(BOILER)
        assert store.revoke("boiler-1", 2.0)
    refusal = run(tmp_path, *SERVE, "--mqtt", "0.0.0.0:0").refusal()
    assert "no device has a credential" in refusal


def test_with_a_credential_it_listens_beyond_this_machine_and_trusts_nobody(tmp_path: Path):
    with credentials(tmp_path / "data") as store:
        store.put(BOILER)
    server = Server(tmp_path / "data", "--mqtt", "0.0.0.0:0").start()
    try:
        assert server.mqtt[0] == "0.0.0.0"
        refused: list[str] = []
        with server.client("stranger") as client:
            client.on_connect = lambda _c, _u, _f, reason, _p: refused.append(str(reason))
            assert wait_for("CONNACK", lambda: refused[0] if refused else None) == "Not authorized"
    finally:
        server.kill()


@pytest.mark.parametrize(("flag", "what"), [("--mqtt", "MQTT "), ("--http", "")])
def test_a_busy_port_is_named_with_the_flag_that_changes_it(flag: str, what: str, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        refusal = run(tmp_path, *SERVE, flag, address).refusal()
    assert refusal.startswith(f"{what}cannot listen on {address}: ")
    assert refusal.endswith(f"; choose another with {flag} HOST:PORT")


def test_a_second_server_on_one_data_folder_is_refused(server: Server, tmp_path: Path):
    assert run(tmp_path, *SERVE, "--data", str(server.data)).refusal() == (
        f"data folder {server.data} is in use by process {server.pid}"
        f" (dashboard on {server.http.removeprefix('http://')});"
        " stop it or choose another with --data DIR"
    )
    assert server.get("/healthz") is not None


def test_a_data_folder_of_a_newer_version_is_refused(tmp_path: Path):
    database = Database.open(tmp_path / "data")
    StateStore(database)
    database.run_now(
        lambda connection: connection.execute(
            "UPDATE schema_versions SET version = 99 WHERE package = 'ingest'"
        )
    )
    database.close()
    refusal = run(tmp_path, *SERVE).refusal()
    assert "holds version 99 of the tables of 'ingest'" in refusal
    assert "start the newer Tocsin that wrote it, or use another data folder" in refusal


def test_a_folder_that_cannot_hold_data_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    refusal = run(tmp_path, *SERVE, "--data", "file").refusal()
    assert refusal == ("data folder file cannot be used: is a file; choose another with --data DIR")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "state.db").write_bytes(b"no database at all" * 100)
    assert "state.db cannot be opened" in run(tmp_path, *SERVE).refusal()


def test_one_name_in_a_file_and_in_the_page_is_refused(tmp_path: Path):
    server = Server(tmp_path / "data").start()
    rule = {"name": "hot", "when": "temp_c > 80"}
    assert server.send("POST", "/api/rules", rule).status_code == 201
    server.stop()
    (tmp_path / "plant.toml").write_text("[[rule]]\nname = 'hot'\nwhen = 'temp_c > 90'\n")
    refusal = run(tmp_path, *SERVE, "--rules", "plant.toml").refusal()
    assert "'hot' exists already, from the page or the API; a rule has one source" in refusal


def lock_of(folder: Path) -> Callable[[], Any]:
    """What the lock file says once a server describes itself."""

    def look() -> Any:
        try:
            return json.loads((folder / "lock").read_text())
        except (OSError, ValueError):
            return None

    return look


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_ends_the_demo_its_plant_and_its_viewers_within_three_seconds(tmp_path: Path):
    demo = start(
        tmp_path,
        *("demo", "--data", "data", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        *("--devices", "4"),
    )
    try:
        holder = wait_for("the demo is up", lock_of(tmp_path / "data"), 30)
        page = Events(f"http://{holder['http']}/api/stream", {})
        page.first("readings", lambda frame: frame["readings"], 30)
        children = psutil.Process(demo.pid).children(recursive=True)
        [plant] = [child for child in children if "simulate" in child.cmdline()]

        asked = time.monotonic()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(10) == 0
        assert time.monotonic() - asked < 3
        page.first("closed", lambda _: True)
        page.close()
        assert ended(plant)
        wait_for("no process of the demo is left", lambda: all(map(ended, children)), 5)
        said = finish(demo)
        assert f"http://{holder['http']}" in said.out
        assert f"mosquitto_pub -h 127.0.0.1 -p {holder['mqtt'].rpartition(':')[2]}" in said.out
        assert "Traceback" not in said.err
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.communicate()


def test_a_demo_without_its_plant_ends_and_says_so(tmp_path: Path):
    demo = start(
        tmp_path,
        *("demo", "--data", "data", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0"),
        *("--devices", "1"),
    )
    wait_for("the demo is up", lock_of(tmp_path / "data"), 30)

    def plant() -> int | None:
        found = psutil.Process(demo.pid).children()
        return next((child.pid for child in found if "simulate" in child.cmdline()), None)

    os.kill(wait_for("the plant", plant), signal.SIGKILL)
    assert finish(demo).refusal() == "the simulated plant ended with status -9"
    # Stopped in order: what the server knew is in a snapshot, and its folder is free.
    assert list((tmp_path / "data" / "snapshots").iterdir())
    Database.open(tmp_path / "data").close()


def test_devices_come_in_with_a_certificate_and_what_is_wrong_with_one_is_said(tmp_path: Path):
    authority = Authority(tmp_path)
    certificate, key = authority.server()
    table = (
        f"[[listener]]\naddress = '[::1]:0'\ntls_certificate = '{certificate}'\n"
        f"tls_key = '{key}'\ntls_client_ca = '{authority.ca}'\n"
    )
    config = tmp_path / "tls.toml"
    config.write_text(table + "tls_require_certificate = true\n")
    with credentials(tmp_path / "data") as store:
        store.put(Credential("lost", Role.DEVICE, hash_token(b"token"), 1.0))
        store.revoke("lost", 2.0)
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        [plain, secured] = server.get("/api/broker")["listeners"]
        assert (plain["tls"], plain["anonymous"]) == (False, True)
        assert (secured["tls"], secured["client_certificates"]) == (True, "required")
        port = secured["address"].rpartition(":")[2]
        for name, status in (("boiler-1", 0), ("lost", 4)):
            shown = authority.device(name)
            command = ["mosquitto_pub", "-h", "::1", "-p", port, "--cafile", str(authority.ca)]
            command += ["--cert", str(shown[0]), "--key", str(shown[1]), "-q", "1", "-m", "21"]
            done = subprocess.run(
                [*command, "-t", f"devices/{name}/temp_c"], capture_output=True, timeout=20
            )
            assert bool(done.returncode) == bool(status), done.stderr
        assert wait_for("the device", lambda: server.device("boiler-1"))["readings_total"] == 1
        assert server.device("lost") is None
    finally:
        server.kill()
    config.write_text(table.replace(str(key), str(authority.device("other")[1])))
    refusal = run(tmp_path, *SERVE, "--config", str(config)).refusal()
    assert refusal.startswith(f"MQTT cannot listen on [::1]:0: {certificate} and ")


def test_a_password_file_lets_devices_in_and_says_what_is_wrong_with_it(tmp_path: Path):
    made = run(
        tmp_path, "devices", "password", "boiler-1", "--file", "pw", typed="hunter2hunter2\n"
    )
    assert made.out == "boiler-1 can connect with this password where password_file is pw\n"
    (tmp_path / "tocsin.toml").write_text("password_file = 'pw'\n")
    config = ("--config", str(tmp_path / "tocsin.toml"))
    env = {"TOCSIN_PASSWORD_FILE": str(tmp_path / "pw")}
    server = Server(tmp_path / "data", "--mqtt", "0.0.0.0:0", *config, env=env).start()
    try:
        for password, status in (("wrong", False), ("hunter2hunter2", True)):
            command = ["mosquitto_pub", "-p", str(server.mqtt[1]), "-u", "boiler-1", "-q", "1"]
            command += ["-P", password, "-t", "devices/boiler-1/temp_c", "-m", "21"]
            assert (subprocess.run(command, timeout=20).returncode == 0) == status
    finally:
        server.kill()
    (tmp_path / "pw").write_text("boiler-1:hunter2hunter2\n")
    refusal = run(tmp_path, *SERVE).refusal()
    assert refusal == (
        "password file pw, line 1: user 'boiler-1' has no argon2 hash;"
        " make one with `tocsin devices password`"
    )
