"""Who is let in before a packet is read: numbers and rates, with the time as an argument."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.broker import Listener, Settings
from tocsin.broker.door import Door
from tocsin.broker.hits import Hits
from tocsin.broker.listener import Caller

HERE = Listener("127.0.0.1", 1883)
THERE = Listener("127.0.0.1", 1884, connections=2)


def door(**limits: float) -> Door:
    return Door(Settings(**limits), Hits())  # pyright: ignore[reportArgumentType] (numbers only)


def come(at: Door, host: str, now: float = 0.0, listener: Listener = HERE) -> tuple[Caller, str]:
    """A new socket of `host`, and the kind of reason it is refused for; empty: it is in."""
    caller = Caller(listener)
    return caller, (at.enter(caller, host, now) or "").partition(":")[0]


def test_the_bound_on_all_and_on_one_listener() -> None:
    at = door(connections=3)
    first, _ = come(at, "10.0.0.1", listener=THERE)
    assert come(at, "10.0.0.2", listener=THERE)[1] == ""
    assert come(at, "10.0.0.3", listener=THERE)[1] == "too many connections at 127.0.0.1"
    assert come(at, "10.0.0.3")[1] == ""
    assert come(at, "10.0.0.4")[1] == "too many connections"
    assert (at.open, at.at(THERE), at.at(HERE)) == (3, 2, 1)
    at.leave(first)
    at.leave(first)
    assert (at.open, at.at(THERE)) == (2, 1)
    assert come(at, "10.0.0.4", listener=THERE)[1] == ""


def test_who_is_in_is_not_counted_twice() -> None:
    at = door(connections=1)
    caller, refusal = come(at, "10.0.0.1")
    assert refusal == ""
    assert at.enter(caller, "10.0.0.1", 0.0) is None
    assert at.open == 1


@given(now=st.floats(0.0, 1e7), rate=st.floats(0.01, 1e3), burst=st.integers(1, 50))
def test_a_burst_is_let_in_whatever_the_clock_says_and_no_more(
    now: float, rate: float, burst: int
) -> None:
    at = door(address_connects_per_s=rate, address_connect_burst=burst)
    refusals = [come(at, "10.0.0.1", now)[1] for _ in range(burst + 1)]
    assert refusals == [""] * burst + ["connects too fast"]


def test_who_was_refused_does_not_leave() -> None:
    at = door(connections=1)
    come(at, "10.0.0.1")
    refused, _ = come(at, "10.0.0.2")
    at.leave(refused)
    assert at.open == 1


def test_an_address_has_a_bound_of_its_own() -> None:
    at = door(address_connections=2)
    caller, _ = come(at, "10.0.0.1")
    assert come(at, "10.0.0.1")[1] == ""
    assert come(at, "10.0.0.1")[1] == "too many connections of one address"
    assert come(at, "10.0.0.2")[1] == ""
    at.leave(caller)
    assert come(at, "10.0.0.1")[1] == ""


def test_ipv6_counts_by_its_first_64_bits() -> None:
    at = door(address_connections=1)
    assert come(at, "2001:db8::1")[1] == ""
    assert come(at, "2001:db8::ffff:2")[1] == "too many connections of one address"
    assert come(at, "2001:db8:0:1::1")[1] == ""
    assert come(at, "10.0.0.1")[1] == ""
    # The same peer on a socket for both families.
    assert come(at, "::ffff:10.0.0.1")[1] == "too many connections of one address"
    assert come(at, "fe80::1%eth0")[1] == ""
    assert come(at, "unknown")[1] == ""


def test_how_fast_an_address_may_come() -> None:
    #  now       0    0    0    0     0.5   1     1      10 and 4 at once
    #  let in    1    2    3    –     4     5     –      the burst is there again, no more
    at = door(address_connects_per_s=2.0, address_connect_burst=3)
    moments = [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, *[10.0] * 4]
    refusals = [come(at, "10.0.0.1", now)[1] for now in moments]
    fast = "connects too fast"
    assert refusals == ["", "", "", fast, "", "", fast, "", "", "", fast]
    assert come(at, "10.0.0.2", 10.0)[1] == ""


def test_the_memory_of_addresses_is_bounded() -> None:
    at = door(address_connects_per_s=1.0, address_connect_burst=1, remembered_addresses=2)
    for number in range(3):
        assert come(at, f"10.0.0.{number}")[1] == ""
    # The first was forgotten, the last was not.
    assert come(at, "10.0.0.2")[1] == "connects too fast"
    assert come(at, "10.0.0.0")[1] == ""
