"""What the page reads when it is looked at: the `status` event says when an answer has changed."""

from collections.abc import Callable

import msgspec


class Changes(msgspec.Struct, frozen=True):
    """Numbers that step when the API would answer otherwise than at the status before: of
    `/api/channels` and `/api/deliveries`, of `/api/maintenance`, of `/api/functions`, of
    `/api/zones`.
    """

    deliveries: int
    maintenance: int
    functions: int
    zones: int


class ChangeBoard:
    """Owns what was there at the last look. Each of `of` gives something that is equal as long as
    nothing has changed. `first` is another number after each start of the server.
    """

    def __init__(self, first: int, of: dict[str, Callable[[], object]]) -> None:
        self._of = of
        self._seen: dict[str, object] = {}
        self._counts = dict.fromkeys(of, first)

    def look(self) -> Changes:
        for name, look in self._of.items():
            found = look()
            if found != self._seen.get(name):
                self._seen[name] = found
                self._counts[name] += 1
        return Changes(**self._counts)
