"""What of a valid rule looks like a slip, beside what a plant has sent."""

from tests.ingest.scripts import START, message
from tocsin.devices.formats import Decoder
from tocsin.devices.profile import Profile
from tocsin.ingest.doubts import doubts
from tocsin.ingest.facts import ProfilesConfigured, Record
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import validate
from tocsin.ingest.settings import Settings

PROFILES = (
    Profile("us-*", units={"t_out": "°F"}, limits={"max_f": 180}),
    Profile("*", units={"t_out": "°C"}),
)


def doubted(when: str, devices: str = "*") -> list[str]:
    settings = Settings(profiles=PROFILES)
    plant = Pipeline(settings, Decoder())
    sent: list[Record] = [message(each, {"t_out": 60}) for each in ("us-1", "at-1")]
    plant.feed([ProfilesConfigured(settings.profile_tables()), *sent], START)
    rule = validate(Rule(name="r", when=when, devices=devices))
    return [str(each) for each in doubts(rule, plant.catalogue)]


def test_a_metric_in_two_units_is_doubted_where_a_rule_is_for_both() -> None:
    (found,) = doubted("t_out > 80")
    assert found.startswith("devices: 't_out' is in °C and in °F on devices that it is for")
    assert doubted("t_out > 80", "us-*") == doubted("t_out > 80", "at-*") == []


def test_units_that_profiles_state_count_before_those_of_names() -> None:
    assert doubted("t_out > limit('max_f')", "us-*") == []
    unit, unlimited = sorted(doubted("t_out > limit('max_f')", "at-*"))
    assert unlimited.startswith("when: no device that it is for has a limit 'max_f' at column 15")
    assert unit.startswith("when: 'limit('max_f')' at column 9 is in °F, and 't_out' in °C")


def test_units_are_known_by_names_before_there_is_any_device() -> None:
    rule = validate(Rule(name="r", when="temp_c > 3", clear="temp_c < flow_lpm"))
    (found,) = doubts(rule, Pipeline(Settings(), Decoder()).catalogue)
    assert (found.field, found.column) == ("clear", 10)
