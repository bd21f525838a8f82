"""How long somebody who guesses passwords waits."""

from tocsin.dashboard.users.throttle import FORGET_AFTER_S, KEYS, LoginThrottle


def failed(times: int, name: str = "ann", address: str = "10.0.0.1") -> LoginThrottle:
    throttle = LoginThrottle(free=5)
    for _ in range(times):
        throttle.fail(name, address, 0.0)
    return throttle


def test_the_first_failures_are_free_then_the_wait_doubles():
    waits = [failed(times).wait_s("x", "10.0.0.1", 0.0) for times in range(4, 12)]
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32]
    assert failed(50).wait_s("x", "10.0.0.1", 0.0) == 900


def test_a_name_from_elsewhere_waits_too_but_never_long():
    throttle = failed(50)
    assert throttle.wait_s("ann", "10.0.0.2", 0.0) == 30
    assert throttle.wait_s("ann", "10.0.0.2", 30.0) == 0
    assert throttle.wait_s("bob", "10.0.0.2", 0.0) == 0


def test_a_login_clears_the_name_but_buys_the_address_no_guesses():
    throttle = failed(8)
    throttle.fail("own", "10.0.0.1", 0.0)
    throttle.succeed("own", "10.0.0.1")
    assert throttle.wait_s("own", "10.0.0.9", 0.0) == 0
    assert throttle.wait_s("x", "10.0.0.1", 0.0) == 4


def test_failures_are_forgotten_after_a_while():
    throttle = failed(50)
    throttle.fail("ann", "10.0.0.1", FORGET_AFTER_S + 1)
    assert throttle.wait_s("ann", "10.0.0.1", FORGET_AFTER_S + 1) == 0


def test_memory_is_bounded_and_the_oldest_goes_first():
    throttle = failed(50, name="ann")
    for number in range(KEYS):
        throttle.fail(f"n{number}", f"a{number}", 1.0)
    assert throttle.wait_s("ann", "10.0.0.1", 1.0) == 0
    assert throttle.wait_s("n9999", "x", 1.0) == 0
