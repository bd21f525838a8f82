"""Which format reads which topic.

Hot path: `claim` is a dictionary hit for a topic seen before, and `read_numbers` is the fast
lane for the commonest payload by far, a flat JSON object of numbers.
"""

from collections.abc import Sequence

import msgspec

from tocsin.devices.formats.native import PayloadError, read_payload
from tocsin.devices.formats.row import Decoded, Rejected, Unclaimed
from tocsin.devices.topics import Claim, TopicError, TopicPattern, claim_topic

# bytes → dict of numbers, `ts`, `lat` and `lon` among them. Raises msgspec.DecodeError,
# ValueError (invalid UTF-8) or RecursionError for anything else: then `decode` has the answer.
read_numbers = msgspec.json.Decoder(dict[str, float]).decode


class Decoder:
    """Reads messages. State: the claims on topics seen, bounded; the oldest are forgotten."""

    def __init__(self, patterns: Sequence[TopicPattern] = (), remember: int = 100_000) -> None:
        self._patterns = tuple(patterns)
        self._remember = remember
        self._claims: dict[str, Claim | Rejected | None] = {}

    def claim(self, topic: str) -> Claim | Rejected | None:
        """What a topic is about; None if nothing claims it, Rejected if it cannot be used."""
        try:
            return self._claims[topic]
        except KeyError:
            pass
        try:
            found = claim_topic(topic, self._patterns)
        except TopicError as error:
            found = Rejected(None, str(error))
        if len(self._claims) >= self._remember:
            del self._claims[next(iter(self._claims))]
        self._claims[topic] = found
        return found

    def decode(self, topic: str, payload: bytes) -> Decoded | Rejected | Unclaimed:
        """What a message says. Commands and replies are claimed and have no rows."""
        found = self.claim(topic)
        if found is None:
            return Unclaimed()
        if isinstance(found, Rejected):
            return found
        if found.control:
            return Decoded(found.device, [])
        try:
            return Decoded(found.device, read_payload(payload, found.metric))
        except PayloadError as error:
            return Rejected(found.device, str(error))

    __call__ = decode

    @property
    def remembered(self) -> int:
        """How many topics' claims are kept."""
        return len(self._claims)
