import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.ingest.rules.device_glob import DeviceGlob


@given(st.text("ab*?.\n", min_size=1, max_size=8), st.text("ab.\n", max_size=8))
def test_it_matches_as_the_shell_does(glob: str, device: str) -> None:
    if not glob.isprintable():
        return
    assert DeviceGlob(glob).matches(device) == fnmatchcase(device, glob)


def test_brackets_stand_for_themselves() -> None:
    assert DeviceGlob("a[1]*").matches("a[1]/x")
    assert not DeviceGlob("a[1]").matches("a1")


@pytest.mark.parametrize("glob", ["", "a\nb", "x" * 257])
def test_what_cannot_be_an_id_is_refused(glob: str) -> None:
    with pytest.raises(
        ValueError, match="is no pattern of device ids; expected 1 to 256 printable"
    ):
        DeviceGlob(glob)


def test_many_stars_cost_little() -> None:
    glob = DeviceGlob("*a" * 100 + "b")
    begun = time.perf_counter()
    assert not glob.matches("a" * 128)
    assert time.perf_counter() - begun < 0.5
