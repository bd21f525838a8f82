"""Where the broker is: `mqtt://host[:port]`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

MQTT_PORT = 1883


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_broker(url: str) -> BrokerAddress:
    """The address in a URL. Raises ValueError, naming the URL and what was expected."""
    expected = "expected mqtt://HOST[:PORT]"
    parts = urlsplit(url)
    if parts.scheme != "mqtt":
        raise ValueError(f"broker {url!r} has scheme {parts.scheme or 'none'!r}; {expected}")
    if parts.username is not None or parts.password is not None:
        # The text of such a URL holds a secret: it is not repeated here.
        raise ValueError(
            "broker URL holds a user name or password; expected them in the environment, as"
            " TOCSIN_MQTT_USERNAME and TOCSIN_MQTT_PASSWORD"
        )
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"broker {url!r} has no usable port; expected 1 to 65535") from None
    if port == 0:
        raise ValueError(f"broker {url!r} has port 0; expected 1 to 65535")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"broker {url!r} is not an address; {expected}")
    return BrokerAddress(parts.hostname, port or MQTT_PORT)
