"""MQTT on the dashboard's port: guarded as every request is, and down with the server."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin, Subprotocol

from tests.server import Server, wait_for
from tocsin.broker.codec import encode
from tocsin.broker.packets import Connack, Connect
from tocsin.broker.reasons import ConnectCode


@contextmanager
def client(
    server: Server, path: str = "/mqtt", origin: str | None = None, **headers: str
) -> Generator[Connection]:
    with connect(
        server.http.replace("http", "ws") + path,
        subprotocols=[Subprotocol("mqtt")],
        origin=Origin(origin) if origin else None,
        additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
        proxy=None,
    ) as connection:
        yield connection


def refused(server: Server, **request: str) -> int:
    with pytest.raises(InvalidStatus) as raised, client(server, **request):
        pass
    return raised.value.response.status_code


def answer(connection: Connection, packet: Connect) -> bytes | str:
    connection.send(encode(packet))
    return connection.recv(5)


def test_it_is_guarded_as_every_request_is(server: Server):
    own, foreign = server.http, "https://evil.example"
    with client(server, origin=own) as page, client(server) as program:
        assert answer(page, Connect("page")) == encode(Connack())
        assert answer(program, Connect("program")) == encode(Connack())
    assert refused(server, origin=foreign) == 403
    assert refused(server, Sec_Fetch_Site="cross-site") == 403
    assert refused(server, path="/other") == 404
    kinds = server.get("/api/broker")["refused"]
    assert kinds == {"WebSocket handshake failed": 3}
    # Behind a proxy nobody is trusted for standing on loopback.
    with client(server, X_Forwarded_For="203.0.113.9") as stranger:
        denied = encode(Connack(ConnectCode.NOT_AUTHORIZED))
        assert answer(stranger, Connect("stranger")) == denied
    # The dashboard itself still answers where there was a WebSocket.
    assert server.get("/healthz") is not None


def test_where_pages_need_a_login_so_do_clients(tmp_path: Path):
    config = tmp_path / "tocsin.toml"
    config.write_text("[dashboard]\nrequire_login = true\n")
    server = Server(tmp_path / "data", "--config", str(config)).start()
    try:
        with client(server) as stranger:
            denied = encode(Connack(ConnectCode.NOT_AUTHORIZED))
            assert answer(stranger, Connect("stranger")) == denied
    finally:
        server.kill()


def test_a_device_by_websocket_and_a_server_that_stops(server: Server):
    paho = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="d", transport="websockets")
    paho.ws_set_options("/mqtt")
    gone = threading.Event()

    def on_disconnect(*_: object) -> None:
        gone.set()

    paho.on_disconnect = on_disconnect
    paho.connect("127.0.0.1", int(server.http.rpartition(":")[2]))
    paho.loop_start()
    try:
        paho.publish("devices/ws-1/telemetry", json.dumps({"t": 1}), 1).wait_for_publish(10)
        device = wait_for("the device", lambda: server.device("ws-1"))
        assert device["readings_total"] == 1
        assert server.stop() < 3.5
        assert gone.wait(5)
    finally:
        paho.loop_stop()
