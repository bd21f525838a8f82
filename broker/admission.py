"""From a CONNECT to an accepted client, or to a refusal that changes nothing."""

import secrets
from collections.abc import Callable

from tocsin.broker.access import AccessControl, Permit
from tocsin.broker.clients import Client, Clients
from tocsin.broker.closing import TAKEN_OVER
from tocsin.broker.connection import Connection
from tocsin.broker.login import Authenticate, Login
from tocsin.broker.packets import LEVEL_5, Connect
from tocsin.broker.properties import Properties
from tocsin.broker.reasons import Reason
from tocsin.broker.settings import Settings
from tocsin.broker.tls import common_name
from tocsin.broker.wills import Wills
from tocsin.devices.credentials import Identity

OnConnection = Callable[[str, bool, str, str | None, str, float], None]
"""Client id, online, reason, user name, address, at (engine time)."""


class Admission:
    """Decides on CONNECTs. Owns no state: until one is accepted, none changes."""

    def __init__(
        self,
        settings: Settings,
        clients: Clients,
        wills: Wills,
        access: AccessControl,
        authenticate: Authenticate,
        on_connection: OnConnection,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._wills = wills
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
        try:
            identity = await self._authenticate(_login(connection, packet, client))
        except Exception as error:
            connection.refuse(packet, Reason.SERVER_UNAVAILABLE, f"login failed: {error!r}")
            return
        if connection.closed:
            return
        if identity is None:
            named = packet.username is not None
            connection.refuse(
                packet,
                Reason.BAD_USER_NAME_OR_PASSWORD if named else Reason.NOT_AUTHORIZED,
                f"wrong credentials: client {client[:64]!r}, user {(packet.username or '')[:64]!r}",
            )
            return
        permit = self._access.permit(identity)
        if packet.will is not None and not permit.may_publish(packet.will.topic):
            connection.refuse(
                packet, Reason.NOT_AUTHORIZED, f"not allowed: will on {packet.will.topic[:64]!r}"
            )
            return
        present = self._clients.get(client)
        if present is not None and present.identity != identity:
            # A client id with a session belongs to who opened it: nobody else takes it over.
            connection.refuse(
                packet,
                Reason.CLIENT_IDENTIFIER_NOT_VALID,
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
            present.connection.close(TAKEN_OVER, Reason.SESSION_TAKEN_OVER)  # [MQTT-3.1.4-2]
            present = self._clients.get(client_id)
        resumed = present is not None and not packet.clean  # [MQTT-3.1.2-4] [MQTT-3.1.2-6]
        client = present if resumed and present else self._clients.begin(client_id, identity)
        self._wills.withdraw(client_id)
        now = self._clock()
        settings = self._settings
        client.connection = connection
        client.username = packet.username
        client.level = packet.level
        client.session_expiry_s = self._session_expiry_s(packet)
        client.keepalive_s = self._keepalive_s(packet)
        client.connected_at = now
        window = packet.properties.receive_maximum or settings.in_flight
        client.session.window = min(window, settings.in_flight)  # [MQTT-3.3.4-9]
        self._clients.came(client)
        self.accepted += 1
        self._on_connection(client_id, True, "connected", packet.username, connection.address, now)
        told = self._terms(packet, client)
        connection.accept(client, permit, packet, session_present=resumed, told=told)

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
