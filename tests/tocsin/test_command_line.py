"""Commands as people run them: what they print, their exit status, one line when refused."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import typer.main
from paho.mqtt.enums import CallbackAPIVersion

from tests.server import Server, wait_for
from tests.tocsin.command import finish, run, start
from tocsin import __version__
from tocsin.cli import app


def commands() -> list[list[str]]:
    """Every command and group of commands, as it is typed."""
    found: list[list[str]] = []

    def walk(words: list[str], command: Any) -> None:
        found.append(words)
        for name, below in getattr(command, "commands", {}).items():
            walk([*words, name], below)

    walk([], typer.main.get_command(app))
    return found


def test_every_command_explains_itself(tmp_path: Path):
    typed = commands()
    assert ["devices", "add"] in typed
    for words in typed:
        said = run(tmp_path, *words, "--help")
        assert (said.status, said.err) == (0, ""), words
        assert "Usage:" in said.out
        assert "Traceback" not in said.out
        for name in ("devices", "users", "rules", "serve", "demo", "simulate", "doctor"):
            assert words or name in said.out
        required = r"^│ \*? +\S+ +(?:<\S+>|\[\S+\])? *(.*)\[required\]"
        arguments = re.findall(required, said.out, re.MULTILINE)
        assert all(arguments), f"an argument without a word about it: {words}"


def test_version(tmp_path: Path):
    assert finish(start(tmp_path, "--version")).out == f"tocsin {__version__}\n"


GOOD = """
[[rule]]
name = "hot"
devices = "boiler-*"
when = "temp_c > 80"
severity = "critical"

[[rule]]
name = "silent"
when = "age(temp_c) > 60"
"""
BAD = """
[[rule]]
name = "hot"
when = "temp_c > agv(temp_c, '5m')"
on_delay = "5 min"

[[rule]]
name = "hot"
whn = "temp_c > 80"
"""
BAD_SAYS = """\
tocsin: rules are not valid:
  bad.toml: rule 1 'hot': when: unknown function 'agv' at column 10; did you mean avg?
  bad.toml: rule 1 'hot': on_delay: '5 min' is not a duration; expected a number and s, m, h or d,\
 as in '5m'
  bad.toml: rule 2 'hot': whn: unknown key; expected one of name, when, devices, tags,\
 group_by, clear, on_delay, off_delay, latch, re_alarm, inhibited_by, actions, severity, message,\
 enabled; did you mean when?
  bad.toml: rule 2 'hot': when: is missing; expected text, as in 'temp_c > 80'
  bad.toml: rule 2 'hot': name: is taken by rule 1; expected another name
  none.toml: cannot be read: No such file or directory
"""


def test_rules_check_lists_what_is_right(tmp_path: Path):
    (tmp_path / "good.toml").write_text(GOOD)
    said = run(tmp_path, "rules", "check", "good.toml")
    assert said.status == 0
    assert said.out == (
        "critical  hot: temp_c > 80  [boiler-*]\n"
        "warning   silent: age(temp_c) > 60  [*]\n"
        "2 rules, all valid\n"
    )


def test_rules_check_names_every_mistake_of_every_file(tmp_path: Path):
    (tmp_path / "bad.toml").write_text(BAD)
    (tmp_path / "good.toml").write_text(GOOD)
    said = run(tmp_path, "rules", "check", "good.toml", "bad.toml", "none.toml")
    assert (said.status, said.out, said.err) == (2, "", BAD_SAYS)


ASKING = """
[[rule]]
name = "away"
when = "outside('yrad') and tag('sit') == 'north'"

[[rule]]
name = "hot"
devices = "boiler-*"
when = "temp_x > 80"
"""
YARD = """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties":
{"name": "yard", "radius_m": 80}, "geometry": {"type": "Point", "coordinates": [16, 48]}}]}"""


def test_rules_check_knows_the_zones_that_a_server_would_have(tmp_path: Path):
    (tmp_path / "asking.toml").write_text(ASKING)
    assert run(tmp_path, "rules", "check", "asking.toml").status == 0, "nothing is known of zones"
    (tmp_path / "plant.geojson").write_text(YARD)
    said = run(tmp_path, "rules", "check", "asking.toml", "--zones", "plant.geojson")
    assert said.status == 2
    assert "rule 'away': when: unknown zone 'yrad' at column 9; did you mean yard?" in said.err
    (tmp_path / "tocsin.toml").write_text('zones = ["plant.geojson"]\ndata = "none"\n')
    said = run(tmp_path, "rules", "check", "asking.toml")
    assert (said.status, said.out) == (2, "")
    assert "did you mean yard?" in said.err
    (tmp_path / "asking.toml").write_text(ASKING.replace("yrad", "yard"))
    said = run(tmp_path, "rules", "check", "asking.toml")
    assert (said.status, said.out.splitlines()[-1]) == (0, "2 rules, all valid")
    assert "metrics and tags are not checked" in said.err


def test_rules_check_notes_what_no_device_has(server: Server, tmp_path: Path):
    with server.client("boiler-1") as client:
        sent = client.publish("devices/boiler-1/telemetry", '{"temp_c": 20}', qos=1)
        sent.wait_for_publish(10)
    server.send("PUT", "/api/devices/boiler-1/tags", {"site": "north"})
    server.send("PUT", "/api/zones/yard", json.loads(YARD)["features"][0])
    server.stop()  # which writes a snapshot
    (tmp_path / "asking.toml").write_text(ASKING.replace("yrad", "yard"))
    said = run(tmp_path, "rules", "check", "asking.toml", "--data", str(server.data))
    assert (said.status, said.err) == (0, "")
    assert "note: when: no device has a tag 'sit' at column 25; did you mean site?" in said.out
    assert "note: when: unknown metric 'temp_x' at column 1; did you mean temp_c?" in said.out


def connect(server: Server, user: str, password: str) -> tuple[mqtt.Client, str]:
    """A paho client with its loop running, and what the broker's CONNACK said."""
    answers: list[str] = []
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"as-{user}", reconnect_on_failure=False
    )
    client.username_pw_set(user, password)
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.append(str(reason))
    client.connect(*server.mqtt)
    client.loop_start()
    return client, wait_for("CONNACK", lambda: answers[0] if answers else None)


def test_a_token_logs_its_device_in_until_it_is_revoked(server: Server, tmp_path: Path):
    data = ("--data", str(server.data))
    made = run(tmp_path, "devices", "add", "boiler-1", *data)
    assert made.status == 0
    words = made.out.split()
    assert words[:4] == ["user", "name", "boiler-1", "password"]
    token = words[4]
    assert "cannot be shown again" in made.err

    client, answer = connect(server, "boiler-1", token)
    assert answer == "Success"
    sent = client.publish("devices/boiler-1/telemetry", b'{"temp_c": 21.5}', qos=1)
    sent.wait_for_publish(10)
    wait_for("the reading", lambda: server.device("boiler-1"))
    client.disconnect()
    client.loop_stop()

    for password in (token[:-1], token + "x", ""):
        client, answer = connect(server, "boiler-1", password)
        client.loop_stop()
        assert answer == "Bad user name or password"

    listed = run(tmp_path, "devices", "list", *data)
    assert listed.out.split()[:2] == ["boiler-1", "device"]
    assert token not in listed.out
    assert token.encode() not in (server.data / "state.db").read_bytes()

    assert run(tmp_path, "devices", "revoke", "boiler-1", *data).out == "revoked boiler-1\n"
    client, answer = connect(server, "boiler-1", token)
    client.loop_stop()
    assert answer == "Bad user name or password"
    assert " revoked " in run(tmp_path, "devices", "list", *data).out
    again = run(tmp_path, "devices", "revoke", "boiler-1", *data)
    assert again.refusal() == "no credential 'boiler-1' to revoke; `tocsin devices list` shows all"

    renewed = run(tmp_path, "devices", "add", "boiler-1", *data).out.split()[4]
    assert renewed != token
    client, answer = connect(server, "boiler-1", renewed)
    client.disconnect()
    client.loop_stop()
    assert answer == "Success"


def test_a_device_id_that_cannot_be_one_is_refused(tmp_path: Path):
    refusal = run(tmp_path, "devices", "add", "site/boiler").refusal()
    assert refusal.startswith("device id 'site/boiler' has a character that is not allowed")


def test_users_come_and_go(server: Server, tmp_path: Path):
    data = ("--data", str(server.data))
    login = {"name": "ada", "password": "longer than eight"}
    assert server.send("POST", "/api/login", login).status_code == 401
    added = run(tmp_path, "users", "add", "ada", *data, typed="longer than eight\n")
    assert (added.status, added.out) == (0, "ada can log in\n")
    assert server.send("POST", "/api/login", login).status_code in (200, 204)
    assert run(tmp_path, "users", "list", *data).out.split()[0] == "ada"

    again = run(tmp_path, "users", "add", "ada", *data, typed="longer than eight\n")
    assert again.refusal() == "user 'ada' exists; expected a new name"
    short = run(tmp_path, "users", "add", "eve", *data, typed="short\n")
    assert short.refusal() == "password has 5 characters; expected 8 to 256"

    assert run(tmp_path, "users", "remove", "ada", *data).out == "removed ada\n"
    assert server.send("POST", "/api/login", login).status_code == 401
    gone = run(tmp_path, "users", "remove", "ada", *data)
    assert gone.refusal() == "user 'ada' does not exist"
    assert run(tmp_path, "users", "list", *data).out == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("plnt",), "scenario 'plnt' is unknown; expected plant"),
        (("plant", "--broker", "http://127.0.0.1:1"), "expected mqtt://HOST[:PORT]"),
    ],
)
def test_simulate_refuses_what_it_does_not_know(
    arguments: tuple[str, ...], reason: str, tmp_path: Path
):
    assert reason in run(tmp_path, "simulate", *arguments).refusal()


# -- doctor -----------------------------------------------------------------------------------


def findings(out: str) -> dict[str, tuple[str, str]]:
    """Verdict and words by subject."""
    found: dict[str, tuple[str, str]] = {}
    for line in out.splitlines():
        verdict, subject, says = line[:4].strip(), line[5:24].strip(), line[24:]
        found[subject] = (verdict, says)
    return found


def test_doctor_without_a_server(tmp_path: Path):
    (tmp_path / "tocsin.toml").write_text("mqtt = '127.0.0.1:0'\nhttp = '127.0.0.1:0'")
    said = run(tmp_path, "doctor", "--data", "none")
    found = findings(said.out)
    assert found["server"] == ("ok", "none is running on none")
    assert found["data folder"] == ("ok", "none, not made yet")
    assert found["MQTT"][0] == found["dashboard"][0] == "ok"
    assert __version__ in found["tocsin"][1]
    assert not (tmp_path / "none").exists(), "looking makes nothing"


def test_doctor_with_a_running_server(server: Server, tmp_path: Path):
    with server.client("d") as client:
        client.publish("devices/d/telemetry", b"{", qos=1).wait_for_publish(10)
    stranger, answer = connect(server, "eve", "guess")
    stranger.loop_stop()
    assert answer == "Bad user name or password"
    # A proxy of the environment is for other places than this machine.
    process = start(
        tmp_path, "doctor", "--data", str(server.data), env={"http_proxy": "http://127.0.0.1:9"}
    )
    said = finish(process)
    found = findings(said.out)
    assert found["server"] == ("ok", f"process {server.pid}, tocsin {__version__}")
    assert found["MQTT"] == ("ok", f"127.0.0.1:{server.mqtt[1]} answers")
    assert found["dashboard"] == ("ok", f"{server.http.removeprefix('http://')} answers")
    assert found["journal"] == ("ok", "ok")
    assert found["background"][0] == found["judging"][0] == "ok"
    assert "1 messages, 1 rejected, 1 devices" in found["traffic"][1]
    assert "wrong credentials: client 'as-eve', user 'eve'" in found["refused"][1]
    assert (said.status == 0) == (found["disk"][0] == "ok")


def test_doctor_respects_a_login(tmp_path: Path):
    server = Server(tmp_path / "data", env={"TOCSIN_DASHBOARD__REQUIRE_LOGIN": "true"}).start()
    try:
        found = findings(run(tmp_path, "doctor", "--data", "data").out)
        assert found["status"] == ("ok", "only for those who log in to the dashboard")
    finally:
        server.kill()


def test_doctor_sees_a_busy_port_and_what_a_folder_is_not(tmp_path: Path):
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        (tmp_path / "tocsin.toml").write_text(f"mqtt = '{address}'")
        said = run(tmp_path, "doctor", "--data", "file")
    assert said.status == 1
    found = findings(said.out)
    assert found["MQTT"] == (
        "bad",
        f"cannot listen on {address}: Address already in use; choose another with --mqtt HOST:PORT",
    )
    assert found["data folder"][0] == "bad"
