"""Wrong logins: who waits, for how long, and who does not."""

import pytest

from tests.broker.harness import local, running
from tests.broker.test_connect import by_password
from tocsin.broker import Login
from tocsin.broker.backoff import Backoff
from tocsin.broker.packets import LEVEL_5, Connack, Connect, ConnectCode
from tocsin.broker.reasons import Reason
from tocsin.devices.credentials import ANONYMOUS, Identity


def backoff(**limits: int) -> Backoff:
    return Backoff(local(**limits))


def test_each_failure_beyond_the_free_ones_doubles_the_wait() -> None:
    failures = backoff(login_failures_free=2)
    waits: list[float] = []
    now = 0.0
    for _ in range(10):
        failures.fail("b", "10.0.0.1", now)
        waits.append(failures.wait_s("b", "10.0.0.1", now))
        now += waits[-1]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert failures.wait_s("b", "10.0.0.1", now - 59) == 59


def test_the_same_name_elsewhere_and_other_names_here_do_not_wait() -> None:
    failures = backoff(login_failures_free=1)
    failures.fail("b", "10.0.0.1", 0.0)
    failures.fail("b", "10.0.0.1", 0.0)
    assert failures.wait_s("b", "10.0.0.1", 0.0) == 1
    assert failures.wait_s("b", "10.0.0.2", 0.0) == 0
    assert failures.wait_s("c", "10.0.0.1", 0.0) == 0


def test_a_right_login_clears_the_name() -> None:
    failures = backoff(login_failures_free=1)
    failures.fail("b", "10.0.0.1", 0.0)
    failures.fail("b", "10.0.0.1", 0.0)
    failures.succeed("b", "10.0.0.1")
    failures.fail("b", "10.0.0.1", 0.0)
    assert failures.wait_s("b", "10.0.0.1", 0.0) == 0


def test_an_address_that_tries_many_names_has_a_budget() -> None:
    failures = backoff(address_login_failures=3)
    for number in range(3):
        assert failures.wait_s(str(number), "10.0.0.1", 0.0) == 0
        failures.fail(str(number), "10.0.0.1", 0.0)
    assert failures.wait_s("new", "10.0.0.1", 0.0) == 1
    assert failures.wait_s("new", "10.0.0.1", 1.0) == 0
    assert failures.wait_s("new", "10.0.0.2", 0.0) == 0


def test_who_knows_the_password_is_not_kept_out_by_who_guesses() -> None:
    failures = backoff(login_failures_free=1, address_login_failures=3)
    failures.succeed("b", "10.0.0.1", b"right")
    for number in range(10):
        failures.fail("b", "10.0.0.1", 0.0, b"%d" % number)
    assert failures.wait_s("b", "10.0.0.1", 0.0, b"right") == 0
    assert failures.wait_s("b", "10.0.0.1", 0.0, b"wrong") > 1
    assert failures.wait_s("c", "10.0.0.1", 0.0, b"right") > 1, "of another name it is no proof"
    # It is right no more: from then on it is a guess like any other.
    failures.fail("b", "10.0.0.1", 0.0, b"right")
    assert failures.wait_s("b", "10.0.0.1", 0.0, b"right") > 1


def test_the_memory_of_right_passwords_is_bounded() -> None:
    failures = backoff(address_login_failures=1, remembered_logins=2)
    for name in "abca":
        failures.succeed(name, "10.0.0.1", b"right")
    failures.fail("x", "10.0.0.1", 0.0)
    waits = [failures.wait_s(name, "10.0.0.1", 0.0, b"right") for name in "abc"]
    assert waits == [0, 1, 0]


def test_failures_are_forgotten_after_a_while_and_memory_is_bounded() -> None:
    failures = backoff(login_failures_free=1, remembered_addresses=2)
    for name in ("a", "a", "b", "c"):
        failures.fail(name, name, 0.0)
    failures.fail("a", "a", 0.0)
    assert failures.wait_s("a", "a", 0.0) == 0
    failures.fail("a", "a", 0.0)
    assert failures.wait_s("a", "a", 0.0) == 1
    failures.fail("a", "a", 601.0)
    assert failures.wait_s("a", "a", 601.0) == 0


@pytest.mark.parametrize(
    ("level", "answer"),
    [
        (4, Connack(ConnectCode.SERVER_UNAVAILABLE)),
        (LEVEL_5, Connack(Reason.CONNECTION_RATE_EXCEEDED)),
    ],
)
async def test_who_waits_is_told_and_counted_and_others_come_in(
    level: int, answer: Connack
) -> None:
    settings = local(login_failures_free=1)
    wrong = Connect("c", username="olga", password=b"wrong", level=level)
    right = Connect("c", username="olga", password=b"right", level=level)
    async with running(settings, authenticate=by_password) as broker:
        for _ in range(2):
            async with broker.peer() as peer:
                assert (await peer.connect(wrong)).code in (4, Reason.BAD_USER_NAME_OR_PASSWORD)
        async with broker.peer() as peer, broker.peer() as other:
            assert await peer.connect(right) == answer
            otto = Connect("d", username="otto", password=b"right", level=level)
            assert not (await other.connect(otto)).code
        assert broker.refused() == {"wrong credentials": 2, "too many wrong logins": 1}


async def test_a_healthy_device_comes_back_while_others_guess_from_its_address() -> None:
    settings = local(login_failures_free=1, address_login_failures=3)
    right = Connect("d", username="otto", password=b"right")
    async with running(settings, authenticate=by_password) as broker:
        async with broker.peer() as healthy:
            assert not (await healthy.connect(right)).code
            for name in ("otto", "otto", "olga", "otto", "x", "y"):
                async with broker.peer() as guessing:
                    wrong = Connect("g", username=name, password=b"wrong")
                    assert (await guessing.connect(wrong)).code
            await healthy.round_trip()
        async with broker.peer() as healthy, broker.peer() as first:
            assert not (await healthy.connect(right)).code
            # Of whom nothing is known, at this address, waits.
            unknown = Connect("o", username="olga", password=b"right")
            assert (await first.connect(unknown)).code == ConnectCode.SERVER_UNAVAILABLE


async def test_who_guesses_nothing_waits_for_nobody() -> None:
    async def anonymous_too(login: Login) -> Identity | None:
        return ANONYMOUS if login.username is None else await by_password(login)

    settings = local(address_login_failures=2)
    async with running(settings, authenticate=anonymous_too) as broker:
        for number in range(5):
            async with broker.peer() as guessing:
                wrong = Connect("g", username=f"{number}", password=b"wrong")
                assert (await guessing.connect(wrong)).code
        async with broker.client("healthy") as healthy:
            await healthy.round_trip()
        assert broker.refused() == {"wrong credentials": 2, "too many wrong logins": 3}
