"""The bounds on who comes in: by number, by address, by how fast. No packet was read yet."""

import ipaddress
from collections import Counter, OrderedDict

from tocsin.broker.hits import Hits
from tocsin.broker.listener import Caller, Listener
from tocsin.broker.settings import Settings

_ROUNDING_S = 1e-6  # (now + step) - now is not always the step


class Door:
    """Owns the counts of open sockets and how fast addresses open new ones.

    An IPv6 address counts by its first 64 bits: a subscriber is given that many.
    """

    def __init__(self, settings: Settings, hits: Hits) -> None:
        self._settings = settings
        self._hits = hits
        self._by_listener: Counter[Listener] = Counter()
        self._by_address: Counter[str] = Counter()
        # Per address when its budget of connects is full again; the one seen longest ago goes.
        self._full_at: OrderedDict[str, float] = OrderedDict()
        self.open = 0
        """Sockets that are in."""

    def at(self, listener: Listener) -> int:
        """Sockets open at one listener."""
        return self._by_listener[listener]

    def enter(self, caller: Caller, host: str, now: float) -> str | None:
        """Counts the caller in. Else why it may not come; who is in already stays in."""
        if caller.inside:
            return None
        caller.host = host
        settings, listener, network = self._settings, caller.listener, _network(host)
        if self.open >= settings.connections:
            self._hits.add("connections")
            return f"too many connections: {settings.connections} are open"
        if listener.connections is not None and self.at(listener) >= listener.connections:
            return f"too many connections at {listener}: {listener.connections} are open"
        limit = settings.address_connections
        if self._by_address[network] >= limit:
            self._hits.add("address_connections")
            return f"too many connections of one address: {network} has {limit} open"
        if not self._in_time(network, now):
            self._hits.add("address_connects_per_s")
            rate = settings.address_connects_per_s
            return f"connects too fast: {network}; expected at most {rate:g} a second"
        self.open += 1
        self._by_listener[listener] += 1
        self._by_address[network] += 1
        caller.inside = True
        return None

    def leave(self, caller: Caller) -> None:
        """The caller's socket is gone; a second call does nothing."""
        if not caller.inside:
            return
        caller.inside = False
        self.open -= 1
        self._by_listener[caller.listener] -= 1
        network = _network(caller.host)
        self._by_address[network] -= 1
        if not self._by_address[network]:
            del self._by_address[network]

    def _in_time(self, network: str, now: float) -> bool:
        """Takes one connect from the address's budget; False: it is empty."""
        settings = self._settings
        step_s = 1.0 / settings.address_connects_per_s
        full_at = max(self._full_at.get(network, now), now) + step_s
        if full_at - now > settings.address_connect_burst * step_s + _ROUNDING_S:
            return False
        self._full_at[network] = full_at
        self._full_at.move_to_end(network)
        if len(self._full_at) > settings.remembered_addresses:
            self._full_at.popitem(last=False)
        return True


def _network(host: str) -> str:
    """What stands for the peer: its IPv4 address, or the /64 of its IPv6 address."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
