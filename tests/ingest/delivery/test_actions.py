"""Rules whose actions would tell nobody are refused."""

import pytest

from tocsin.ingest.delivery.actions import find_unfit_actions
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.rules.rule import Rule

CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("ops", url="http://127.0.0.1/"),
        Channel("hall", kind="mqtt", device="siren-1", command="siren"),
        Channel("own", kind="mqtt", command="siren"),
        Channel("beside", kind="mqtt", device="siren-{device}", command="siren"),
    )
}
ONE, MANY = "t > 80", "count_devices(t > 80) >= 2"


@pytest.mark.parametrize("when", [ONE, MANY])
def test_a_webhook_and_a_siren_with_a_name_fit_every_rule(when: str) -> None:
    rule = Rule(name="r", when=when, actions=("ops", "hall"))
    assert list(find_unfit_actions(rule, CHANNELS)) == []


def test_the_device_of_an_alert_has_sirens_where_there_is_one() -> None:
    rule = Rule(name="r", when=ONE, actions=("own", "beside"))
    assert list(find_unfit_actions(rule, CHANNELS)) == []
    counting = Rule(name="r", when=MANY, actions=("own", "hall", "beside"))
    own, beside = find_unfit_actions(counting, CHANNELS)
    assert own.startswith("'own' commands the device of an alert ('{device}')")
    assert beside.startswith("'beside' commands the device of an alert ('siren-{device}')")
    assert "expected a channel that names a device, as in device = 'siren-1'" in own


def test_a_channel_that_is_not_there_is_named_beside_those_that_are() -> None:
    rule = Rule(name="r", when=ONE, actions=("opps", "ops"))
    [problem] = find_unfit_actions(rule, CHANNELS)
    assert problem == "'opps' is no channel; expected one of these: ops, hall, own, beside"
    problem = next(find_unfit_actions(rule, {}))
    assert problem.endswith("expected one of these: none is in the settings")
