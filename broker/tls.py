"""TLS: the certificates of a listener, and what a client's certificate says."""

import ssl
from collections.abc import Callable
from time import monotonic
from typing import Any

from tocsin.broker.listener import Tls

_LOOK_AGAIN_S = 60.0


class CertificateError(ValueError):
    """A certificate or key cannot be used: says which file, and why."""


class Certificates:
    """Owns the TLS context of one listener; makes a new one when its files have changed.

    Raises CertificateError at the start. Later the old certificate stays when the new one cannot
    be used; `on_error` hears of it.
    """

    def __init__(self, tls: Tls, on_error: Callable[[str], None]) -> None:
        self._tls = tls
        self._on_error = on_error
        self._files = [each for each in (tls.certificate, tls.key, tls.client_ca) if each]
        self._context = _context(tls)
        self._seen = self._changed()
        self._look_at = monotonic() + _LOOK_AGAIN_S

    def context(self, now: float) -> ssl.SSLContext:
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN_S
            self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            changed = self._changed()
            if changed != self._seen:
                self._context = _context(self._tls)
                self._seen = changed
        except (OSError, CertificateError) as error:
            self._on_error(f"certificate not renewed: {error}")

    def _changed(self) -> list[int]:
        return [file.stat().st_mtime_ns for file in self._files]


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for file in (tls.certificate, tls.key):
        if not file.is_file():
            raise CertificateError(f"{file}: there is no such file")
    try:
        # An encrypted key would be asked for on the terminal; an empty password is an error.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(
            f"{tls.certificate} and {tls.key} are no certificate and its key in PEM: {error}"
        ) from error
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (ssl.SSLError, OSError) as error:
            raise CertificateError(
                f"{tls.client_ca} holds no certificates in PEM: {error}"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED if tls.require_certificate else ssl.CERT_OPTIONAL
    return context


def failure(error: OSError) -> str:
    """What went wrong in a handshake, in few words."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, TimeoutError):
        return "not done in time"
    return "the client went away" if isinstance(error, ConnectionError) else str(error)


def common_name(certificate: dict[str, Any] | None) -> str | None:
    """The common name of a verified certificate's subject; None where there is not just one."""
    subject: tuple[tuple[tuple[str, str], ...], ...] = (certificate or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 and names[0] else None
