"""From a CONNECT to an accepted client, or to a refusal that changes nothing."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from tocsin.broker.access import AccessControl, Action, Advice, Permit
from tocsin.broker.backoff import Backoff
from tocsin.broker.clients import Client
from tocsin.broker.closing import TAKEN_OVER
from tocsin.broker.connection import Connection
from tocsin.broker.facts import Came, Left
from tocsin.broker.fold import Fold
from tocsin.broker.intake import Intake
from tocsin.broker.login import Authenticate, Login
from tocsin.broker.outbound import AS_BEFORE
from tocsin.broker.packets import LEVEL_5, Connect
from tocsin.broker.properties import Properties, passed_on
from tocsin.broker.reasons import Reason
from tocsin.broker.settings import Settings
from tocsin.broker.tls import common_name
from tocsin.devices.credentials import Identity
from tocsin.devices.message import Message

OnConnection = Callable[[str, bool, str, str | None, str, float], None]
"""Client id, online, reason, user name, address, at (engine time)."""


@dataclass(slots=True)
class Arrival:
    """A CONNECT that may come in."""

    connection: Connection
    packet: Connect
    client: str
    identity: Identity
    permit: Permit
    expiry_s: float = 0.0


class Admission:
    """Decides on CONNECTs: until one is accepted, nothing changes.

    Owns those accepted ones whose session is on its way to the journal, by client id, and the
    memory of wrong logins.
    """

    def __init__(
        self,
        settings: Settings,
        fold: Fold,
        intake: Intake,
        access: AccessControl,
        authenticate: Authenticate,
        on_connection: OnConnection,
        clock: Callable[[], float],
        advise: Callable[[Login], Advice | None],
    ) -> None:
        self._settings = settings
        self._fold = fold
        self._clients = fold.clients
        self._wills = fold.wills
        self._intake = intake
        self._access = access
        self._authenticate = authenticate
        self._on_connection = on_connection
        self._clock = clock
        self._arriving: dict[str, Arrival] = {}
        # Arrivals of a client id that the journal has not yet, closed ones included.
        self._unsettled: Counter[str] = Counter()
        self._backoff = Backoff(settings)
        self._advise = advise
        self.accepted = 0

    async def login(self, connection: Connection, packet: Connect) -> None:
        """Answers one CONNECT."""
        try:
            await self._answer(connection, packet)
        finally:
            connection.proceed()

    async def _answer(self, connection: Connection, packet: Connect) -> None:
        client = packet.client
        if packet.properties.authentication_method is not None:  # [MQTT-4.12.0-1]
            connection.refuse(
                packet,
                Reason.BAD_AUTHENTICATION_METHOD,
                "authentication method not supported: "
                f"{packet.properties.authentication_method[:64]!r}",
            )
            return
        size = len(client.encode())
        if size > self._settings.client_id_bytes:
            limit = self._settings.client_id_bytes
            self._clients.hits.add("client_id_bytes")
            connection.refuse(
                packet,
                Reason.CLIENT_IDENTIFIER_NOT_VALID,
                f"client id too long: {size} bytes; expected at most {limit}",
            )
            return
        if not client:
            if not packet.clean and packet.level < LEVEL_5:  # 3.1.1: [MQTT-3.1.3-8]
                connection.refuse(
                    packet,
                    Reason.CLIENT_IDENTIFIER_NOT_VALID,
                    "client id is empty: expected one, or clean session",
                )
                return
            client = f"auto-{secrets.token_hex(8)}"  # [MQTT-3.1.3-6]
        login = _login(connection, packet, client)
        name = login.username or login.subject or client
        # Without a password nothing is guessed: a certificate was proved, the rest costs nothing.
        password = login.password
        wait_s, now = 0.0, monotonic()
        if password is not None:
            wait_s = self._backoff.wait_s(name, connection.host, now, password)
        if wait_s > 0:
            self._clients.hits.add(self._backoff.limit(name, connection.host, now))
            connection.refuse(
                packet,
                Reason.CONNECTION_RATE_EXCEEDED,
                f"too many wrong logins: {name[:64]!r} waits {wait_s:.0f} s",
            )
            return
        try:
            identity = await self._authenticate(login)
        except Exception as error:
            connection.refuse(packet, Reason.SERVER_UNAVAILABLE, f"login failed: {error!r}")
            return
        if connection.closed:
            return
        if identity is None:
            if password is not None:
                self._backoff.fail(name, connection.host, monotonic(), password)
            named = packet.username is not None
            connection.refuse(
                packet,
                Reason.BAD_USER_NAME_OR_PASSWORD if named else Reason.NOT_AUTHORIZED,
                f"wrong credentials: client {client[:64]!r}, user {(packet.username or '')[:64]!r}",
            )
            return
        if password is not None:
            self._backoff.succeed(name, connection.host, password)
        permit = self._access.permit(identity, client, self._advise(login))
        if packet.will is not None and not await _may_leave(permit, packet.will.topic):
            connection.refuse(
                packet, Reason.NOT_AUTHORIZED, f"not allowed: will on {packet.will.topic[:64]!r}"
            )
            return
        arriving, present = self._arriving.get(client), self._clients.get(client)
        owner = arriving.identity if arriving else present.identity if present else identity
        if owner != identity:
            # A client id with a session belongs to who opened it: nobody else takes it over.
            connection.refuse(
                packet,
                Reason.CLIENT_IDENTIFIER_NOT_VALID,
                f"client id in use: {client[:64]!r} by another user",
            )
            return
        await self._accept(Arrival(connection, packet, client, identity, permit))

    async def _accept(self, arrival: Arrival) -> None:
        """Takes over, and opens the session: at once, or when the journal has it, if it is kept."""
        client_id, connection = arrival.client, arrival.connection
        before = self._arriving.get(client_id)
        if before is not None:
            before.connection.close(TAKEN_OVER, Reason.SESSION_TAKEN_OVER)
        present = self._clients.get(client_id)
        if present is not None and present.connection is not None:
            present.connection.close(TAKEN_OVER, Reason.SESSION_TAKEN_OVER)  # [MQTT-3.1.4-2]
        arrival.expiry_s = self._session_expiry_s(arrival.packet)
        kept = client_id in self._unsettled or self._clients.get(client_id) is not None
        if not arrival.expiry_s and not kept:
            client = self._clients.begin(client_id, arrival.identity)
            self._open(arrival, client, resumed=False)
            return
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arriving[client_id] = arrival
        self._unsettled[client_id] += 1
        came = Came(
            client_id, arrival.identity, arrival.packet.username, arrival.packet.level,
            arrival.packet.clean, arrival.expiry_s, self._clock(),
        )  # fmt: skip

        def then(stored: bool, resumed: bool) -> None:
            self._unsettled[client_id] -= 1
            if not self._unsettled[client_id]:
                del self._unsettled[client_id]
            if self._arriving.get(client_id) is arrival:
                del self._arriving[client_id]
            if not connection.closed:
                self._arrived(arrival, came, stored, resumed)
            if not opened.done():
                opened.set_result(None)

        self._intake.record(came, then)
        await opened

    def _arrived(self, arrival: Arrival, came: Came, stored: bool, resumed: bool) -> None:
        """The journal has the arrival, or (not `stored`) cannot have it.

        Then a session that is there goes on, and a new one lasts as long as its connection: who
        listens for alarms hears them also while the disk is full.
        """
        client = self._clients.kept(arrival.client)
        if not stored and client is not None:
            if arrival.packet.clean:
                why = "not stored: the end of the session before"
                arrival.connection.refuse(arrival.packet, Reason.SERVER_UNAVAILABLE, why)
                return
            resumed = self._fold.apply(came, came.at)
            client = self._clients.kept(arrival.client)
        if client is None:
            arrival.expiry_s = 0.0
            client = self._clients.begin(arrival.client, arrival.identity)
            client.degraded = not stored
        self._open(arrival, client, resumed=resumed)

    def gone(self, connection: Connection) -> None:
        """The connection ended while its session was on its way to the journal."""
        arrival = next((a for a in self._arriving.values() if a.connection is connection), None)
        if arrival is not None:
            del self._arriving[arrival.client]
            left = Left(arrival.client, arrival.expiry_s, AS_BEFORE, self._clock())
            self._intake.record(left)

    def _open(self, arrival: Arrival, client: Client, *, resumed: bool) -> None:
        connection, packet = arrival.connection, arrival.packet
        now = self._clock()
        settings = self._settings
        client.connection = connection
        client.username = packet.username
        client.level = packet.level
        client.session_expiry_s = arrival.expiry_s
        client.keepalive_s = self._keepalive_s(packet)
        client.connected_at = now
        window = packet.properties.receive_maximum or settings.in_flight
        client.session.window = min(window, settings.in_flight)  # [MQTT-3.3.4-9]
        self.accepted += 1
        self._on_connection(client.id, True, "connected", packet.username, connection.address, now)
        if packet.will is None:
            self._wills.withdraw(client.id)
        else:
            will = packet.will
            message = Message(
                client.id, will.topic, will.payload, will.qos, will.retain, 0,
                passed_on(will.properties),
            )  # fmt: skip
            self._wills.write(message, will.properties.will_delay_s or 0)
        told = self._terms(packet, client)
        connection.accept(client, arrival.permit, packet, session_present=resumed, told=told)

    def _session_expiry_s(self, packet: Connect) -> float:
        longest = self._settings.session_expiry_s
        if packet.level < LEVEL_5:
            return 0.0 if packet.clean else longest
        return min(packet.properties.session_expiry_s or 0, longest)  # [MQTT-3.1.2-23]

    def _keepalive_s(self, packet: Connect) -> int:
        longest = self._settings.keepalive_max_s
        if packet.level < LEVEL_5 or 0 < packet.keepalive_s <= longest:
            return packet.keepalive_s
        return longest

    def _terms(self, packet: Connect, client: Client) -> Properties:
        """What an MQTT 5 client is told: limits, and where it did not get what it asked for."""
        settings = self._settings
        expiry_s = int(client.session_expiry_s)
        asked_s = packet.properties.session_expiry_s or 0
        return Properties(
            session_expiry_s=None if expiry_s == asked_s else expiry_s,
            assigned_client=None if packet.client else client.id,  # [MQTT-3.2.2-16]
            # [MQTT-3.2.2-21]
            server_keepalive_s=(
                None if client.keepalive_s == packet.keepalive_s else client.keepalive_s
            ),
            receive_maximum=settings.unreleased,
            topic_alias_maximum=settings.topic_aliases,
            maximum_packet_bytes=settings.packet_bytes,
        )


async def _may_leave(permit: Permit, topic: str) -> bool:
    """Whether a will may be published to `topic`."""
    if not permit.may_publish(topic):
        return False
    return permit.advice is None or await permit.advice(Action.PUBLISH, topic)


def _login(connection: Connection, packet: Connect, client: str) -> Login:
    caller = connection.caller
    return Login(
        client,
        packet.username,
        packet.password,
        connection.address,
        common_name(connection.transport.get_extra_info("peercert")),
        caller.trusted,
    )
