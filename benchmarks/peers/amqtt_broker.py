"""amqtt, a broker in Python, in an environment of its own: its pins need not agree with ours."""

from benchmarks.peers.installed import AMQTT, amqtt_program
from benchmarks.peers.server import Server


class Amqtt(Server):
    name = "amqtt"
    configuration = "from PyPI in a virtual environment of its own; anonymous, no plugins besides"

    @classmethod
    def version(cls) -> str:
        amqtt_program()
        return AMQTT

    def start(self) -> None:
        config = self.folder / "amqtt.yaml"
        config.write_text(
            "listeners:\n"
            "  default:\n"
            "    type: tcp\n"
            f"    bind: 127.0.0.1:{self.port}\n"
            "    max_connections: 20000\n"
            "plugins:\n"
            "  amqtt.plugins.authentication.AnonymousAuthPlugin:\n"
            "    allow_anonymous: true\n"
        )
        self.run("amqtt", amqtt_program(), "-c", config, port=self.port)
