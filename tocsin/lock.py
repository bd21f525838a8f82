"""One server per data folder."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from tocsin.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a data folder, as the lock file says: for messages and for `tocsin doctor`."""

    pid: int
    mqtt: str
    http: str
    version: str


class FolderLock:
    """Holds `folder` for this process. State: the open lock file; the kernel drops the lock
    when the process ends, however it ends, so a stale file is never in the way."""

    def __init__(self, folder: Path) -> None:
        make_folder(folder)
        try:
            self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(folder, error) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            holder = read_holder(folder)
            who = (
                f"process {holder.pid} (dashboard on {holder.http})"
                if holder
                else "another process"
            )
            raise Refusal(
                f"data folder {folder} is in use by {who};"
                " stop it or choose another with --data DIR"
            ) from None
        # What a killed server left says nothing about us.
        os.truncate(self._file, 0)

    def describe(self, holder: Holder) -> None:
        """Write who holds the folder into the lock file."""
        os.truncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(holder)).encode(), 0)

    def release(self) -> None:
        os.truncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.release()


def make_folder(folder: Path) -> None:
    """Make the data folder if it is not there. Raises Refusal."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unusable(folder, error) from None


def is_within(name: object, folder: Path) -> bool:
    """Whether the file of an OSError is in `folder`."""
    return isinstance(name, (str, Path)) and Path(name).is_relative_to(folder)


def _unusable(folder: Path, error: OSError) -> Refusal:
    why = "is a file" if isinstance(error, FileExistsError) else error.strerror or str(error)
    return Refusal(f"data folder {folder} cannot be used: {why}; choose another with --data DIR")


def read_holder(folder: Path) -> Holder | None:
    """What the lock file of `folder` says, or None if it says nothing."""
    try:
        return Holder(**json.loads((folder / "lock").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def is_held(folder: Path) -> bool:
    """Whether a running process holds `folder`."""
    try:
        file = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
