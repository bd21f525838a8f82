"""Wrong logins: who waits, for how long, and who does not."""

import pytest

from tests.broker.harness import local, running
from tests.broker.test_connect import by_password
from tocsin.broker.backoff import Backoff
from tocsin.broker.packets import LEVEL_5, Connack, Connect, ConnectCode
from tocsin.broker.reasons import Reason


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
