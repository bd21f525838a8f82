"""From a CONNECT to an accepted client, or to a refusal that changes nothing."""

import secrets
from collections.abc import Awaitable, Callable

from tocsin.broker.access import AccessControl, Permit
from tocsin.broker.clients import Client, Clients
from tocsin.broker.connection import TAKEN_OVER, Connection
from tocsin.broker.packets import Connect, ConnectCode
from tocsin.broker.settings import Settings
from tocsin.devices.credentials import Identity

Authenticate = Callable[[str, str | None, bytes | None], Awaitable[Identity | None]]
"""Client id, user name, password → who that is, or None."""

OnConnection = Callable[[str, bool, str, str | None, str, float], None]
"""Client id, online, reason, user name, address, at (engine time)."""


class Admission:
    """Decides on CONNECTs. Owns no state: until one is accepted, none changes."""

    def __init__(
        self,
        settings: Settings,
        clients: Clients,
        access: AccessControl,
        authenticate: Authenticate,
        on_connection: OnConnection,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._access = access
        self._authenticate = authenticate
        self._on_connection = on_connection
        self._clock = clock
        self.accepted = 0

    async def login(self, connection: Connection, packet: Connect) -> None:
        """Answers one CONNECT."""
        try:
            await self._answer(connection, packet)
        finally:
            connection.proceed()

    async def _answer(self, connection: Connection, packet: Connect) -> None:
        client = packet.client
        size = len(client.encode())
        if size > self._settings.client_id_bytes:
            limit = self._settings.client_id_bytes
            connection.refuse(
                ConnectCode.IDENTIFIER_REJECTED,
                f"client id too long: {size} bytes; expected at most {limit}",
            )
            return
        if not client:
            if not packet.clean:  # [MQTT-3.1.3-8]
                connection.refuse(
                    ConnectCode.IDENTIFIER_REJECTED,
                    "client id is empty: expected one, or clean session",
                )
                return
            client = f"auto-{secrets.token_hex(8)}"  # [MQTT-3.1.3-6]
        try:
            identity = await self._authenticate(client, packet.username, packet.password)
        except Exception as error:
            connection.refuse(ConnectCode.SERVER_UNAVAILABLE, f"login failed: {error!r}")
            return
        if connection.closed:
            return
        if identity is None:
            named = packet.username is not None
            connection.refuse(
                ConnectCode.BAD_CREDENTIALS if named else ConnectCode.NOT_AUTHORIZED,
                f"wrong credentials: client {client[:64]!r}, user {(packet.username or '')[:64]!r}",
            )
            return
        permit = self._access.permit(identity)
        if packet.will is not None and not permit.may_publish(packet.will.topic):
            connection.refuse(
                ConnectCode.NOT_AUTHORIZED, f"not allowed: will on {packet.will.topic[:64]!r}"
            )
            return
        present = self._clients.get(client)
        if present is not None and present.identity != identity:
            # A client id with a session belongs to who opened it: nobody else takes it over.
            connection.refuse(
                ConnectCode.IDENTIFIER_REJECTED,
                f"client id in use: {client[:64]!r} by another user",
            )
            return
        self._accept(connection, packet, client, identity, permit, present)

    def _accept(
        self,
        connection: Connection,
        packet: Connect,
        client_id: str,
        identity: Identity,
        permit: Permit,
        present: Client | None,
    ) -> None:
        if present is not None and present.connection is not None:
            present.connection.close(TAKEN_OVER)  # [MQTT-3.1.4-2]
            present = self._clients.get(client_id)
        resumed = present is not None and not packet.clean  # [MQTT-3.1.2-4] [MQTT-3.1.2-6]
        client = present if resumed and present else self._clients.begin(client_id, identity)
        now = self._clock()
        client.connection = connection
        client.username = packet.username
        client.clean = packet.clean
        client.keepalive_s = packet.keepalive_s
        client.connected_at = now
        self._clients.came(client)
        self.accepted += 1
        self._on_connection(client_id, True, "connected", packet.username, connection.address, now)
        connection.accept(client, permit, packet, session_present=resumed)
