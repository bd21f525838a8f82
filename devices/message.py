"""A message: one MQTT PUBLISH as a client sent it."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True, tag="m", gc=False):
    """One PUBLISH from a client, in the form in which the journal keeps it.

    `packet_id` is 0 at QoS 0. `payload` is what the client sent, unread. `properties` are those
    that MQTT 5 wants passed on to subscribers, encoded as they are on the wire; None: none.
    """

    client: str
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    packet_id: int = 0
    properties: bytes | None = None
