"""The handshake: what a request must say, and the answer of RFC 6455's own example."""

import pytest

from tests.broker.clauses import clause, clause311
from tocsin.broker.websocket.handshake import (
    HandshakeRefused,
    accept_request,
    check_origin_only,
    read_request,
    refusal_response,
)

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
GOOD = [
    "GET /mqtt?token=1 HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: WebSocket",
    "Connection: keep-alive, Upgrade",
    KEY,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Protocol: mqttv3.1, mqtt",
]


def answer(*lines: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in lines) + "\r\n"
    return accept_request(read_request(head.encode("latin-1"), "127.0.0.1", "10.0.0.1"))


def changed(old: str, new: str | None) -> list[str]:
    assert any(old in line for line in GOOD)
    lines = [line.replace(old, new or "") for line in GOOD]
    return lines if new is not None else [line for line in GOOD if old not in line]


@clause311("MQTT-6.0.0-4", "MQTT-6.0.0-3")
@clause("MQTT-6.0.0-4", "MQTT-6.0.0-3")
def test_the_answer_of_the_standards_example() -> None:
    assert answer(*GOOD).decode().split("\r\n") == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: mqtt",
        "",
        "",
    ]


def test_the_older_subprotocol_where_there_is_no_other() -> None:
    said = answer(*changed("mqttv3.1, mqtt", "mqttv3.1"))
    assert b"Sec-WebSocket-Protocol: mqttv3.1\r\n" in said


WRONG: dict[str, tuple[list[str], int]] = {
    "another path": (changed("/mqtt", "/"), 404),
    "POST": (changed("GET", "POST"), 426),
    "no upgrade": (changed("Upgrade: WebSocket", None), 426),
    "upgrade to h2c": (changed("WebSocket", "h2c"), 426),
    "no connection": (changed("Connection", None), 426),
    "an old version": (changed("13", "8"), 426),
    "no key": (changed("Key", None), 400),
    "a short key": (changed("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400),
    "a key that is no base64": (changed("dGhlIHNhbXBsZSBub25jZQ==", "%" * 24), 400),
    "two keys": ([*GOOD, KEY], 400),
    "two hosts": ([*GOOD, "Host: other"], 400),
    "no subprotocol": (GOOD[:-2], 400),
    "another subprotocol": (GOOD[:-1], 400),
    "HTTP/1.0": (changed("HTTP/1.1", "HTTP/1.0"), 400),
    "no HTTP": (["\x10\x0c\0\x04MQTT"], 400),
    "a header without a colon": ([*GOOD, "what"], 400),
    "a header that goes on": ([*GOOD, " more"], 400),
    "a header with NUL": ([*GOOD, "a: \0"], 400),
    "a name with a space": ([*GOOD, "a : b"], 400),
}


@pytest.mark.parametrize(("lines", "status"), WRONG.values(), ids=WRONG)
def test_what_is_refused(lines: list[str], status: int) -> None:
    with pytest.raises(HandshakeRefused) as raised:
        answer(*lines)
    assert raised.value.status == status
    response = refusal_response(raised.value)
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert body.decode() == raised.value.reason


def test_a_broker_without_pages_lets_in_pages_that_are_named_only() -> None:
    page = "Origin: https://Plant.example"
    request = read_request("\r\n".join([*GOOD, page, "\r\n"]).encode(), "127.0.0.1", "10.0.0.1")
    for origins in ((), ("https://other.example",)):
        with pytest.raises(HandshakeRefused, match=r"sent by a page of 'https://Plant.example'"):
            check_origin_only(request, origins)
    for origins in (("https://plant.example",), ("*",)):
        assert check_origin_only(request, origins)
    bare = read_request("\r\n".join([*GOOD, "\r\n"]).encode(), "127.0.0.1", "10.0.0.1")
    assert check_origin_only(bare, ())
