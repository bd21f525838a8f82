"""`tocsin` on a machine whose clock is TEST_CLOCK_AHEAD_S seconds ahead: for its engine it was away
for so long. Run as a program, for test_backtest.py."""

import os
import time

from tocsin.cli import main

_time = time.time
_ahead_s = float(os.environ["TEST_CLOCK_AHEAD_S"])


def ahead() -> float:
    return _time() + _ahead_s


time.time = ahead
main()
