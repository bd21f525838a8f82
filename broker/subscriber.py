"""A client as a subscriber: what its SUBSCRIBEs and UNSUBSCRIBEs change."""

from time import monotonic

from tocsin.broker.access import Action, Permit
from tocsin.broker.clients import Client
from tocsin.broker.codec import encode
from tocsin.broker.delivery import Delivery
from tocsin.broker.facts import Subscribed, Unsubscribed
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

_Granted = tuple[str, Grant, bool]
"""Filter, what was granted, whether its retained messages are wanted."""


class Subscriber(Delivery):
    """Owns what the client is permitted, and how much it wants to be told of refusals."""

    __slots__ = ("_asked", "_permit", "_tells_reasons")

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._permit: Permit | None = None
        self._tells_reasons = False
        # Filters on their way to the journal.
        self._asked: set[str] = set()

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
        """Decides on each filter now. What the journal keeps takes effect when it is there."""
        client = self.opened()
        around = self._around
        around.intake.route_gathered()
        present = client.session.subscriptions
        granted: list[_Granted] = []
        asked: dict[str, Grant] = {}
        fresh: set[str] = set()
        codes: list[int] = []
        refusals: list[str] = []
        unread = self._replaying
        for topic_filter, options in packet.filters:
            refusal = self._why_not(client, topic_filter, unread, fresh)
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
            new = topic_filter not in present and topic_filter not in asked
            wants = self._wants_retained(options, topic_filter, new=new)
            if new:
                fresh.add(topic_filter)
            if wants:
                unread += len(around.router.retained.match(topic_filter))
            granted.append((topic_filter, grant, wants))
            asked[topic_filter] = grant
            codes.append(grant.qos)
        explained = self.explained("; ".join(refusals))
        kept = [
            (topic_filter, grant)
            for topic_filter, grant in asked.items()
            if (client.durable or is_shared(topic_filter))
            and (present.get(topic_filter) != grant or topic_filter in self._asked)
        ]

        def take_effect(stored: bool, _: bool) -> None:
            refused = {topic_filter for topic_filter, _ in kept} if not stored else set[str]()
            self._asked.difference_update(topic_filter for topic_filter, _ in kept)
            if self.closed:
                return
            effective = [each for each in granted if each[0] not in refused]
            replays = self._grant(client, effective)
            failed = Reason.IMPLEMENTATION_SPECIFIC_ERROR if self.five else SUBSCRIBE_REFUSED
            told = [
                failed if topic_filter in refused else code
                for (topic_filter, _), code in zip(packet.filters, codes, strict=True)
            ]
            self._answer_all(Suback(packet.packet_id, tuple(told), explained))
            self.replay(replays)

        if not kept:
            take_effect(True, False)
            return
        self._asked.update(topic_filter for topic_filter, _ in kept)
        client.guest = not client.durable
        fact = Subscribed(client.id, kept, client.guest)
        around.intake.record(fact, take_effect, guest=client if client.guest else None)

    def _grant(self, client: Client, granted: list[_Granted]) -> list[tuple[list[str], Grant]]:
        """Subscribes; gives the topics whose retained message is due for each filter."""
        around = self._around
        replays: list[tuple[list[str], Grant]] = []
        for topic_filter, grant, wants in granted:
            # What is wanted is looked up before the filter counts, and counts but once.
            due = around.router.retained.match(topic_filter) if wants else []
            if client.session.subscriptions.get(topic_filter) != grant:
                around.clients.subscribe(client, topic_filter, grant)
            replays.append(([each.topic for each in due], grant))
        return replays

    @staticmethod
    def _wants_retained(options: int, topic_filter: str, *, new: bool) -> bool:
        """Retain handling: [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; none when shared."""
        if is_shared(topic_filter) or options & RETAIN_NEVER:
            return False
        return new or not options & RETAIN_IF_NEW

    def _why_not(
        self, client: Client, topic_filter: str, unread: int, fresh: set[str]
    ) -> tuple[Reason, str] | None:
        """Why the client may not subscribe to this; None when it may.

        `fresh`: new filters that were granted before it in the same packet.
        """
        settings = self._around.settings
        shown = topic_filter[:64]
        inner = topic_filter
        if is_shared(topic_filter):
            try:
                _, inner = split_shared(topic_filter)
            except ValueError as error:
                return Reason.TOPIC_FILTER_INVALID, f"malformed filter: {error}"
        permit = self._permit
        advised = permit is not None and permit.verdict(Action.SUBSCRIBE, inner, monotonic())
        if permit is None or not advised or not permit.may_subscribe(inner):
            return Reason.NOT_AUTHORIZED, f"not allowed: subscribe to {shown!r}"
        if (beyond := self.beyond(topic_filter, len(topic_filter.encode()))) is not None:
            return Reason.TOPIC_FILTER_INVALID, f"filter too long: {shown!r}; {beyond}"
        present = client.session.subscriptions
        if (
            topic_filter not in present
            and topic_filter not in fresh
            and topic_filter not in self._asked
            and len(present) + len(fresh) + len(self._asked) >= settings.subscriptions
        ):
            self.hit("subscriptions")
            why = f"too many subscriptions: expected at most {settings.subscriptions}"
            return Reason.QUOTA_EXCEEDED, why
        if unread >= settings.retained_replay:
            self.hit("retained_replay")
            why = f"too many retained messages unread: {unread} are still to be sent"
            return Reason.QUOTA_EXCEEDED, why
        return None

    def beyond(self, topic: str, size: int) -> str | None:
        """What was expected of a topic or filter of `size` bytes that is too long, or too deep."""
        settings = self._around.settings
        if size > settings.topic_bytes:
            self.hit("topic_bytes")
            return f"expected at most {settings.topic_bytes} bytes"
        if topic.count("/") >= settings.topic_levels:
            self.hit("topic_levels")
            return f"expected at most {settings.topic_levels} levels"
        return None

    def unsubscribe(self, packet: Unsubscribe) -> None:
        client = self.opened()
        around = self._around
        around.intake.route_gathered()
        present = client.session.subscriptions
        kept = [
            each
            for each in packet.filters
            if (each in present or each in self._asked) and (client.durable or is_shared(each))
        ]

        def take_effect(stored: bool, _: bool) -> None:
            if self.closed:
                return
            if not stored:
                self.not_stored()
                return
            codes: list[int] = []
            for each in packet.filters:
                found = each in kept or around.clients.unsubscribe(client, each)
                codes.append(Reason.SUCCESS if found else Reason.NO_SUBSCRIPTION_EXISTED)
            # [MQTT-3.10.4-5] also if there was none
            self._answer_all(Unsuback(packet.packet_id, tuple(codes)))

        if kept:
            fact = Unsubscribed(client.id, kept, not client.durable)
            around.intake.record(fact, take_effect)
        else:
            take_effect(True, False)

    def _answer_all(self, answer: Suback | Unsuback) -> None:
        """Sends one answer for all filters of a packet [MQTT-3.8.4-5] [MQTT-3.10.4-6]."""
        wire = encode(answer, self.level)
        if len(wire) > self._packet_limit:  # [MQTT-3.1.2-24]
            why = f"the answer has {len(wire)} bytes; the client takes {self._packet_limit}"
            self.close(why, Reason.PACKET_TOO_LARGE)
            return
        self.send(wire)

    def close(
        self, reason: str, code: Reason | None = None, *, answer: bytes = b"", cut: bool = False
    ) -> None:
        """Ends the connection."""
        raise NotImplementedError

    def not_stored(self) -> None:
        """What the client waits for an answer to could not be stored."""
        raise NotImplementedError
