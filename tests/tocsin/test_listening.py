"""`[[listener]]` tables: what they say, and what is refused."""

from pathlib import Path

import pytest

from tocsin.broker.listener import Listener, Tls
from tocsin.listening import ListenerSetting, exposed, listeners_of, refuse_exposure
from tocsin.refusal import Refusal
from tocsin.settings import load_settings

CA = Path("ca.pem")
MQTT = Listener("127.0.0.1", 1883, anonymous=True)


def encrypted(address: str, ca: Path | None = None, *, required: bool = False) -> ListenerSetting:
    return ListenerSetting(
        address,
        tls_certificate=Path("a.pem"),
        tls_key=Path("a.key"),
        tls_client_ca=ca,
        tls_require_certificate=required,
    )


def load(toml: str, folder: Path) -> tuple[Listener, ...]:
    file = folder / "listeners.toml"
    file.write_text(toml)
    return load_settings(file).listeners


def test_tables_add_to_the_simple_case(tmp_path: Path):
    found = load(
        "[[listener]]\naddress = '[::]:8883'\ntls_certificate = 'a.pem'\ntls_key = 'a.key'\n"
        "tls_client_ca = 'ca.pem'\nmax_connections = 5\n"
        "[[listener]]\naddress = 'localhost:1884'\nanonymous = false",
        tmp_path,
    )
    tls = Tls(Path("a.pem"), Path("a.key"), Path("ca.pem"))
    assert found == (
        MQTT,
        Listener("::", 8883, tls, connections=5),
        Listener("localhost", 1884),
    )


def test_a_table_with_the_address_of_mqtt_says_more_of_that_one(tmp_path: Path):
    table = "[[listener]]\naddress = '127.0.0.1:1883'\nanonymous = false"
    assert load(table, tmp_path) == (Listener("127.0.0.1", 1883),)


def test_who_must_show_a_certificate_is_not_anonymous():
    assert encrypted("127.0.0.1:8883", CA).compile().anonymous
    assert not encrypted("127.0.0.1:8883", CA, required=True).compile().anonymous


FILES = "tls_certificate = 'c'\ntls_key = 'k'"
WRONG = {
    "address = '0.0.0.0'": "settings: listener: address '0.0.0.0' has no port",
    "adress = '0.0.0.0:1'": "'listener 1.adress' is not a setting; did you mean listener.address?",
    "address = ':1'\ntls_key = 'k'": "listener :1 has no tls_certificate; expected both or neither",
    "address = ':1'\ntls_certificate = 'c'": "listener :1 has no tls_key; expected both or neither",
    "address = ':1'\ntls_client_ca = 'c'": "listener :1 wants certificates of clients and has none"
    " itself; expected tls_certificate and tls_key",
    f"address = ':1'\n{FILES}\ntls_require_certificate = true": "listener :1 requires certificates"
    " and trusts none; expected tls_client_ca",
    "address = ':1'\nmax_connections = 0": "listener.max_connections is 0; expected more than 0",
    "address = ':1'\n[[listener]]\naddress = '0.0.0.0:1'": "two listeners have the address"
    " 0.0.0.0:1; expected one",
}


@pytest.mark.parametrize(("toml", "message"), WRONG.items(), ids=range(len(WRONG)))
def test_wrong_tables_are_refused(toml: str, message: str, tmp_path: Path):
    with pytest.raises(Refusal) as raised:
        load(f"[[listener]]\n{toml}", tmp_path)
    assert message in str(raised.value)


EVERYWHERE = ListenerSetting("0.0.0.0:1884")
ENCRYPTED = encrypted("[::]:8883")
CERTIFIED = encrypted("[::]:8884", CA)
OPEN = ListenerSetting("0.0.0.0:1885", anonymous=True)


@pytest.mark.parametrize(
    ("table", "named"), [(EVERYWHERE, "listener 0.0.0.0:1884"), (ENCRYPTED, "listener [::]:8883")]
)
def test_an_exposed_listener_wants_credentials(table: ListenerSetting, named: str):
    listeners = listeners_of("127.0.0.1:1883", [table])
    with pytest.raises(Refusal) as raised:
        refuse_exposure(listeners, may_log_in=False)
    assert str(raised.value) == (
        f"{named} can be reached from other machines and no device has a credential;"
        " make one with `tocsin devices add NAME`"
    )
    refuse_exposure(listeners, may_log_in=True)


def test_where_certificates_or_nothing_is_wanted_no_credential_is_missing():
    listeners = listeners_of("127.0.0.1:1883", [CERTIFIED, OPEN])
    assert list(exposed(listeners)) == [CERTIFIED.compile()]
    refuse_exposure(listeners, may_log_in=False)
