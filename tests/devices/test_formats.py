"""One table of payloads: what each says, or why it is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.devices.formats import Decoded, Decoder, Rejected, Row, Unclaimed
from tocsin.devices.formats.decoder import read_numbers

TELEMETRY = "devices/d/telemetry"

READABLE: dict[str, tuple[str, bytes, list[Row]]] = {
    "numbers": (TELEMETRY, b'{"temp_c": 21.5, "n": 3}', [Row({"temp_c": 21.5, "n": 3.0})]),
    "kinds": (TELEMETRY, b'{"on": true, "mode": "eco"}', [Row({"on": True, "mode": "eco"})]),
    "nested": (TELEMETRY, b'{"a": {"b": {"c": 1}}, "v": [4, 5]}',
               [Row({"a.b.c": 1.0, "v.0": 4.0, "v.1": 5.0})]),
    "null is silence": (TELEMETRY, b'{"a": null, "b": 1}', [Row({"b": 1.0})]),
    "ts in seconds": (TELEMETRY, b'{"ts": 17.25, "a": 1}', [Row({"a": 1.0}, 17.25)]),
    "ts in ms": (TELEMETRY, b'{"ts": 1700000000250, "a": 1}', [Row({"a": 1.0}, 1700000000.25)]),
    "ts in us": (TELEMETRY, b'{"ts": 1700000000250000, "a": 1}', [Row({"a": 1.0}, 1700000000.25)]),
    "ts as ISO": (TELEMETRY, b'{"ts": "2023-11-14T22:13:20Z", "a": 1}',
                  [Row({"a": 1.0}, 1700000000.0)]),
    "ts with offset": (TELEMETRY, b'{"ts": "2023-11-14T23:13:20+01:00", "a": 1}',
                       [Row({"a": 1.0}, 1700000000.0)]),
    "position": (TELEMETRY, b'{"lat": 48.2, "lon": 16.4}', [Row({"lat": 48.2, "lon": 16.4})]),
    "batch": (TELEMETRY, b'[{"ts": 1, "a": 1}, {"ts": 2, "a": 2}]',
              [Row({"a": 1.0}, 1.0), Row({"a": 2.0}, 2.0)]),
    "bare number": (TELEMETRY, b"21.5", [Row({"value": 21.5})]),
    "bare number on a metric": ("devices/d/temp_c", b"21.5", [Row({"temp_c": 21.5})]),
    "bare boolean": ("devices/d/door", b"true", [Row({"door": True})]),
    "value with ts on a metric": ("devices/d/temp_c", b'{"value": 1, "ts": 5}',
                                  [Row({"temp_c": 1.0}, 5.0)]),
    "command": ("devices/d/commands/reset", b"anything", []),
}  # fmt: skip

UNREADABLE: dict[str, tuple[str, bytes, str]] = {
    "empty": (TELEMETRY, b"", "the payload is empty"),
    "not JSON": (TELEMETRY, b"{temp: 1}", "not JSON"),
    "cut": (TELEMETRY, b'{"a": 1', "not JSON"),
    "NaN": (TELEMETRY, b'{"a": NaN}', "not JSON"),
    "1e999": (TELEMETRY, b'{"a": 1e999}', "not JSON"),
    "huge integer": (TELEMETRY, b'{"a": ' + b"9" * 400 + b"}", ""),
    "invalid UTF-8": (TELEMETRY, b'{"a": "\xff\xfe"}', "not JSON"),
    "nesting of 10,000": (TELEMETRY, b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
                          "nested deeper than 16"),
    "nesting of 17": (TELEMETRY, b'{"a":' * 18 + b"1" + b"}" * 18, "nested deeper than 16"),
    "no metrics": (TELEMETRY, b'{"ts": 1}', "no metrics in it"),
    "text": (TELEMETRY, b'{"a": "' + b"x" * 257 + b'"}', "a string of 257 bytes"),
    "bad ts": (TELEMETRY, b'{"ts": "noon", "a": 1}', "ts 'noon' is not a time"),
    "negative ts": (TELEMETRY, b'{"ts": -1, "a": 1}', "ts -1 is not a time"),
    "ts as object": (TELEMETRY, b'{"ts": {}, "a": 1}', "ts is an object"),
    "bad lat": (TELEMETRY, b'{"lat": 91, "lon": 0}', "lat is 91; expected degrees from -90 to 90"),
    "mixed array": (TELEMETRY, b'[{"a": 1}, 2]', "an array with 2 in it; expected objects"),
    "long array": (TELEMETRY, b"[" + b'{"a":1},' * 10_000 + b'{"a":1}]', "an array of 10001"),
    "long name": (TELEMETRY, b'{"' + b"n" * 129 + b'": 1}', "has 129 characters"),
    "empty batch": (TELEMETRY, b"[]", "an empty array; expected at least one object"),
    "null": (TELEMETRY, b"null", "'value' is None"),
    "bad device": ("devices/a\x01/telemetry", b"1", "not allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", READABLE)
def test_readable(case: str):
    topic, payload, rows = READABLE[case]
    assert Decoder().decode(topic, payload) == Decoded("d", rows)


@pytest.mark.parametrize("case", UNREADABLE)
def test_unreadable_is_a_value_with_a_reason(case: str):
    topic, payload, reason = UNREADABLE[case]
    result = Decoder().decode(topic, payload)
    assert isinstance(result, Rejected)
    assert reason in result.reason
    assert len(result.reason) < 300


def test_unclaimed():
    assert Decoder().decode("factory/x", b"1") == Unclaimed()


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload: bytes):
    assert isinstance(Decoder().decode(TELEMETRY, payload), Decoded | Rejected)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20), st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_fast_lane_agrees_with_the_full_reader(values: dict[str, float]):
    values = {k: v for k, v in values.items() if k not in ("ts", "lat", "lon")}
    payload = msgspec.json.encode(values)
    full = Decoder().decode(TELEMETRY, payload)
    assert read_numbers(payload) == values
    if values:
        assert full == Decoded("d", [Row(dict[str, Any](values))])
    else:
        assert isinstance(full, Rejected)


def test_claims_are_remembered_within_bounds():
    decoder = Decoder(remember=10)
    for n in range(100):
        decoder.claim(f"devices/d{n}/telemetry")
    assert decoder.remembered == 10
