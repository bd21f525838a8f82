"""The broker: what a program embeds, and how its parts are joined."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from time import monotonic

import structlog
from msgspec.structs import replace

from tocsin.broker.access import AccessControl, Advice
from tocsin.broker.admission import Admission, OnConnection
from tocsin.broker.clients import Client
from tocsin.broker.closing import CLEAN, CONNECTION_LOST, KEEPALIVE, STOPPING, TAKEN_OVER
from tocsin.broker.connection import Connection
from tocsin.broker.deadlines import Deadlines
from tocsin.broker.door import Door
from tocsin.broker.facts import Expired, Fact, Left, Parted, Restarted, Said
from tocsin.broker.fold import Fold
from tocsin.broker.intake import MOST_MESSAGES, Intake, Sink
from tocsin.broker.listener import Caller, Listener
from tocsin.broker.listeners import Listeners
from tocsin.broker.login import Authenticate, Login
from tocsin.broker.reasons import Reason
from tocsin.broker.refusals import Refusals
from tocsin.broker.report import ClientReport, ListenerReport, Report, Totals
from tocsin.broker.settings import Settings
from tocsin.broker.stream import Hold, Outbox
from tocsin.broker.surroundings import Surroundings
from tocsin.broker.system import SystemTopics
from tocsin.broker.throttled import make_connection
from tocsin.broker.topics import check_topic
from tocsin.broker.websocket.handshake import CheckRequest, check_origin_only
from tocsin.broker.websocket.socket import WebSocket
from tocsin.devices.message import Message

_log = structlog.get_logger()

# Deadlines are met this much late at most; one pass over nothing costs microseconds.
_TICK_S = 0.25
# How long `stop` waits for clients to take their last bytes.
_LAST_BYTES_S = 0.5

OnRefusal = Callable[[Message, str, float], None]
"""A PUBLISH that is not taken in, its payload cut; why; at (engine time)."""

_ORDINARY = frozenset({CLEAN, CONNECTION_LOST, KEEPALIVE, STOPPING, TAKEN_OVER})
"""Ends of a connection that are no refusal."""


class Broker:
    """Owns the listeners, the clients and everything between them.

    `sink` gets all PUBLISHes of a loop turn, in order of arrival, each once, with the time;
    it must not change the list. Acks leave when its awaitable is done; when that raises,
    nothing of the batch is acked. `authenticate` decides before anything changes.
    `on_connection` hears of every accepted client's coming and going, in order with the sink;
    `on_refusal`, in that order too, of messages that are too large to be given to the sink.
    `room`: how many messages more the sink can take in soon; whoever sent much waits for it.
    `fold`: what was rebuilt from the records that the sink of an earlier broker stored.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], float],
        sink: Sink,
        on_connection: OnConnection,
        on_refusal: OnRefusal | None = None,
        authenticate: Authenticate,
        access: AccessControl,
        version: str = "",
        check_request: CheckRequest = check_origin_only,
        advise: Callable[[Login], Advice | None] = lambda _: None,
        fold: Fold | None = None,
        room: Callable[[], int] = lambda: MOST_MESSAGES,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_connection = on_connection
        self._on_refusal = on_refusal
        self._fold = fold or Fold(settings, clock)
        self._router = self._fold.router
        self._clients = self._fold.clients
        self._wills = self._fold.wills
        self._refusals = Refusals(clock, settings.refusals_kept)
        self._listeners = Listeners()
        self._outbox = Outbox()
        self._intake = Intake(
            sink,
            clock,
            self._fold,
            self._outbox,
            settings.uncommitted_bytes,
            self._sink_failed,
            room,
        )
        self._wills.publish = self._intake.take_will
        self._wills.note = self._note_will
        self._clients.on_end = lambda client: self._wills.session_ended(client.id)
        self._admission = Admission(
            settings, self._fold, self._intake, access, authenticate, on_connection, clock, advise
        )
        self._system = SystemTopics(version, self._router, self._clients, self.totals, monotonic())
        self._around = Surroundings(
            settings=settings,
            clock=clock,
            access=access,
            outbox=self._outbox,
            intake=self._intake,
            router=self._router,
            clients=self._clients,
            refusals=self._refusals,
            door=Door(settings, self._clients.hits),
            deadlines=Deadlines(_TICK_S),
            login=self._admission.login,
            ended=self._ended,
            refused=self._refused,
            lost=self._lost,
            refresh_system=lambda: self._system.refresh(monotonic()),
            connections=set(),
            check_request=check_request,
        )
        self._ticking: asyncio.TimerHandle | None = None
        self._next_system = 0.0
        self._stopping = False
        self._all_lost = asyncio.Event()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Bound host and port of every listening socket, in the order of the settings."""
        return [(host, port) for _, host, port in self._listeners.bound]

    async def start(self) -> None:
        """Listens. Raises ListenError, which names the address that cannot be had."""
        self._stopping = False
        # What the journal's replay did again is not of this life.
        self._clients.hits.forget()
        self._clients.on_crowded_out = self._crowded_out
        if self._fold:
            await self._restart()
        await self._listeners.open(self._settings.listeners, self._around)
        self._tick()
        for listener, host, port in self._listeners.bound:
            _log.info(
                "mqtt listening",
                host=host,
                port=port,
                tls=listener.tls is not None,
                websocket=listener.websocket,
            )

    async def _restart(self) -> None:
        """Whoever was connected when the journal ended is so no more."""
        restarted = asyncio.Event()
        now = self._clock()
        self._intake.record(
            Restarted(self._fold.last_at or now, now), lambda _stored, _: restarted.set()
        )
        await restarted.wait()
        _log.info("mqtt sessions are back", sessions=len(self._clients), wills=len(self._wills))

    async def snapshot(self) -> bytes:
        """What `Fold.restore` takes: it has in it all that the sink has got so far."""
        settled = asyncio.Event()
        self._intake.submit()
        self._intake.after(lambda _stored, _: settled.set())
        await settled.wait()
        return self._fold.snapshot()

    async def stop(self, within_s: float = float("inf")) -> None:
        """Stops listening, lets commits under way be acked, closes every client.

        Wills are not published: the clients did not fail, the server went. Takes at most
        `stop_grace_s` and a second, and at most `within_s`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s

        def at_most(seconds: float) -> float:
            return max(0.0, min(seconds, deadline - loop.time()))

        self._stopping = True
        self._listeners.close()
        for handshake in list(self._around.arriving):
            handshake.cancel()
        for connection in self._around.connections:
            connection.hold(Hold.STOP)
        await self._intake.settled(at_most(self._settings.stop_grace_s))
        for connection in list(self._around.connections):
            connection.close(STOPPING, Reason.SERVER_SHUTTING_DOWN)
        # Sessions end and the sink hears of what came last before the sockets are gone.
        await self._intake.settled(at_most(_LAST_BYTES_S))
        if self._around.connections:
            self._all_lost.clear()
            try:
                async with asyncio.timeout(at_most(_LAST_BYTES_S)):
                    await self._all_lost.wait()
            except TimeoutError:
                for connection in list(self._around.connections):
                    connection.transport.abort()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def websocket(self, listener: Listener) -> asyncio.Protocol:
        """For a socket that a web server accepted, whose request asks for a WebSocket.

        It begins with that request, as if it had just come. `listener` says whom it lets in.
        """
        return WebSocket(self._around, Caller(listener), partial(make_connection, self._around))

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        durable: bool = True,
        told: bool = True,
    ) -> None:
        """Publishes as the server, to any topic. In the loop's thread only.

        It leaves at once, and is no message of a client to the sink. Sessions that are kept get
        QoS 1 and 2 when that is stored; at once, and perhaps not after a restart, if it is not
        `durable` or nothing can be stored now. Not `told`: it is retained, and no more.

        Raises ValueError for a topic with wildcards or a QoS that is none.
        """
        check_topic(topic)
        if qos not in (0, 1, 2):
            raise ValueError(f"qos is {qos!r}; expected 0, 1 or 2")
        message = Message("", topic, payload, qos, retain)
        if retain:
            self._router.retain(message, self._intake.sequence, bounded=False)
        if not told:
            return
        if not qos or not self._router.is_kept_for(topic):
            self._router.route(message)
        elif self._intake.failing or not durable:
            self._router.say(message, kept=False)
            self._say_loosely(message)
        else:
            self._router.say(message, kept=False)
            self._intake.record(
                Said(topic, payload, qos, retain),
                lambda stored, _: None if stored else self._say_loosely(message),
            )

    def _say_loosely(self, message: Message) -> None:
        """At QoS 1 at most: what the journal does not have cannot be exactly once."""
        self._router.say(replace(message, qos=1), kept=True, loose=True)

    # -- what connections tell -------------------------------------------------------------

    def _ended(self, connection: Connection, reason: str) -> None:
        client = connection.client
        if reason not in _ORDINARY:
            self._refusals.add(reason, connection.address, client.id if client else "")
        if client is None:
            self._admission.gone(connection)
            return
        client.connection = None
        now = self._clock()
        if connection.will is None:
            self._wills.withdraw(client.id)
        elif not self._stopping:  # [MQTT-3.1.2-8]
            client.messages_received += 1
            self._wills.end(client.id, now, client.session_expiry_s)
        if client.durable:
            last_sent = client.session.last_sent
            self._intake.record(Left(client.id, client.session_expiry_s, last_sent, now))
        elif client.guest:
            self._intake.record(Parted(client.id))
        self._intake.submit()
        if not client.durable:
            self._clients.end(client)
        self._on_connection(
            client.id, False, reason, client.username, connection.address, self._clock()
        )

    def _crowded_out(self, client: Client) -> None:
        limit = self._settings.sessions_offline
        self._refusals.add(f"too many sessions away: expected at most {limit}", "", client.id)

    def _note_will(self, fact: Fact, then: Callable[[], None]) -> None:
        self._intake.record(fact, lambda _stored, _: then(), applied=True)

    def _refused(self, message: Message, reason: str) -> None:
        if self._on_refusal is not None:
            self._intake.submit()
            self._on_refusal(message, reason, self._clock())

    def _lost(self, _: Connection) -> None:
        if not self._around.connections:
            self._all_lost.set()

    def _sink_failed(self, error: BaseException) -> None:
        self._refusals.add(f"not stored: {error!r}", "", "")

    # -- time --------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = monotonic()
        for connection in list(self._around.deadlines.pop_due(now)):
            connection.overdue(now)
        if now >= self._next_system:
            self._next_system = now + self._settings.sys_interval_s
            self._system.publish(now)
        at = self._clock()
        self._wills.publish_due(at)
        for client in self._clients.due(at):
            self._intake.record(Expired(client.id, at))
        self._router.expire()
        self._ticking = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    # -- figures -----------------------------------------------------------------------------

    def totals(self) -> Totals:
        """Counters and sizes without the clients one by one."""
        clients, intake, retained = self._clients, self._intake, self._router.retained
        return Totals(
            connections=self._around.door.open,
            connected=sum(client.connection is not None for client in clients),
            connections_total=self._admission.accepted,
            sessions=len(clients),
            subscriptions=len(self._router.subscriptions),
            messages_received=clients.past_received + sum(c.messages_received for c in clients),
            messages_sent=clients.past_sent + sum(c.messages_sent for c in clients),
            bytes_received=self._around.bytes_received,
            bytes_sent=self._outbox.bytes_sent,
            messages_dropped=clients.past_dropped
            + sum(sum(c.dropped.values()) for c in clients if c.dropped),
            messages_not_stored=intake.not_stored,
            retained=len(retained),
            retained_bytes=retained.bytes,
            not_retained=intake.not_retained,
            uncommitted_bytes=intake.uncommitted,
            pauses=intake.pauses,
            paused=intake.paused,
            throttled=self._around.throttled,
        )

    def report(self, *, clients: int = 1_000) -> Report:
        """A picture of the broker with at most `clients` of its clients, oldest session first."""
        limits = asdict(self._settings)
        del limits["listeners"]  # reported with what is open there
        return Report(
            clients=tuple(_client_report(each) for each in islice(self._clients, clients)),
            listeners=tuple(self._listener_reports()),
            limits=limits,
            limit_hits=dict(sorted(self._clients.hits.counts.items())),
            refusals=tuple(self._refusals.newest),
            refused=dict(self._refusals.counts),
            totals=self.totals(),
        )

    def _listener_reports(self) -> Iterator[ListenerReport]:
        for listener, host, port in self._listeners.bound:
            tls = listener.tls
            asks = tls is not None and tls.client_ca is not None
            requires = tls is not None and tls.require_certificate
            yield ListenerReport(
                address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                tls=tls is not None,
                websocket=listener.websocket,
                client_certificates="required" if requires else "optional" if asks else "none",
                anonymous=listener.anonymous,
                connections=self._around.door.at(listener),
                max_connections=listener.connections,
            )


def _client_report(client: Client) -> ClientReport:
    connection, session = client.connection, client.session
    return ClientReport(
        id=client.id,
        connected=connection is not None,
        address=connection.address if connection else None,
        username=client.username,
        connected_at=client.connected_at,
        clean=not client.session_expiry_s,
        keepalive_s=client.keepalive_s,
        subscriptions={each: grant.qos for each, grant in session.subscriptions.items()},
        queued=session.waiting,
        queued_bytes=session.waiting_bytes,
        in_flight=session.in_flight,
        write_buffer_bytes=connection.buffered_bytes if connection else 0,
        messages_received=client.messages_received,
        messages_sent=client.messages_sent,
        dropped=dict(client.dropped or {}),
        limit_hits=dict(client.limit_hits or {}),
        level=client.level,
        session_expiry_s=client.session_expiry_s,
        throttled=connection.throttled if connection else 0,
    )
