"""Where MQTT clients come in: the simple `mqtt` address and `[[listener]]` tables."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pydantic.dataclasses import dataclass

from tocsin.addresses import Address
from tocsin.broker.listener import Listener, Tls
from tocsin.broker.listeners import ListenError
from tocsin.broker.websocket.handshake import CheckRequest, HandshakeRefused, Request, allows
from tocsin.dashboard.origins import Refused, check_host, check_origin, hosts_of, is_forwarded
from tocsin.refusal import Refusal


@dataclass(frozen=True, config={"extra": "forbid"})
class ListenerSetting:
    """A `[[listener]]` table. One with the address of `mqtt` says more of that one."""

    address: str
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    tls_require_certificate: bool = False
    websocket: bool = False
    anonymous: bool | None = None
    """None: where only this machine can reach it."""
    max_connections: int | None = None
    origins: tuple[str, ...] = ()

    def compile(self) -> Listener:
        """The broker's listener. Raises ValueError for tables that contradict themselves."""
        address = Address.parse(self.address)
        if self.origins and not self.websocket:
            raise ValueError(f"listener {self.address} has origins; expected websocket = true")
        anonymous = address.is_loopback if self.anonymous is None else self.anonymous
        return Listener(
            address.host,
            address.port,
            self._tls(),
            self.websocket,
            anonymous and not self.tls_require_certificate,
            self.max_connections,
            tuple(origin.lower().rstrip("/") for origin in self.origins),
        )

    def _tls(self) -> Tls | None:
        certificate, key = self.tls_certificate, self.tls_key
        if certificate is None and key is None:
            if self.tls_client_ca is not None or self.tls_require_certificate:
                raise ValueError(
                    f"listener {self.address} wants certificates of clients and has none itself;"
                    " expected tls_certificate and tls_key"
                )
            return None
        if certificate is None or key is None:
            missing = "tls_key" if key is None else "tls_certificate"
            raise ValueError(f"listener {self.address} has no {missing}; expected both or neither")
        if self.tls_require_certificate and self.tls_client_ca is None:
            raise ValueError(
                f"listener {self.address} requires certificates and trusts none;"
                " expected tls_client_ca"
            )
        return Tls(certificate, key, self.tls_client_ca, self.tls_require_certificate)


def listeners_of(mqtt: str, tables: Sequence[ListenerSetting]) -> tuple[Listener, ...]:
    """All listeners, that of `mqtt` first."""
    simple = Address.parse(mqtt)
    compiled = [table.compile() for table in tables]
    for number, listener in enumerate(compiled):
        if listener.port and any(
            (each.host, each.port) == (listener.host, listener.port) for each in compiled[:number]
        ):
            raise ValueError(f"two listeners have the address {listener}; expected one")
    own = [each for each in compiled if simple.port and str(each) == str(simple)]
    if not own:
        own = [Listener(simple.host, simple.port, anonymous=simple.is_loopback)]
    return (*own, *(each for each in compiled if each not in own))


def refuse_exposure(listeners: Sequence[Listener], *, may_log_in: bool) -> None:
    """Raises Refusal for a listener that strangers reach and where nobody could say who he is."""
    for listener in exposed(listeners):
        if not may_log_in and not (listener.tls and listener.tls.client_ca):
            raise Refusal(
                f"{_named(listener, listeners)} can be reached from other machines and no device"
                " has a credential; make one with `tocsin devices add NAME`"
            )


def exposed(listeners: Sequence[Listener]) -> Iterator[Listener]:
    """Listeners that other machines can reach and that are not open to everybody."""
    for listener in listeners:
        if not Address(listener.host, listener.port).is_loopback and not listener.anonymous:
            yield listener


def request_check(hosts: Collection[str]) -> CheckRequest:
    """What a request for an MQTT WebSocket must pass: the same as every other of a browser.

    `hosts` are the names besides this machine's by which browsers may reach it.
    """
    names = hosts_of(hosts)

    def check(request: Request, origins: tuple[str, ...]) -> bool:
        origin = request.headers.get(b"origin")
        try:
            check_host(request.headers, names, request.here)
            if origin is None or not allows(origins, origin):
                check_origin(request.headers, safe=False)
        except Refused as refused:
            raise HandshakeRefused(refused.status, refused.reason) from None
        return not is_forwarded(request.headers)

    return check


def explain(error: ListenError, listeners: Sequence[Listener]) -> Refusal:
    """What a person can do about a listener that does not open."""
    simple = error.listener == listeners[0]
    remedy = "with --mqtt HOST:PORT" if simple else "in its [[listener]] table"
    advice = f"; choose another {remedy}" if error.errno is not None else ""
    return Refusal(f"{error.strerror}{advice}")


def _named(listener: Listener, listeners: Sequence[Listener]) -> str:
    return f"--mqtt {listener}" if listener == listeners[0] else f"listener {listener}"
