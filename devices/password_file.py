"""A file of user names and password hashes, for devices that are given a password.

# comment
boiler-1:$argon2id$v=19$…
olga:$argon2id$v=19$…:operator
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tocsin.devices.credentials import Identity, Role
from tocsin.devices.topics import is_device_id

_HASH = re.compile(r"\$argon2id?\$[A-Za-z0-9+/=,$]+")


class PasswordFileError(ValueError):
    """A file that cannot be read: which line, what is wrong, what was expected."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A user and what is stored of the password."""

    name: str
    password_hash: str
    role: Role = Role.DEVICE

    def identity(self) -> Identity:
        return Identity(self.role, self.name, self.name if self.role is Role.DEVICE else None)

    def __str__(self) -> str:
        role = "" if self.role is Role.DEVICE else f":{self.role}"
        return f"{self.name}:{self.password_hash}{role}"


def read_entries(text: str) -> dict[str, Entry]:
    """The entries by name. Raises PasswordFileError."""
    entries: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *rest = line.strip().split(":")
        wrong = _what_is_wrong(name, rest, entries)
        if wrong is not None:
            raise PasswordFileError(f"line {number}: {wrong}")
        entries[name] = Entry(name, rest[0], Role(rest[1]) if len(rest) > 1 else Role.DEVICE)
    return entries


def _what_is_wrong(name: str, rest: list[str], entries: Mapping[str, Entry]) -> str | None:
    """Never shows a hash."""
    if not is_device_id(name):
        return f"user name {name[:80]!r} is not usable; expected what can be a device id"
    if name in entries:
        return f"user {name!r} stands here twice"
    if not 1 <= len(rest) <= 2:
        return f"user {name!r} has {len(rest)} fields; expected name:hash or name:hash:role"
    if not _HASH.fullmatch(rest[0]):
        return f"user {name!r} has no argon2 hash; make one with `tocsin devices password`"
    if len(rest) == 2 and rest[1] not in (Role.DEVICE, Role.OPERATOR):
        return f"user {name!r} has the role {rest[1][:20]!r}; expected device or operator"
    return None


class PasswordFile:
    """Owns what was read of the file, and reads it again when it has changed."""

    def __init__(self, path: Path) -> None:
        """Raises PasswordFileError for a file that is missing or wrong."""
        self.path = path
        self._entries: dict[str, Entry] = {}
        self._seen: tuple[int, int, int] | None = None
        self.refresh()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> Entry | None:
        """As of the last `refresh`."""
        return self._entries.get(name)

    def refresh(self) -> bool:
        """Whether the file has changed. Raises PasswordFileError; what was read before stays."""
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return False
            entries = read_entries(self.path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is no text"
            raise PasswordFileError(f"password file {self.path}: {why}") from error
        except PasswordFileError as error:
            raise PasswordFileError(f"password file {self.path}, {error}") from None
        self._entries, self._seen = entries, seen
        return True


def put_entry(path: Path, entry: Entry) -> None:
    """Writes `entry` in place of one of its name; comments stay. Readable by the owner alone.

    Raises PasswordFileError for a file that holds something else, OSError if it cannot be written.
    """
    lines: list[str] = []
    if path.exists():
        text = path.read_text()
        read_entries(text)
        lines = [each for each in text.splitlines() if each.split(":")[0] != entry.name]
    beside = path.with_name(f"{path.name}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write("\n".join([*lines, str(entry), ""]))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
