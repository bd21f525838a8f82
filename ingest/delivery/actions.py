"""Whether the channels that a rule names can be told of its alerts."""

from collections.abc import Iterator, Mapping

from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import validate


def find_unfit_actions(rule: Rule, channels: Mapping[str, Channel]) -> Iterator[str]:
    """What is wrong with the actions of a valid rule, for people: a channel that is not there, or
    one that commands an alert's own device, where the rule counts devices and its alerts have none.
    """
    for name in rule.actions:
        channel = channels.get(name)
        if channel is None:
            known = ", ".join(channels) or "none is in the settings"
            yield f"{name!r} is no channel; expected one of these: {known}"
        elif channel.kind == "mqtt" and channel.topic_for(None) is None and validate(rule).counting:
            yield (
                f"{name!r} commands the device of an alert ({channel.device!r}), and an alert of a"
                " rule that counts devices has none; expected a channel that names a device, as in"
                " device = 'siren-1'"
            )
