"""One server per data folder: by the kernel's lock, not by what a file says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import wait_for
from tocsin.lock import FolderLock, Holder, is_held, read_holder
from tocsin.refusal import Refusal

HOLDER = Holder(4711, "127.0.0.1:1883", "127.0.0.1:8000", "0.1.0")

HOLD = """
import sys
from pathlib import Path
from tocsin.lock import FolderLock, Holder
lock = FolderLock(Path(sys.argv[1]))
lock.describe(Holder(4711, "127.0.0.1:1883", "127.0.0.1:8000", "0.1.0"))
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_refused_and_told_who_was_first(tmp_path: Path):
    with FolderLock(tmp_path) as lock:
        lock.describe(HOLDER)
        assert is_held(tmp_path)
        assert read_holder(tmp_path) == HOLDER
        with pytest.raises(Refusal) as caught:
            FolderLock(tmp_path)
        assert str(caught.value) == (
            f"data folder {tmp_path} is in use by process 4711 (dashboard on 127.0.0.1:8000);"
            " stop it or choose another with --data DIR"
        )
        assert read_holder(tmp_path) == HOLDER, "who is refused changes nothing"
    assert not is_held(tmp_path)
    with FolderLock(tmp_path):
        pass


def test_it_goes_with_a_killed_process_and_so_does_what_that_said(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        assert is_held(tmp_path)
        process.kill()
        process.wait(10)
    wait_for("the lock is free", lambda: not is_held(tmp_path))
    assert read_holder(tmp_path) == HOLDER, "the file outlives its process"
    with FolderLock(tmp_path):
        assert read_holder(tmp_path) is None
        with pytest.raises(Refusal, match="is in use by another process;"):
            FolderLock(tmp_path)


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path):
    with FolderLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "a" / "b" / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    for folder, why in (("file", "is a file"), ("file/below", "Not a directory")):
        with pytest.raises(Refusal) as caught:
            FolderLock(tmp_path / folder)
        assert str(caught.value) == (
            f"data folder {tmp_path / folder} cannot be used: {why}; choose another with --data DIR"
        )


def test_nobody_holds_what_is_not_there(tmp_path: Path):
    assert not is_held(tmp_path / "nothing")
    assert read_holder(tmp_path / "nothing") is None
    (tmp_path / "lock").write_text("[1, 2]")
    assert read_holder(tmp_path) is None
