"""Where another broker is: `mqtt://[USER@]HOST[:PORT]`, `mqtts://` with TLS."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
EXPECTED = "expected mqtt://[USER@]HOST[:PORT], or mqtts:// with TLS"


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """`user` is None where nobody logs in."""

    host: str
    port: int
    tls: bool
    user: str | None = None

    @classmethod
    def parse(cls, text: str) -> "BrokerUrl":
        """Raises ValueError, which repeats nothing of what stands before an @."""
        parts = urlsplit(text)
        shown = text.rpartition("@")[2][:80]
        if parts.password is not None:
            raise ValueError(
                f"broker …@{shown} holds a password; expected it in password_file or password_env"
            )
        try:
            port = parts.port
        except ValueError:
            raise ValueError(f"broker {shown!r} has no usable port; expected 1 to 65535") from None
        if parts.scheme not in PORTS:
            raise ValueError(
                f"broker {shown!r} has the scheme {parts.scheme or 'none'!r}; {EXPECTED}"
            )
        if port == 0:
            raise ValueError(f"broker {shown!r} has port 0; expected 1 to 65535")
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"broker {shown!r} is no address; {EXPECTED}")
        user = None if parts.username is None else unquote(parts.username)
        return cls(parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts", user)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
