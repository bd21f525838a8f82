"""A dashboard on a real engine, served over real HTTP on a port of its own."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from fastapi import FastAPI

from tocsin.addresses import Address, listen
from tocsin.broker.access import AccessControl
from tocsin.broker.broker import Broker
from tocsin.broker.settings import Settings as BrokerSettings
from tocsin.dashboard.about import About
from tocsin.dashboard.app import create_app
from tocsin.dashboard.settings import Settings
from tocsin.dashboard.stream.hub import Hub
from tocsin.devices.credentials import ANONYMOUS, Identity
from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.outcome import Outcome
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings as IngestSettings
from tocsin.web import WebServer

WITHIN_S = 10.0

HOT = Rule(name="hot", when="temp_c > 80", clear="temp_c < 75", message="{device} at {temp_c}")


class Site:
    """What a test does to a running dashboard: publish as devices do, ask as browsers do."""

    def __init__(self, engine: Engine, database: Database, app: FastAPI, address: Address) -> None:
        self.engine = engine
        self.database = database
        self.app = app
        self.hub: Hub = app.state.hub
        self.address = address
        self.url = f"http://{address}"
        self.client = httpx2.AsyncClient(base_url=self.url, timeout=WITHIN_S)

    async def publish(self, device: str, *rows: dict[str, Any]) -> None:
        """One message a row, all in one batch; done when they are on disk."""
        topic = f"devices/{device}/telemetry"
        await self.engine.submit(
            [Message(f"client-{device}", topic, json.dumps(row).encode(), 1) for row in rows],
            self.engine.clock.now(),
        )

    async def publish_all(self, devices: list[str], row: dict[str, Any]) -> None:
        """The same row from each device, in one batch; done when it is stored and judged."""
        payload = json.dumps(row).encode()
        due, judged = self.engine.status().messages_total + len(devices), asyncio.Event()

        def look(_: Outcome) -> None:
            if self.engine.status().messages_total >= due:
                judged.set()

        self.engine.on_outcome.append(look)
        await self.engine.submit(
            [
                Message(f"client-{name}", f"devices/{name}/telemetry", payload, 1)
                for name in devices
            ],
            self.engine.clock.now(),
        )
        await judged.wait()
        self.engine.on_outcome.remove(look)

    async def send(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """An unsafe request as the page sends it."""
        return await self.client.request(
            method,
            path,
            content=b"" if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    @asynccontextmanager
    async def watch(
        self, last_event_id: str | None = None, client: httpx2.AsyncClient | None = None
    ) -> AsyncGenerator["Watcher"]:
        headers = {} if last_event_id is None else {"last-event-id": last_event_id}
        async with (client or self.client).sse("/api/stream", headers=headers) as source:
            watcher = Watcher(source)
            yield watcher
            await watcher.close()


class Watcher:
    """A browser's EventSource: reads all the time, keeps every event."""

    def __init__(self, source: httpx2.EventSource) -> None:
        self.events: list[tuple[str, Any]] = []
        self.last_id = ""
        self.ended = False
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._read(source))

    async def _read(self, source: httpx2.EventSource) -> None:
        try:
            async for event in source:
                async with self._news:
                    self.events.append((event.event, event.json()))
                    self.last_id = event.id
                    self._news.notify_all()
        except httpx2.TransportError:
            pass
        finally:
            self.ended = True
            async with self._news:
                self._news.notify_all()

    async def first(
        self, name: str, fits: Callable[[Any], bool] = lambda _: True, *, after: int = 0
    ) -> Any:
        """The first event of this name that fits, from the `after`-th event on."""
        async with asyncio.timeout(WITHIN_S), self._news:
            while True:
                for kind, content in self.events[after:]:
                    if kind == name and fits(content):
                        return content
                assert not self.ended, f"the stream ended without such a {name!r}"
                await self._news.wait()

    async def opened(self) -> "Watcher":
        """Done when the whole state has been told."""
        await self.first("status")
        return self

    async def end(self) -> None:
        async with asyncio.timeout(WITHIN_S), self._news:
            await self._news.wait_for(lambda: self.ended)

    def all(self, name: str) -> list[Any]:
        return [content for kind, content in self.events if kind == name]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def running_site(
    folder: Path,
    settings: Settings | None = None,
    *,
    loopback: bool = True,
    static: Path | None = None,
    send_buffer_bytes: int | None = None,
    ingest: IngestSettings | None = None,
) -> AsyncGenerator[Site]:
    """A site on `folder`, stopped as the application stops it.

    `send_buffer_bytes`: what the kernel takes for each connection; by itself it takes megabytes.
    """
    database = Database.open(folder)
    engine = Engine(folder, ingest or IngestSettings(), Decoder([]), database)
    await engine.start("1.2.3")
    sock = listen(Address("127.0.0.1", 0), "--http")
    if send_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    sock.listen()  # a client that comes before uvicorn waits, it is not refused
    address = Address(*sock.getsockname()[:2])

    def ignore(*_: object) -> None:
        """Nobody connects over MQTT."""

    async def authenticate(*_: object) -> Identity | None:
        return ANONYMOUS

    broker = Broker(
        BrokerSettings(),
        clock=engine.clock.now,
        sink=engine.submit,
        on_connection=ignore,
        authenticate=authenticate,
        access=AccessControl(),
    )
    app = create_app(
        engine,
        settings or Settings(),
        broker_report=lambda clients: msgspec.to_builtins(broker.report(clients=clients)),
        database=database,
        about=About("1.2.3", "127.0.0.1", 1883, loopback=loopback),
        static=static or folder / "no-page",
    )
    web = WebServer(app, sock)
    serving = asyncio.create_task(web.run_until_stopped())
    site = Site(engine, database, app, address)
    try:
        yield site
    finally:
        site.hub.close()
        web.stop()
        await site.client.aclose()
        await serving
        await engine.stop(within_s=0)  # without a last checkpoint: the journal has everything
        database.close()


def with_settings(**changes: Any) -> Settings:
    return replace(Settings(), **changes)
