"""What the garbage collector is spared, and what it still finds."""

import gc
import weakref
from collections.abc import Generator

import pytest

from tocsin import memory


class Ring:
    """Refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def as_before() -> Generator[None]:
    callbacks = list(gc.callbacks)
    yield
    gc.callbacks[:] = callbacks
    gc.unfreeze()


def ring() -> "weakref.ref[Ring]":
    return weakref.ref(Ring())


@pytest.mark.usefixtures("as_before")
def test_what_outlives_a_full_collection_is_frozen_and_what_dies_before_is_not() -> None:
    memory.freeze_what_lives_on()
    frozen = gc.get_freeze_count()
    assert frozen
    kept = [[n] for n in range(1_000)]
    dead = ring()
    gc.collect()
    assert dead() is None
    assert gc.get_freeze_count() >= frozen + len(kept)


@pytest.mark.usefixtures("as_before")
def test_what_dies_frozen_is_found_by_the_next_thaw(monkeypatch: pytest.MonkeyPatch) -> None:
    memory.freeze_what_lives_on()
    living = Ring()
    seen = weakref.ref(living)
    gc.collect()
    del living
    gc.collect()
    assert seen() is not None, "frozen"
    monkeypatch.setattr(memory, "THAW_S", 0.0)
    gc.collect()
    assert seen() is None
