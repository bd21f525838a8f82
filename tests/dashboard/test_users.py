"""Logging in, staying logged in, and being kept out."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.dashboard.site import Site, running_site, with_settings
from tocsin.dashboard.storage.users import LOGINS_PER_USER, UserStore
from tocsin.dashboard.users.accounts import (
    UnknownUser,
    UserExists,
    add_user,
    list_users,
    remove_user,
)
from tocsin.dashboard.users.passwords import PasswordChecker, TooManyLogins, hash_password
from tocsin.devices.storage.database import Database

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def database(tmp_path: Path):
    database = Database.open(tmp_path)
    yield database
    database.close()


@pytest.fixture
async def guarded(tmp_path: Path, password_hash: str) -> AsyncIterator[Site]:
    """A site where everybody logs in, and ann can."""
    async with running_site(tmp_path, with_settings(require_login=True)) as site:
        UserStore(site.database).add("ann", password_hash, 0.0)
        yield site


async def login(site: Site, password: str = PASSWORD, name: str = "ann"):
    return await site.send("POST", "/api/login", {"name": name, "password": password})


async def test_login_opens_everything_until_logout(guarded: Site):
    me = await guarded.get("/api/me")
    assert (me["name"], me["login_required"]) == (None, True)
    assert (await guarded.client.get("/api/devices")).status_code == 401

    answer = await login(guarded)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    me = await guarded.get("/api/me")
    assert (me["name"], me["login_required"]) == ("ann", False)
    assert await guarded.get("/api/devices") == []

    token = guarded.client.cookies["tocsin_session"]
    assert (await guarded.send("POST", "/api/logout", {})).status_code == 204
    stolen = await guarded.client.get("/api/devices", headers={"cookie": f"tocsin_session={token}"})
    assert stolen.status_code == 401


async def test_who_did_it_comes_from_the_login(guarded: Site):
    await login(guarded)
    created = await guarded.send("POST", "/api/rules", {"name": "hot", "when": "temp_c > 80"})
    assert created.json()["updated_by"] == "ann"


async def test_only_a_hash_of_the_session_is_stored(guarded: Site):
    await login(guarded)
    token = guarded.client.cookies["tocsin_session"].encode()
    await guarded.engine.checkpoint()
    for file in guarded.database.path.parent.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert token not in content
            assert PASSWORD.encode() not in content


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(guarded: Site):
    wrong = await login(guarded, "wrong password")
    unknown = await login(guarded, name="nobody")
    assert (wrong.status_code, wrong.json()) == (unknown.status_code, unknown.json())
    assert wrong.status_code == 401


async def test_guessing_is_slowed_down(tmp_path: Path, password_hash: str):
    settings = with_settings(require_login=True, login_failures_free=1)
    async with running_site(tmp_path, settings) as site:
        UserStore(site.database).add("ann", password_hash, 0.0)
        assert (await login(site, "wrong 1")).status_code == 401
        assert (await login(site, "wrong 2")).status_code == 401
        refused = await login(site)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1


async def test_a_removed_user_is_out_at_once(guarded: Site):
    await login(guarded)
    await asyncio.to_thread(remove_user, guarded.database, "ann")
    assert (await guarded.client.get("/api/devices")).status_code == 401


async def test_streams_of_a_removed_user_end_and_those_of_others_go_on(
    guarded: Site, password_hash: str
):
    UserStore(guarded.database).add("bob", password_hash, 0.0)
    async with httpx2.AsyncClient(base_url=guarded.url) as other:
        credentials = {"name": "bob", "password": PASSWORD}
        assert (await other.post("/api/login", json=credentials)).status_code == 200
        await login(guarded)
        async with (
            guarded.watch() as anns,
            guarded.watch() as second,
            guarded.watch(client=other) as bobs,
        ):
            for page in (anns, second, bobs):
                await page.opened()
            # As `tocsin users remove` does it: with a connection of its own.
            beside = Database.open(guarded.database.path.parent)
            await asyncio.to_thread(remove_user, beside, "ann")
            beside.close()
            await anns.end()
            await second.end()
            await bobs.first("status", after=len(bobs.events))
            assert not bobs.ended
    assert (await guarded.client.get("/api/stream")).status_code == 401


async def test_streams_end_with_a_logout_elsewhere(guarded: Site):
    await login(guarded)
    async with guarded.watch() as page:
        await page.opened()
        assert (await guarded.send("POST", "/api/logout", {})).status_code == 204
        await page.end()


async def test_the_loop_runs_on_while_a_password_is_checked(password_hash: str):
    checker = PasswordChecker(queue=1)
    turns = 0
    checking = asyncio.create_task(checker.matches(PASSWORD, password_hash))
    while not checking.done():
        await asyncio.sleep(0)
        turns += 1
    assert await checking
    assert turns > 100  # argon2 holds no interpreter lock; holding it would leave about 2
    checker.close()


async def test_more_logins_than_may_wait_are_refused(password_hash: str):
    checker = PasswordChecker(queue=2)
    first = [asyncio.create_task(checker.matches("x", password_hash)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyLogins):
        await checker.matches("x", password_hash)
    assert await asyncio.gather(*first) == [False, False]
    checker.close()


async def test_logins_expire_and_are_bounded_per_user(database: Database, password_hash: str):
    users = UserStore(database)
    users.add("ann", password_hash, 0.0)
    for number in range(LOGINS_PER_USER + 1):
        await users.open_login("ann", b"%d" % number, 0.0, 100.0 + number)
    assert await users.login_user(b"0", 1.0) is None
    assert await users.login_user(b"1", 1.0) == "ann"
    assert await users.login_user(b"1", 101.0) is None


def test_accounts(database: Database):
    add_user(database, "ann", PASSWORD, 7.0)
    with pytest.raises(UserExists, match="'ann' exists"):
        add_user(database, "ann", PASSWORD, 8.0)
    with pytest.raises(ValueError, match="5 characters; expected 8 to 256"):
        add_user(database, "bob", "short", 8.0)
    with pytest.raises(ValueError, match="not usable"):
        add_user(database, "no spaces", PASSWORD, 8.0)
    assert [(user.name, user.created_at) for user in list_users(database)] == [("ann", 7.0)]
    remove_user(database, "ann")
    with pytest.raises(UnknownUser):
        remove_user(database, "ann")
    assert list_users(database) == []


def test_passwords_are_argon2id(database: Database):
    add_user(database, "ann", PASSWORD, 7.0)
    with sqlite3.connect(database.path) as connection:
        [(stored,)] = connection.execute("SELECT password_hash FROM dashboard_users").fetchall()
    connection.close()
    assert stored.startswith("$argon2id$")
