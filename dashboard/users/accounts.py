"""Accounts as `tocsin users` keeps them; without an event loop, also while a server runs."""

import re

from tocsin.dashboard.storage.users import UnknownUser, User, UserExists, UserStore
from tocsin.dashboard.users.passwords import hash_password
from tocsin.devices.storage.database import Database

__all__ = ["UnknownUser", "User", "UserExists", "add_user", "list_users", "remove_user"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def add_user(database: Database, name: str, password: str, now: float) -> None:
    """Makes an account. Raises ValueError (UserExists among them) with a sentence to show."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"user name {name[:80]!r} is not usable; expected 1 to 64 letters, digits, . _ @ -"
        )
    UserStore(database).add(name, hash_password(password), now)


def remove_user(database: Database, name: str) -> None:
    """Ends an account and its logins; a server that runs ends their streams within
    `login_check_s`. Raises UnknownUser."""
    UserStore(database).remove(name)


def list_users(database: Database) -> list[User]:
    """All accounts by name."""
    return UserStore(database).all()
