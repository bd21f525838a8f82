"""Who an MQTT client is: by certificate, credential of state.db, password file, or plugin."""

import asyncio
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

import structlog

from tocsin.broker.access import Advice
from tocsin.broker.login import Login
from tocsin.dashboard.users.passwords import PasswordChecker
from tocsin.devices.credentials import ANONYMOUS, Identity, Role
from tocsin.devices.password_file import Entry, PasswordFile, PasswordFileError
from tocsin.devices.storage.credentials import CredentialStore
from tocsin.devices.topics import is_device_id
from tocsin.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tocsin.broker.plugins import Plugins
    from tocsin.settings import PluginSetting

log = structlog.get_logger(__name__)


class Authentication:
    """Decides on logins. A name belongs to the first of its sources that knows it.

    Raises TooManyLogins when more wait for a password check than may.
    """

    def __init__(
        self,
        credentials: CredentialStore,
        passwords: "Passwords | None",
        plugin_role: Role = Role.DEVICE,
    ) -> None:
        """`plugin_role` is what those are whom plugins let in."""
        self._credentials = credentials
        self._passwords = passwords
        self._plugin_role = plugin_role
        self.plugins: Plugins | None = None

    async def __call__(self, login: Login) -> Identity | None:
        name, password = login.username, login.password
        if login.subject is not None and password is None:
            own = name in (None, login.subject)
            return await self._credentials.vouched(login.subject) if own else None
        if name is None:
            return ANONYMOUS if login.trusted else None
        plugins = self.plugins if self.plugins and self.plugins.decide_logins else None
        others = self._passwords is not None or plugins is not None
        if not others or await self._credentials.knows(name):
            return await self._credentials.authenticate(name, password or b"")
        if self._passwords is not None and (plugins is None or self._passwords.knows(name)):
            return await self._passwords.authenticate(name, password or b"")
        if plugins is None or not is_device_id(name) or not await plugins.authenticate(login):
            return None
        device = name if self._plugin_role is Role.DEVICE else None
        return Identity(self._plugin_role, name, device)

    def advise(self, login: Login) -> Advice | None:
        """What topic plugins say; the broker's access table has to agree as well."""
        return self.plugins.advise(login) if self.plugins else None

    def may_log_in(self) -> bool:
        """Whether anybody could give a right user name and password."""
        if self.plugins is not None and self.plugins.decide_logins:
            return True
        known = any(each.revoked_at is None for each in self._credentials.all())
        return known or bool(self._passwords and len(self._passwords.file))

    def close(self) -> None:
        if self._passwords is not None:
            self._passwords.close()


class Passwords:
    """Owns the memory of passwords that were right, so that a site that reconnects takes no
    argon2 for each device: keyed digests, gone with the process and with a changed line.
    """

    def __init__(self, file: PasswordFile, queue: int) -> None:
        self.file = file
        self._checker = PasswordChecker(queue)
        self._key = secrets.token_bytes(32)
        self._right: dict[str, tuple[str, bytes]] = {}
        self._complained = False

    def knows(self, name: str) -> bool:
        """As of the last look at the file."""
        return self.file.find(name) is not None

    async def authenticate(self, name: str, password: bytes) -> Identity | None:
        await self._refresh()
        entry = self.file.find(name)
        digest = hmac.digest(self._key, password, hashlib.sha256)
        if entry is not None and self._is_known(entry, digest):
            return entry.identity()
        try:
            text = password.decode()
        except UnicodeDecodeError:
            return None
        stored = entry.password_hash if entry else None
        if not await self._checker.matches(text, stored) or entry is None:
            return None
        self._right[name] = entry.password_hash, digest
        return entry.identity()

    def _is_known(self, entry: Entry, digest: bytes) -> bool:
        password_hash, right = self._right.get(entry.name, ("", b""))
        return password_hash == entry.password_hash and hmac.compare_digest(right, digest)

    async def _refresh(self) -> None:
        """A file that is wrong is told of once; what it said before holds on."""
        try:
            if await asyncio.to_thread(self.file.refresh):
                self._right = {
                    name: each for name, each in self._right.items() if self._holds(name)
                }
                log.info("password file read", file=str(self.file.path), users=len(self.file))
                self._complained = False
        except PasswordFileError as error:
            if not self._complained:
                self._complained = True
                log.error("password file not read again", why=str(error))

    def _holds(self, name: str) -> bool:
        entry = self.file.find(name)
        return entry is not None and entry.password_hash == self._right[name][0]

    def close(self) -> None:
        self._checker.close()


def load_plugins(tables: "Sequence[PluginSetting]") -> "Plugins":
    """amqtt's plugins. It is imported here and nowhere else: it costs a quarter of a second.

    Raises Refusal.
    """
    try:
        from tocsin.broker.plugins import PluginError, Plugins, PluginUse
    except ImportError as error:
        raise Refusal(
            f"[[plugin]] needs amqtt, which is not here ({error.name}); install tocsin[amqtt]"
        ) from None
    try:
        return Plugins([PluginUse(table.use, table.config) for table in tables])
    except PluginError as error:
        raise Refusal(str(error)) from None
