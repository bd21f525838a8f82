import pytest

from tocsin.devices.topics import Claim, TopicError, TopicPattern, claim_topic

NATIVE = {
    "devices/boiler-7/telemetry": Claim("boiler-7"),
    "devices/boiler-7/temp_c": Claim("boiler-7", "temp_c"),
    "devices/boiler-7/commands/reset": Claim("boiler-7", control=True),
    "devices/boiler-7/replies/17": Claim("boiler-7", control=True),
    "devices/ü ber/telemetry": Claim("ü ber"),
    "devices/boiler-7": None,
    "devices/boiler-7/a/b": None,
    "factory/boiler-7/telemetry": None,
    "": None,
}


@pytest.mark.parametrize("topic", NATIVE)
def test_native_topics(topic: str):
    assert claim_topic(topic) == NATIVE[topic]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("devices//telemetry", "device id '' has 0 characters; expected 1 to 128"),
        ("devices/" + "x" * 129 + "/telemetry", "has 129 characters"),
        ("devices/a\x07b/telemetry", "has a character that is not allowed"),
        ("devices/a/" + "m" * 129, "metric name"),
    ],
)
def test_unusable_names_say_what_was_expected(topic: str, reason: str):
    with pytest.raises(TopicError, match=reason):
        claim_topic(topic)


def test_pattern_with_metric_and_id():
    pattern = TopicPattern("plant/{site}/{device}/{metric}", "{site}.{device}")
    claim = claim_topic("plant/north/boiler-7/temp_c", [pattern])
    assert claim == Claim("north.boiler-7", "temp_c", {"site": "north"})


def test_pattern_without_metric_reads_names_from_the_payload():
    assert claim_topic("zigbee/lamp", [TopicPattern("zigbee/{device}")]) == Claim("lamp")


@pytest.mark.parametrize(
    ("pattern", "device_id", "reason"),
    [
        ("plant/{site}/{device}/{metric}", None, "several placeholders; expected an id"),
        ("plant/x/{metric}", None, "names no device"),
        ("plant/+/{device}", None, "the level '\\+'"),
        ("plant//{device}", None, "the level ''"),
        ("p/{device}/{device}", None, "a placeholder twice"),
        ("p/{device}", "{site}.{device}", "uses {site}, which 'p/{device}' does not have"),
    ],
)
def test_bad_patterns_are_refused(pattern: str, device_id: str | None, reason: str):
    with pytest.raises(TopicError, match=reason):
        TopicPattern(pattern, device_id)
