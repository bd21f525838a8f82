"""Who a client is: each way to say so, and which of them counts."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tocsin.authentication import Authentication, Passwords
from tocsin.broker.login import Login
from tocsin.dashboard.users.passwords import hash_password
from tocsin.devices.credentials import ANONYMOUS, Credential, Identity, Role, hash_token
from tocsin.devices.password_file import Entry, PasswordFile, put_entry
from tocsin.devices.storage.credentials import CredentialStore
from tocsin.devices.storage.database import Database

PASSWORD_HASH = hash_password("pass word ß")
OTHER_HASH = hash_password("another one")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CredentialStore]:
    database = Database.open(tmp_path / "data")
    store = CredentialStore(database)
    for name, role in (("token", Role.DEVICE), ("olga", Role.OPERATOR), ("lost", Role.DEVICE)):
        store.put(Credential(name, role, hash_token(b"secret"), 1.0))
    store.revoke("lost", 2.0)
    yield store
    database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passwords"
    put_entry(path, Entry("typed", PASSWORD_HASH))
    put_entry(path, Entry("ada", PASSWORD_HASH, Role.OPERATOR))
    put_entry(path, Entry("lost", PASSWORD_HASH))
    return path


@pytest_asyncio.fixture
async def who(store: CredentialStore, file: Path) -> AsyncIterator[Authentication]:
    authentication = Authentication(store, Passwords(PasswordFile(file), 4))
    yield authentication
    authentication.close()


def device(name: str) -> Identity:
    return Identity(Role.DEVICE, name, name)


PASSWORD = "pass word ß".encode()

CASES: dict[str, tuple[Login, Identity | None]] = {
    "token": (Login("c", "token", b"secret"), device("token")),
    "wrong token": (Login("c", "token", b"wrong"), None),
    "no token": (Login("c", "token"), None),
    "operator's token": (Login("c", "olga", b"secret"), Identity(Role.OPERATOR, "olga")),
    "revoked": (Login("c", "lost", b"secret"), None),
    "revoked, in the password file too": (Login("c", "lost", PASSWORD), None),
    "password": (Login("c", "typed", PASSWORD), device("typed")),
    "wrong password": (Login("c", "typed", b"wrong"), None),
    "password that is no text": (Login("c", "typed", b"\xff"), None),
    "operator's password": (Login("c", "ada", PASSWORD), Identity(Role.OPERATOR, "ada")),
    "unknown": (Login("c", "nobody", PASSWORD), None),
    "nothing": (Login("c"), None),
    "nothing, where that is enough": (Login("c", trusted=True), ANONYMOUS),
    "wrong, where nothing is enough": (Login("c", "token", b"wrong", trusted=True), None),
    "certificate": (Login("c", subject="new"), device("new")),
    "certificate and its name": (Login("c", "new", subject="new"), device("new")),
    "certificate and another name": (Login("c", "olga", subject="new"), None),
    "certificate and a password": (Login("c", "typed", PASSWORD, subject="new"), device("typed")),
    "certificate and a wrong one": (Login("c", "typed", b"wrong", subject="new"), None),
    "operator's certificate": (Login("c", subject="olga"), Identity(Role.OPERATOR, "olga")),
    "revoked certificate": (Login("c", subject="lost"), None),
    "certificate of no device": (Login("c", subject="a/b"), None),
}


@pytest.mark.parametrize(("login", "identity"), CASES.values(), ids=CASES)
async def test_logins(who: Authentication, login: Login, identity: Identity | None) -> None:
    assert await who(login) == identity


async def test_a_changed_password_counts_at_once(who: Authentication, file: Path) -> None:
    login = Login("c", "typed", PASSWORD)
    assert await who(login) == device("typed")
    put_entry(file, Entry("typed", OTHER_HASH))
    assert await who(login) is None
    assert await who(Login("c", "typed", b"another one")) == device("typed")
    spoil(file)
    assert await who(Login("c", "typed", b"another one")) == device("typed")


def spoil(file: Path) -> None:
    file.write_text("broken")
    os.utime(file, ns=(1, 1))


async def test_a_password_that_was_right_is_not_hashed_again(
    who: Authentication, file: Path
) -> None:
    login = Login("c", "typed", PASSWORD)
    assert await who(login) == device("typed")
    # What argon2 says no longer matters as long as the line is the same.
    who.close()
    assert await who(login) == device("typed")
    with pytest.raises(RuntimeError):
        await who(Login("c", "typed", b"wrong"))


async def test_who_may_log_in(store: CredentialStore, file: Path) -> None:
    assert Authentication(store, None).may_log_in()
    for name in ("token", "olga"):
        store.revoke(name, 3.0)
    assert not Authentication(store, None).may_log_in()
    passwords = Passwords(PasswordFile(file), 4)
    assert Authentication(store, passwords).may_log_in()
    passwords.close()
