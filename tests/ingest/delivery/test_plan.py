"""Who is told of which transition: a life of an alert, transition by transition."""

import pytest
from msgspec import structs

from tests.ingest.alerts.test_lifecycle import command
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.plan import Heard, UnknownChannels, plan
from tocsin.ingest.delivery.self_alarm import CHANNEL_FAILS, subject_of
from tocsin.ingest.rules.rule import Rule

OPS = Channel("ops", url="http://127.0.0.1/")
BOSS = Channel("boss", url="http://127.0.0.2/")
SIREN = Channel("siren", kind="mqtt", device="siren-1", command="siren")
OWN = Channel("own", kind="mqtt", command="siren")
CHANNELS = {channel.name: channel for channel in (OPS, BOSS, SIREN, OWN)}
HOT = Rule(name="hot", when="t > 80", actions=("ops", "siren"))
SLOW = Rule(name="slow", when="t > 80", actions=("ops", "siren"), on_delay="5s", re_alarm="60s")


class Story:
    """A book whose every transition is planned at once; `told` is what is told, in order."""

    def __init__(self) -> None:
        self.book = AlertBook()
        self.unknown = UnknownChannels()
        self.now = 0.0

    def turn(self, truth: bool, rule: Rule = HOT, device: str | None = "d") -> list[str]:
        self.now += 1.0
        subject = device or subject_of("ops")
        values = {"reason": "it hangs"}
        return self.told(self.book.signal(rule, subject, device, truth, self.now, self.now, values))

    def does(self, action: str, nth: int = 0) -> list[str]:
        self.now += 1.0
        alert = self.book.open()[nth].id
        return self.told(command(self.book, alert, action, self.now, note="x"))

    def waits(self) -> list[str]:
        self.now, alerts = self.book.fire_next()
        return self.told(alerts)

    def told(self, alerts: list[Alert]) -> list[str]:
        heard = Heard(self.book.open, CHANNELS)
        return [
            f"{each.channel} {each.command or each.alert.state}"
            for alert in alerts
            for each in plan(alert, CHANNELS, heard, self.now, self.unknown)
        ]


def test_every_transition_is_told_and_a_siren_hears_ring_and_clear() -> None:
    story = Story()
    assert story.turn(True) == ["ops active", "siren ring"]
    assert story.does("comment") == ["ops active"]
    assert story.does("ack") == ["ops acknowledged"]
    assert story.turn(False) == ["ops cleared", "siren clear"]


def test_what_never_rang_is_told_to_nobody() -> None:
    story = Story()
    assert story.turn(True, SLOW) == []
    assert story.turn(False, SLOW) == []
    assert story.turn(True, SLOW) == []
    assert story.waits() == ["ops active", "siren ring"]
    assert story.waits() == ["ops active", "siren ring"], "the re-alarm"
    assert story.turn(False, SLOW) == ["ops cleared_unacknowledged", "siren clear"]
    assert story.does("ack") == ["ops cleared"]


@pytest.mark.parametrize(
    ("mute", "unmute"),
    [("shelve", "unshelve"), ("suppress", "unsuppress"), ("out_of_service", "in_service")],
)
def test_what_is_muted_before_it_rings_is_told_when_it_is_no_longer(mute: str, unmute: str) -> None:
    story = Story()
    story.turn(True, SLOW)
    story.does(mute)
    assert story.waits() == []
    assert story.does("comment") == []
    assert story.does(unmute) == ["ops active", "siren ring"]
    assert story.does(mute) == ["ops active", "siren clear"]
    assert story.turn(False, SLOW) == ["ops cleared_unacknowledged", "siren clear"]


def test_a_siren_that_two_alerts_share_is_silent_when_both_are_over() -> None:
    story = Story()
    story.turn(True, device="a")
    story.turn(True, device="b")
    assert story.turn(False, device="a") == ["ops cleared_unacknowledged"]
    assert story.turn(False, device="b") == ["ops cleared_unacknowledged", "siren clear"]


def test_a_channel_that_a_rule_drops_is_told_that_what_rang_is_over() -> None:
    story = Story()
    assert story.turn(True) == ["ops active", "siren ring"]
    boss = structs.replace(HOT, actions=("boss",))
    assert story.told(story.book.amend(boss, story.now)) == []
    assert story.turn(False, boss) == [
        "boss cleared_unacknowledged",
        "ops cleared_unacknowledged",
        "siren clear",
    ]
    story.does("ack")
    assert story.turn(True, boss) == ["boss active"], "the next alert is the rule's as it is now"


def test_many_that_are_over_look_through_the_open_alerts_once() -> None:
    story = Story()
    for number in range(20):
        story.turn(True, device=f"d{number}")
    over = [
        alert
        for number in range(20)
        for alert in story.book.signal(HOT, f"d{number}", f"d{number}", False, 99.0, 99.0, {})
    ]
    looks: list[int] = []

    def look() -> list[Alert]:
        looks.append(1)
        return story.book.open()

    heard = Heard(look, CHANNELS)
    told = [d for a in over for d in plan(a, CHANNELS, heard, 99.0, story.unknown) if d.command]
    assert {each.command for each in told} == {"clear"}
    assert looks == [1]


def test_a_group_has_no_siren_of_its_own_but_may_ring_one() -> None:
    story = Story()
    rule = Rule(name="many", when="count_devices(t > 80) >= 2", actions=("siren", "own"))
    rang = story.book.signal(rule, "group:north", None, True, 1.0, 1.0, {})
    assert story.told(rang) == ["siren ring"]


def test_a_rule_that_goes_silences_its_siren() -> None:
    story = Story()
    story.turn(True)
    assert story.told(story.book.retire("hot", 9.0)) == ["ops cleared", "siren clear"]


def test_of_a_channel_that_fails_the_other_webhooks_are_told() -> None:
    story = Story()
    assert story.turn(True, CHANNEL_FAILS, device=None) == ["boss active"]
    [alert] = story.book.open()
    assert alert.message == "channel:ops cannot be told of alerts: it hangs"


def test_a_channel_that_is_not_there_is_counted() -> None:
    story = Story()
    assert story.turn(True, Rule(name="r", when="t > 1", actions=("nobody",))) == []
    assert (story.unknown.total, story.unknown.names) == (1, {"nobody": "r"})


def test_that_an_alert_is_on_disk_after_all_is_told_to_nobody() -> None:
    story = Story()
    story.turn(True)
    (alert,) = story.book.open()
    for durable in (False, True):
        (marked,) = story.book.mark([alert.id], durable, story.now)
        heard = Heard(story.book.open, CHANNELS)
        assert plan(marked, CHANNELS, heard, story.now, story.unknown) == []
