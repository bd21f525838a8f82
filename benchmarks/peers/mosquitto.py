"""Mosquitto, the usual broker: alone, and with the usual Python program behind it."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.request import urlopen

from benchmarks.peers.server import Missing, Server


class Mosquitto(Server):
    name = "mosquitto"
    configuration = "Debian's package; anonymous, no persistence, set_tcp_nodelay, no queue limits"

    @classmethod
    def version(cls) -> str:
        # It has no option that prints the version alone; the help starts with it.
        said = subprocess.run([_program(), "-h"], capture_output=True, text=True, check=False)
        return said.stdout.splitlines()[0].removeprefix("mosquitto version ")

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        lines = (
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "log_type error",
            "user root",
        )
        config.write_text("\n".join((*lines, "")))
        self.run("mosquitto", _program(), "-c", config, port=self.port)


class MosquittoWithConsumer(Mosquitto):
    """Mosquitto and benchmarks/peers/paho_consumer.py, each a process."""

    name = "mosquitto+paho"
    configuration = (
        Mosquitto.configuration + "; a paho-mqtt consumer with json, dictionaries, a threshold per"
        " metric and an SSE endpoint (FastAPI, uvicorn) that sends what changed every 100 ms"
    )

    def __init__(self, qos: int = 0) -> None:
        super().__init__()
        self._qos = qos

    @property
    def stream_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/stream"

    def start(self) -> None:
        super().start()
        program = Path(__file__).with_name("paho_consumer.py")
        ports = (str(self.port), str(self.http_port), str(self._qos))
        self.run("consumer", sys.executable, program, *ports, port=self.http_port)

    def received(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.http_port}/count", timeout=10) as answer:
            return int(answer.read())


@cache
def _program() -> str:
    places = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=":".join(places))
    if found is None:
        raise Missing("mosquitto is not installed (apt-get install mosquitto)")
    return found
