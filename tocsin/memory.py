"""Memory that is freed goes back to the system, and what lives on is not looked at again."""

import ctypes
import gc
import time

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_MAPPED_FROM = 512 * 1024
_ARENAS = 2
THAW_S = 3_600.0


def give_back_what_is_freed() -> None:
    """Have the C library map arrays of 512 KiB and more one by one, and unmap them when freed.

    By itself glibc moves that limit up to the size of the largest array freed so far, at most
    32 MiB, and what is smaller then stays with the process: a tenth of a server with 1,000 devices
    after its first checkpoint. Other C libraries have no such options (mallopt(3)).
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_MMAP_THRESHOLD, _MAPPED_FROM)
        set_option(_M_ARENA_MAX, _ARENAS)


def freeze_what_lives_on() -> None:
    """Have the garbage collector walk what outlives a full collection no more: of 1,000 devices one
    takes 10 to 25 ms, in which the event loop stands still.

    Cycles that die after they were frozen are found by the first full collection of an hour, which
    walks everything.
    """
    thawed_at = time.monotonic()

    def freeze(phase: str, info: dict[str, int]) -> None:
        nonlocal thawed_at
        if info["generation"] < 2:
            return
        if phase == "stop":
            gc.freeze()
        elif time.monotonic() - thawed_at >= THAW_S:
            thawed_at = time.monotonic()
            gc.unfreeze()

    gc.callbacks.append(freeze)
    gc.collect()
