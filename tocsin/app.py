"""The composition root: starts all parts, joins them, stops them in order.

devices ──> broker ──sink──> engine (journal ∥ pipeline) ──on_outcome───> dashboard ──> browsers
              ^   └ fold <──companion──┘            └─────on_committed──> announcer
              └────────────────── publish ──────────────────────────────────┘
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import msgspec
import structlog

from tocsin import __version__
from tocsin.addresses import Address, listen
from tocsin.announcer import Announcer
from tocsin.authentication import Authentication, Passwords, load_plugins
from tocsin.broker.access import AccessControl, with_rules
from tocsin.broker.broker import Broker
from tocsin.broker.fold import Fold
from tocsin.broker.listener import Listener
from tocsin.broker.listeners import ListenError
from tocsin.dashboard.about import About
from tocsin.dashboard.app import create_app
from tocsin.dashboard.storage.users import UserStore
from tocsin.deliveries import Deliveries
from tocsin.devices.credentials import Role
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.password_file import PasswordFile, PasswordFileError
from tocsin.devices.storage.credentials import CredentialStore
from tocsin.devices.storage.database import Database, DatabaseError
from tocsin.heartbeat.heartbeat import Heartbeat
from tocsin.ingest.companion import Companion
from tocsin.ingest.engine import Engine
from tocsin.ingest.facts import Connected, Disconnected, Refused
from tocsin.ingest.functions.host import FunctionHost
from tocsin.ingest.geo.zone import ZoneError
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import RuleError
from tocsin.ingest.storage.segment import JournalCorrupt
from tocsin.listening import explain, refuse_exposure, request_check
from tocsin.lock import FolderLock, Holder, is_within
from tocsin.refusal import Refusal
from tocsin.reserve import Reserve
from tocsin.rule_watch import RuleWatch
from tocsin.settings import Settings
from tocsin.web import WebServer
from tocsin.zone_files import read_zones

log = structlog.get_logger(__name__)

STOP_S = 2.5
"""How long all parts may take to stop: within three seconds of Ctrl-C there is a prompt again."""
ENGINE_S = 1.5
"""What of it is the engine's, for its checkpoint and the last commit, whatever the others took."""
LEAST_S = 0.1

Stop: TypeAlias = Callable[[float], Awaitable[None]]
"""Stops a part within so many seconds."""


class App:
    """One server. State: the parts, and what undoes their start, newest last."""

    def __init__(
        self,
        settings: Settings,
        rules: Sequence[Rule] = (),
        *,
        rule_files: Sequence[Path] = (),
        demo: bool = False,
    ) -> None:
        self._settings = settings
        self._rules = list(rules)
        self._rule_paths = rule_files
        self._rule_files = ", ".join(file.name for file in rule_files)
        self._demo = demo
        self._undo: list[Stop] = []

    async def start(self) -> None:
        """Start every part. Raises Refusal; what was started is then stopped again."""
        try:
            await self._start()
        except BaseException as error:
            await self.stop()
            if isinstance(error, ListenError):
                raise explain(error, self._settings.listeners) from error
            if isinstance(error, (DatabaseError, JournalCorrupt, RuleError, ZoneError)):
                raise Refusal(str(error)) from error
            if isinstance(error, OSError) and is_within(error.filename, self._settings.data):
                why = error.strerror or str(error)
                raise Refusal(
                    f"{error.filename} cannot be used: {why}; expected a data folder in which"
                    " everything belongs to, and can be written by, who runs tocsin"
                ) from error
            raise

    async def stop(self, within_s: float = STOP_S) -> None:
        """Stop every part, the newest first, in `within_s` together. One that fails or takes too
        long does not keep the others up, and the engine, which comes last, has time of its own.
        """
        clock = asyncio.get_running_loop().time
        ends = clock() + within_s
        while self._undo:
            part = self._undo.pop()
            kept_s = ENGINE_S if self._stop_engine in self._undo else 0.0
            try:
                await part(max(ends - kept_s - clock(), LEAST_S))
            except TimeoutError:
                log.warning("a part did not stop in time", part=getattr(part, "__qualname__", "?"))
            except Exception:
                log.exception("a part did not stop cleanly")

    async def _stop_engine(self, within_s: float) -> None:
        await self.engine.stop(within_s)

    async def _start(self) -> None:
        settings = self._settings
        zones, zone_files = read_zones(settings.zones)
        lock = FolderLock(settings.data)
        self._undo.append(_soon(lock.release))
        reserve = Reserve(settings.data)
        reserve.give_up()
        self._undo.append(_soon(reserve.take))
        database = Database.open(settings.data)
        self._undo.append(_soon(database.close))
        self._authentication = Authentication(
            CredentialStore(database), self._passwords(), Role(settings.plugin_role)
        )
        self._undo.append(_soon(self._authentication.close))
        if settings.plugin:
            self._authentication.plugins = plugins = load_plugins(settings.plugin)
            self._undo.append(_within(plugins.close))
        users = UserStore(database)
        self._refuse_exposure(users)

        http = listen(settings.http_address, "--http")
        self._undo.append(_soon(http.close))
        self.http_address = Address(*http.getsockname()[:2])

        decoder = Decoder([topic.compile() for topic in settings.topic])
        ingest = replace(settings.ingest, profiles=settings.profile, tags=settings.tag)
        self.engine = Engine(
            settings.data,
            ingest,
            decoder,
            database,
            engine=settings.engine,
            journal=settings.journal,
            history=settings.history,
            channels=settings.channel,
        )
        self._undo.append(self._stop_engine)
        fold = Fold(settings.broker, lambda: self.engine.clock.now())
        self.engine.accompany(Companion(fold.replay, _later(fold.snapshot), fold.restore))
        await self.engine.start(__version__, self._rules, self._rule_files, zones, zone_files)

        self.broker = Broker(
            replace(settings.broker, listeners=settings.listeners),
            clock=self.engine.clock.now,
            sink=self.engine.submit,
            on_connection=self._on_connection,
            on_refusal=self._on_refusal,
            authenticate=self._authentication,
            access=AccessControl(with_rules(row.compile() for row in settings.access)),
            version=__version__,
            check_request=request_check(settings.dashboard.hosts),
            advise=self._authentication.advise,
            fold=fold,
            room=self.engine.room,
        )
        self.engine.accompany(Companion(fold.replay, self.broker.snapshot, fold.restore))
        announcer = Announcer(self.broker.publish)
        self.engine.on_committed.append(announcer.announce)
        pipeline = self.engine.pipeline
        devices = range(len(pipeline.catalogue.devices))
        announcer.start(self.engine.alarms(), [pipeline.presence.view(d) for d in devices])
        deliveries = Deliveries(
            self.engine,
            settings.channel,
            self.broker.publish,
            __version__,
            lambda reason: self.engine.upkeep.note("deliveries", reason),
        )
        await self.broker.start()
        self._undo.append(self.broker.stop)
        watch = RuleWatch(
            self._rule_paths,
            self._rules,
            lambda rules: self.engine.load_rules(rules, self._rule_files),
            lambda reason: self.engine.upkeep.note("rule files", reason),
        )
        watch.start()
        self._undo.append(_within(watch.stop))
        deliveries.start()
        self._undo.append(_within(deliveries.stop))
        heartbeat = Heartbeat(
            settings.heartbeat,
            self.broker.publish,
            self.engine.clock.now,
            __version__,
            self.engine.upkeep.note,
        )
        heartbeat.start()
        self._undo.append(_within(heartbeat.stop))
        functions = FunctionHost(self.engine, settings.functions)
        functions.start()
        self._undo.append(_within(functions.stop))
        self.mqtt_address = Address(*self.broker.addresses[0])

        about = About(
            version=__version__,
            mqtt_host=self.mqtt_address.host,
            mqtt_port=self.mqtt_address.port,
            loopback=self.http_address.is_loopback,
            demo=self._demo,
        )
        dashboard = create_app(
            self.engine,
            settings.dashboard,
            broker_report=lambda clients: msgspec.to_builtins(self.broker.report(clients=clients)),
            database=database,
            about=about,
            wake_deliveries=deliveries.wake,
            functions=functions.view,
        )
        # Whoever comes between here and the web server's first turn waits, and is not refused.
        http.listen()
        pages = Listener(
            self.http_address.host,
            self.http_address.port,
            websocket=True,
            anonymous=about.loopback and not settings.dashboard.require_login,
        )
        web = WebServer(dashboard, http, lambda: self.broker.websocket(pages))
        serving = asyncio.create_task(web.run_until_stopped(), name="web")

        async def stop_web() -> None:
            dashboard.state.hub.close()
            web.stop()
            await serving

        self._undo.append(_within(stop_web))
        holder = Holder(os.getpid(), str(self.mqtt_address), str(self.http_address), __version__)
        lock.describe(holder)
        reserve.take()
        log.info("serving", mqtt=holder.mqtt, http=holder.http, data=str(settings.data))

    def _passwords(self) -> Passwords | None:
        settings = self._settings
        if settings.password_file is None:
            return None
        try:
            return Passwords(PasswordFile(settings.password_file), settings.password_queue)
        except PasswordFileError as error:
            raise Refusal(str(error)) from None

    def _refuse_exposure(self, users: UserStore) -> None:
        """Beyond this machine only for those who can say who they are."""
        settings = self._settings
        refuse_exposure(settings.listeners, may_log_in=self._authentication.may_log_in())
        if not settings.http_address.is_loopback and not users.all():
            raise Refusal(
                f"--http {settings.http} can be reached from other machines and nobody can log in;"
                " make a user with `tocsin users add NAME`"
            )

    def _on_connection(
        self, client: str, online: bool, reason: str, username: str | None, address: str, at: float
    ) -> None:
        fact = Connected(client, username, address) if online else Disconnected(client, reason)
        self.engine.note(fact)

    def _on_refusal(self, message: Message, reason: str, at: float) -> None:
        self.engine.note(Refused(message, reason))


def _later(call: Callable[[], bytes]) -> Callable[[], Awaitable[bytes]]:
    async def run() -> bytes:
        return call()

    return run


def _soon(call: Callable[[], None]) -> Stop:
    async def soon(_: float) -> None:
        call()

    return soon


def _within(stop: Callable[[], Awaitable[None]]) -> Stop:
    async def within(seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await stop()

    within.__qualname__ = stop.__qualname__
    return within
