"""What all connections of one broker have in common."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tocsin.broker.access import AccessControl
from tocsin.broker.clients import Clients
from tocsin.broker.deadlines import Deadlines
from tocsin.broker.departures import Departures
from tocsin.broker.door import Door
from tocsin.broker.intake import Intake
from tocsin.broker.packets import Connect
from tocsin.broker.refusals import Refusals
from tocsin.broker.router import Router
from tocsin.broker.settings import Settings
from tocsin.broker.stream import Outbox
from tocsin.broker.websocket.handshake import CheckRequest
from tocsin.devices.message import Message

if TYPE_CHECKING:
    from tocsin.broker.closing import Closing
    from tocsin.broker.connection import Connection
    from tocsin.broker.websocket.socket import WebSocket


@dataclass(slots=True)
class Surroundings:
    """What all connections of a broker share, and what they tell it."""

    settings: Settings
    clock: Callable[[], float]
    """Engine time: of arrivals and of what expires."""
    access: AccessControl
    outbox: Outbox
    intake: Intake
    router: Router
    clients: Clients
    refusals: Refusals
    door: Door
    deadlines: Deadlines["Closing"]
    login: Callable[["Connection", Connect], Coroutine[Any, Any, None]]
    """Answers a CONNECT: by `accept` or `refuse`."""
    ended: Callable[["Connection", str], None]
    """The connection is over, and why. Called once, if it had opened."""
    refused: Callable[[Message, str], None]
    """A PUBLISH was refused for what it is, not for who sent it. Its payload is cut."""
    lost: Callable[["Connection"], None]
    """Its socket is gone."""
    refresh_system: Callable[[], None]
    """Somebody subscribes to `$SYS/…`: its values are to be new."""
    connections: set["Connection"]
    check_request: CheckRequest
    """What a request for a WebSocket must pass."""
    arriving: set["asyncio.Task[None] | WebSocket"] = field(
        default_factory=set["asyncio.Task[None] | WebSocket"]
    )
    """Handshakes under way, of TLS and WebSocket: sockets that are not yet a connection."""
    departures: Departures = field(default_factory=Departures)
    bytes_received: int = 0
    throttled: int = 0
    """Times that a client sent faster than it may."""
