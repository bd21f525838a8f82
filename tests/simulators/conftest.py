"""Mosquitto as an independent broker, and a subscriber to it."""

import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.mosquitto import Mosquitto, mosquittos


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Generator[Callable[..., Mosquitto]]:
    """Starts a Mosquitto with these lines of configuration."""
    with mosquittos(tmp_path) as start:
        yield start


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def received(mosquitto: Mosquitto) -> Generator[list[MQTTMessage]]:
    """What a subscriber to everything got from that Mosquitto so far."""
    messages: list[MQTTMessage] = []
    subscribed = threading.Event()

    def on_message(_client: Client, _userdata: object, message: MQTTMessage) -> None:
        messages.append(message)

    def on_subscribe(*_: object) -> None:
        subscribed.set()

    client = Client(CallbackAPIVersion.VERSION2, client_id="subscriber")
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.connect("127.0.0.1", mosquitto.port)
    client.subscribe("#", qos=2)
    client.loop_start()
    assert subscribed.wait(5.0)
    yield messages
    client.disconnect()
    client.loop_stop()
