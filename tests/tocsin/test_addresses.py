"""HOST:PORT: what is read, what is refused, and what a busy port says."""

import socket

import pytest

from tocsin.addresses import Address, listen
from tocsin.refusal import Refusal

READ = {
    "127.0.0.1:1883": Address("127.0.0.1", 1883),
    "localhost:0": Address("localhost", 0),
    "plant-7.example:65535": Address("plant-7.example", 65535),
    "[::1]:1883": Address("::1", 1883),
    "[::]:8000": Address("::", 8000),
    ":1883": Address("0.0.0.0", 1883),
    " 10.0.0.5:1883 ": Address("10.0.0.5", 1883),
}
REFUSED = {
    "": "address '' has no port; expected HOST:PORT as in 127.0.0.1:1883",
    "1883": "address '1883' has no port",
    "127.0.0.1": "address '127.0.0.1' has no port",
    "127.0.0.1:": "has no port",
    "127.0.0.1:mqtt": "has no port",
    "127.0.0.1:-1": "has no port",
    "127.0.0.1:١": "has no port",  # a digit, but no ASCII
    "127.0.0.1:65536": "has port 65536; expected 0 to 65535",
    "127.0.0.1:" + "9" * 5000: "expected 0 to 65535",
    "::1:1883": "is ambiguous; expected brackets as in [::1]:1883",
    "mqtt://127.0.0.1:1883": "is ambiguous",
    "//127.0.0.1:1883": "has no host name; expected HOST:PORT",
    "a b:1883": "has no host name",
    "ada:secret@127.0.0.1:1883": "address '…@127.0.0.1:1883' names a user",
}
ONLY_HERE = {
    "127.0.0.1": True,
    "127.8.0.1": True,
    "localhost": True,
    "::1": True,
    "0.0.0.0": False,
    "::": False,
    "192.168.1.2": False,
    "localhost.example": False,
}
REACHED_AT = {
    "0.0.0.0:1883": "127.0.0.1:1883",
    "[::]:1883": "[::1]:1883",
    "192.168.1.2:1883": "192.168.1.2:1883",
    "localhost:1883": "localhost:1883",
}


@pytest.mark.parametrize(("text", "address"), READ.items())
def test_read(text: str, address: Address):
    assert Address.parse(text) == address
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=range(len(REFUSED)))
def test_refused(text: str, reason: str):
    with pytest.raises(ValueError) as caught:
        Address.parse(text)
    assert reason in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("host", "only_here"), ONLY_HERE.items())
def test_loopback_is_what_nobody_else_can_reach(host: str, only_here: bool):
    assert Address(host, 1883).is_loopback is only_here


@pytest.mark.parametrize(("listening", "reached"), REACHED_AT.items())
def test_all_interfaces_are_reached_at_loopback(listening: str, reached: str):
    assert str(Address.parse(listening).reachable) == reached


def test_listening_takes_a_port_that_a_busy_one_names():
    with listen(Address("127.0.0.1", 0), "--http") as sock:
        sock.listen()
        port = sock.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        with pytest.raises(Refusal) as caught:
            listen(Address("127.0.0.1", port), "--http")
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use;"
        " choose another with --http HOST:PORT"
    )


def test_a_host_that_is_not_there_is_refused_with_the_flag():
    with pytest.raises(Refusal, match=r"--mqtt nowhere\.invalid:1883: .*; expected HOST:PORT"):
        listen(Address("nowhere.invalid", 1883), "--mqtt")
