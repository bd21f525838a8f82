"""MQTT commands: a siren that starts when an alert rings and stops when it is over."""

from collections.abc import Callable

from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Answer, Parcel, Receipt

Publish = Callable[..., None]


class Commands:
    """Publishes the commands of one channel at QoS 1. Nobody answers a command, so a receipt
    ends with `sent`: the broker has it, and a session that is away gets it when it is back."""

    def __init__(self, channel: Channel, publish: Publish) -> None:
        self._channel = channel
        self._publish = publish

    async def send(self, parcel: Parcel) -> Answer:
        (delivery,), channel = parcel.deliveries, self._channel
        text = channel.ring if delivery.command == "ring" else channel.clear
        try:
            topic = channel.topic_for(delivery.alert.device)
            if topic is None:
                return Answer(f"{channel.name} has no device to command", again=False)
            self._publish(topic, text.encode(), qos=1, durable=delivery.alert.durable)
        except ValueError as error:  # a device id that is no level of a topic
            return Answer(str(error), again=False)
        return Answer(state=Receipt.SENT)
