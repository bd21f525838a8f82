"""A certificate authority of a test, and files as a server and its clients have them."""

import ssl
from pathlib import Path

import trustme

from tocsin.broker import Tls


class Authority:
    """Owns a CA whose certificate is `ca`; makes certificates in `folder`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.ca = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.ca)

    def server(self, name: str = "server") -> tuple[Path, Path]:
        """Certificate and key for this machine's names."""
        return self._write(name, self._ca.issue_cert("localhost", "127.0.0.1", "::1"))

    def device(self, name: str) -> tuple[Path, Path]:
        """The same for a client whose common name is `name`."""
        issued = self._ca.issue_cert(f"{name}@plant.example", common_name=name)
        return self._write(name, issued)

    def _write(self, name: str, issued: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        issued.private_key_pem.write_to_path(key)
        certificate.unlink(missing_ok=True)
        for each in issued.cert_chain_pems:
            each.write_to_path(certificate, append=True)
        return certificate, key

    def tls(self, *, client_ca: Path | None = None, required: bool = False) -> Tls:
        return Tls(*self.server(), client_ca, required)

    def trusting(self, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """What a client needs that trusts this authority, and shows `own` if asked."""
        context = ssl.create_default_context(cafile=self.ca)
        if own is not None:
            context.load_cert_chain(*own)
        return context
