"""What is freed goes back to the system; without asking, glibc keeps all of it here."""

import subprocess
import sys

import pytest

PROGRAM = """
import os
import numpy as np
from tocsin.memory import give_back_what_is_freed

def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

give_back_what_is_freed()
large = np.ones(25 * 2**17)  # 25 MiB: what is freed of that size moves glibc's own limit up
del large
arrays = [np.ones(2**17) for _ in range(100)]  # of 1 MiB
last = np.ones(2**14)  # 128 KiB behind them, so that the heap cannot just end earlier
full = resident_mib()
del arrays
print(full - resident_mib())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the system says in /proc what is resident"
)
def test_arrays_that_are_freed_go_back_to_the_system() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(100, abs=5)
