"""Settings from file, environment and flags; what is wrong is one line that says where."""

from pathlib import Path

import pytest

from tocsin.broker.access import Action, Rule
from tocsin.devices.credentials import Role
from tocsin.refusal import Refusal
from tocsin.settings import Settings, load_settings, setting_defaults, setting_names


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """A folder without tocsin.toml."""
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("tocsin.toml")
    file.write_text(text)
    return file


def refused(toml: str = "") -> str:
    """Why `toml` and the environment are refused: one line."""
    write(toml)
    with pytest.raises(Refusal) as caught:
        load_settings()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_defaults_listen_on_this_machine_only():
    settings = load_settings()
    assert settings.mqtt_address.is_loopback
    assert settings.http_address.is_loopback
    assert (settings.mqtt_address.port, settings.http_address.port) == (1883, 8000)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch):
    write("mqtt = '127.0.0.1:1'\nhttp = '127.0.0.1:2'\nlog_level = 'error'")
    monkeypatch.setenv("TOCSIN_MQTT", "127.0.0.1:11")
    monkeypatch.setenv("TOCSIN_HTTP", "127.0.0.1:12")
    settings = load_settings(mqtt="127.0.0.1:21", http=None)
    assert (settings.mqtt, settings.http, settings.log_level) == (
        "127.0.0.1:21",
        "127.0.0.1:12",
        "error",
    )


def test_environment_and_file_may_set_parts_of_one_section(monkeypatch: pytest.MonkeyPatch):
    write("[broker]\nconnections = 5\n[ingest.caps]\ndevices = 6")
    monkeypatch.setenv("TOCSIN_BROKER__IN_FLIGHT", "7")
    monkeypatch.setenv("TOCSIN_INGEST__CAPS__SERIES", "8")
    settings = load_settings()
    assert (settings.broker.connections, settings.broker.in_flight) == (5, 7)
    assert (settings.ingest.caps.devices, settings.ingest.caps.series) == (6, 8)


def test_the_environment_names_lists_as_shells_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_RULES", "plant.toml:site/more.toml")
    monkeypatch.setenv("TOCSIN_DASHBOARD__HOSTS", "plant.example, 10.0.0.5")
    settings = load_settings()
    assert settings.rules == (Path("plant.toml"), Path("site/more.toml"))
    assert settings.dashboard.hosts == ("plant.example", "10.0.0.5")


def test_another_file_by_name_and_one_that_is_not_there():
    write("http = '127.0.0.1:1'").rename("other.toml")
    assert load_settings().http == "127.0.0.1:8000"
    assert load_settings(Path("other.toml")).http == "127.0.0.1:1"
    with pytest.raises(Refusal, match=r"--config none\.toml: there is no such file"):
        load_settings(Path("none.toml"))


def test_topics_and_profiles_are_tables():
    write(
        "[[topic]]\npattern = 'plant/{site}/{device}/{metric}'\nid = '{site}.{device}'\n"
        "[[profile]]\ndevices = 'boiler-*'\nunits = { t = '°C' }\nallowed_lateness_s = 0"
    )
    settings = load_settings()
    claim = settings.topic[0].compile().match(["plant", "north", "b1", "temp_c"])
    assert claim is not None
    assert (claim.device, claim.metric) == ("north.b1", "temp_c")
    assert settings.profile[0].unit_of("t") == "°C"


WRONG = {
    "mqqt = '127.0.0.1:1'": "settings: 'mqqt' is not a setting; did you mean mqtt?",
    "[broker]\nconections = 5": "'broker.conections' is not a setting;"
    " did you mean broker.connections?",
    "[brokr]\nconnections = 5": "'brokr' is not a setting; did you mean broker?",
    "[ingest.caps]\ndevises = 5": "did you mean ingest.caps.devices?",
    "[[topic]]\npattern = 'a/{device}'\nids = 'x'": "'topic 1.ids' is not a setting;"
    " did you mean topic.id?",
    "[[topic]]\nid = 'a'": "topic 1.pattern is missing",
    "[topic]\npattern = 'a/{device}'": "topic: expected [[topic]] tables",
    "[[topic]]\npattern = 'a//{device}'": "topic: topic pattern 'a//{device}' has the level ''",
    "[[topic]]\npattern = 'plant/{site}/{device}/{metric}'": "expected an id, such as"
    " id = '{site}.{device}'",
    "[[profile]]\ndevises = 'b*'": "did you mean profile.devices?",
    "[[profile]]\nallowed_lateness_s = -1": "profile.allowed_lateness_s is -1.0;"
    " expected 0 or more",
    "mqtt = 'localhost'": "settings: mqtt: address 'localhost' has no port; expected HOST:PORT",
    "http = '::1:8000'": "http: address '::1:8000' is ambiguous; expected brackets",
    "log_level = 'loud'": "log_level = 'loud': input should be 'debug', 'info', 'warning'",
    "data = 5": "data = '5': expected a path",
    "broker = 5": "broker = '5': expected a table",
    "[broker]\nconnections = 'many'": "broker.connections = 'many': input should be a valid int",
    "[broker]\nconnections = 0": "broker: connections is 0; expected more than 0",
    "[broker]\nlisteners = []": "'broker.listeners' is not a setting; did you mean mqtt?",
    "[ingest]\nprofiles = []": "'ingest.profiles' is not a setting; did you mean profile?",
    "[engine]\nmaintenance_s = 0": "engine.maintenance_s is 0.0; expected more than 0",
    "[engine]\ntick_s = inf": "engine.tick_s is inf; expected more than 0",
    "[history]\nraw_days = nan": "history.raw_days is nan; expected more than 0",
    "[heartbeat]\nbroker = 'watch.example'": "broker 'watch.example' has the scheme 'none'",
    "[heartbeat]\npassword_env = 'X'": "heartbeat.password_env is for heartbeat.broker",
    "[heartbeat]\nbroker = 'mqtt://h'\ntls_ca = 'x'": "heartbeat.tls_ca is for TLS",
    "mqtt = ": "settings: tocsin.toml: Invalid value (at ",
    "mqtt = 'a:1'\nmqtt = 'b:1'": "settings: tocsin.toml: Cannot overwrite a value (at ",
}


@pytest.mark.parametrize(("toml", "message"), WRONG.items(), ids=range(len(WRONG)))
def test_wrong_files_are_refused_with_place_and_reason(toml: str, message: str):
    assert message in refused(toml)


def test_everything_that_is_wrong_is_named():
    message = refused("mqqt = 1\nhttp = 'x'\n[broker]\nin_flight = 'a'")
    for name in ("mqqt", "http", "broker.in_flight"):
        assert name in message


def test_a_file_that_is_no_text_is_refused():
    Path("tocsin.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refusal, match=r"settings: tocsin\.toml: "):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TOCSIN_MQQT", "; did you mean TOCSIN_MQTT?"),
        ("tocsin_mqqt", "; did you mean TOCSIN_MQTT?"),
        ("TOCSIN_BROKER__CONECTIONS", "; did you mean TOCSIN_BROKER__CONNECTIONS?"),
        ("TOCSIN_XYZZY", ""),
    ],
)
def test_unknown_variables_are_refused(variable: str, meant: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "hunter2")
    assert refused() == f"environment variable {variable} is not a setting{meant}"


@pytest.mark.parametrize("variable", ["TOCSIN_BROKER", "TOCSIN_TOPIC", "TOCSIN_PASSWORD"])
def test_what_a_variable_holds_is_never_repeated(variable: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "hunter2")
    message = refused()
    assert variable in message
    assert "hunter2" not in message


def test_the_simulators_credentials_are_no_unknown_variables(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_MQTT_USERNAME", "ada")
    monkeypatch.setenv("TOCSIN_MQTT_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings())


@pytest.mark.parametrize("toml", ["mqtt = 'ada:hunter2@host:1883'", "http = 'http://ada:hunter2@'"])
def test_a_password_in_an_address_is_not_repeated(toml: str):
    message = refused(toml)
    assert "names a user" in message
    assert "hunter2" not in message


def test_every_name_is_a_setting_and_every_setting_has_a_name():
    defaults = setting_defaults()
    assert list(defaults) == setting_names()
    assert {name.partition(".")[0] for name in defaults} == set(Settings.model_fields)
    numbers = {
        name: default
        for name, default in defaults.items()
        if isinstance(default, (int, float)) and not isinstance(default, bool)
    }
    lines = [f"{name} = {default + 1}" for name, default in numbers.items()]
    settings = load_settings(write("\n".join(lines)))
    for name, default in numbers.items():
        value: object = settings
        for part in name.split("."):
            value = getattr(value, part)
        assert value == default + 1, name


def test_access_tables_are_rows_before_the_defaults():
    write("[[access]]\nrole = 'device'\naction = 'publish'\ntopics = 'plant/{user}/#'")
    [row] = load_settings().access
    assert row.compile() == Rule(Role.DEVICE, Action.PUBLISH, "plant/{user}/#", allowed=True)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("action = 'read'\ntopics = '#'", "access 1.action = 'read': input should be 'publish'"),
        ("action = 'publish'", "access 1.topics is missing"),
        ("action = 'publish'\ntopics = 'a/#/b'", "access: filter 'a/#/b' has '#' inside"),
        (
            "action = 'publish'\ntopics = 'a/{usr}'",
            "access: access pattern 'a/{usr}' has the level '{usr}';"
            " expected literal text or one of {device}, {user}, {client}",
        ),
        ("action = 'publish'\ntopics = '#'\nrole = 'root'", "access 1.role = 'root': input should"),
    ],
)
def test_wrong_access_tables_are_refused(toml: str, message: str):
    assert message in refused(f"[[access]]\n{toml}")
