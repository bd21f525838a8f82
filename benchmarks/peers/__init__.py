"""What a user would pick instead, each started on free ports in a stated configuration."""

from benchmarks.peers.amqtt_broker import Amqtt
from benchmarks.peers.mosquitto import Mosquitto, MosquittoWithConsumer
from benchmarks.peers.node_red import NodeRed
from benchmarks.peers.server import Missing, Server
from benchmarks.peers.tocsin_server import Tocsin, TocsinWithPlant

__all__ = [
    "Amqtt",
    "Missing",
    "Mosquitto",
    "MosquittoWithConsumer",
    "NodeRed",
    "Server",
    "Tocsin",
    "TocsinWithPlant",
]
