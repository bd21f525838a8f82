"""A client as a subscriber: what its SUBSCRIBEs and UNSUBSCRIBEs change."""

from tocsin.broker.access import Permit
from tocsin.broker.clients import Client
from tocsin.broker.codec import encode
from tocsin.broker.delivery import Delivery
from tocsin.broker.packets import (
    LEVEL_5,
    LEVEL_311,
    NO_LOCAL,
    RETAIN_AS_PUBLISHED,
    RETAIN_IF_NEW,
    RETAIN_NEVER,
    SUBSCRIBE_REFUSED,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from tocsin.broker.properties import NO_PROPERTIES, Properties
from tocsin.broker.reasons import Reason
from tocsin.broker.subscriptions import Grant
from tocsin.broker.surroundings import Surroundings
from tocsin.broker.topics import is_shared, split_shared


class Subscriber(Delivery):
    """Owns what the client is permitted, and how much it wants to be told of refusals."""

    __slots__ = ("_permit", "_tells_reasons")

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._permit: Permit | None = None
        self._tells_reasons = False

    @property
    def level(self) -> int:
        """The protocol level to encode for."""
        return LEVEL_5 if self.five else LEVEL_311

    def agree(self, level: int, properties: Properties) -> None:
        super().agree(level, properties)
        # [MQTT-3.1.2-29] Absent means yes.
        self._tells_reasons = self.five and properties.request_problem_information != 0

    def opened(self) -> Client:
        """The client, whose CONNECT was accepted."""
        if self.client is None:
            raise RuntimeError("a packet other than CONNECT was taken before the login")
        return self.client

    def explained(self, why: str) -> Properties:
        """A reason string, where the client wants one and takes its size [MQTT-3.9.2-1]."""
        text = why[:256]
        if not text or not self._tells_reasons or self._packet_limit < 1_024:
            return NO_PROPERTIES
        return Properties(reason_string=text)

    def subscribe(self, packet: Subscribe) -> None:
        client = self.opened()
        around = self._around
        around.intake.route_gathered()
        subscriptions = client.session.subscriptions
        codes: list[int] = []
        replays: list[tuple[list[str], Grant]] = []
        refusals: list[str] = []
        unread = self._replaying
        for topic_filter, options in packet.filters:
            refusal = self._why_not(client, topic_filter, unread)
            if refusal is not None:
                reason, why = refusal
                around.refusals.add(why, self.address, client.id)
                refusals.append(why)
                codes.append(reason if self.five else SUBSCRIBE_REFUSED)
                continue
            if "$SYS/" in topic_filter:
                around.refresh_system()
            grant = Grant(
                options & 3,
                self.five,
                bool(options & NO_LOCAL),
                bool(options & RETAIN_AS_PUBLISHED),
                packet.properties.subscription_ids,
            )
            retained: list[str] = []
            if self._wants_retained(options, topic_filter, new=topic_filter not in subscriptions):
                retained = [each.topic for each in around.router.retained.match(topic_filter)]
            around.router.subscriptions.add(topic_filter, client, grant)
            subscriptions[topic_filter] = grant
            codes.append(grant.qos)
            replays.append((retained, grant))
            unread += len(retained)
        answer = Suback(packet.packet_id, tuple(codes), self.explained("; ".join(refusals)))
        self.send(encode(answer, self.level))  # [MQTT-3.8.4-5]
        self.replay(replays)

    @staticmethod
    def _wants_retained(options: int, topic_filter: str, *, new: bool) -> bool:
        """Retain handling: [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; none when shared."""
        if is_shared(topic_filter) or options & RETAIN_NEVER:
            return False
        return new or not options & RETAIN_IF_NEW

    def _why_not(self, client: Client, topic_filter: str, unread: int) -> tuple[Reason, str] | None:
        """Why the client may not subscribe to this; None when it may."""
        settings = self._around.settings
        shown = topic_filter[:64]
        inner = topic_filter
        if is_shared(topic_filter):
            try:
                _, inner = split_shared(topic_filter)
            except ValueError as error:
                return Reason.TOPIC_FILTER_INVALID, f"malformed filter: {error}"
        if self._permit is None or not self._permit.may_subscribe(inner):
            return Reason.NOT_AUTHORIZED, f"not allowed: subscribe to {shown!r}"
        if (
            len(topic_filter.encode()) > settings.topic_bytes
            or topic_filter.count("/") >= settings.topic_levels
        ):
            limit = settings.topic_levels
            why = f"filter too long: {shown!r}; expected at most {limit} levels"
            return Reason.TOPIC_FILTER_INVALID, why
        present = client.session.subscriptions
        if topic_filter not in present and len(present) >= settings.subscriptions:
            why = f"too many subscriptions: expected at most {settings.subscriptions}"
            return Reason.QUOTA_EXCEEDED, why
        if unread >= settings.retained_replay:
            why = f"too many retained messages unread: {unread} are still to be sent"
            return Reason.QUOTA_EXCEEDED, why
        return None

    def unsubscribe(self, packet: Unsubscribe) -> None:
        client = self.opened()
        self._around.intake.route_gathered()
        codes: list[int] = []
        for topic_filter in packet.filters:
            if client.session.subscriptions.pop(topic_filter, None) is None:
                codes.append(Reason.NO_SUBSCRIPTION_EXISTED)
            else:
                self._around.router.subscriptions.remove(topic_filter, client)
                codes.append(Reason.SUCCESS)
        # [MQTT-3.10.4-5] also if there was none
        self.send(encode(Unsuback(packet.packet_id, tuple(codes)), self.level))
