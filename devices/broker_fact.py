"""A fact of the broker as the journal keeps it: for all but the broker, a name and bytes."""

import msgspec


class BrokerFact(msgspec.Struct, frozen=True, array_like=True, tag="b", gc=False):
    """Something that a session, a will or a retained message depends on, besides messages.

    `kind` is the fact's name, for people who read a journal; `body` is msgpack that only the
    broker reads.
    """

    kind: str
    body: bytes
