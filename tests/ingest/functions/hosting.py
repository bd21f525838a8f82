"""A real engine with users' functions in a real worker process."""

import asyncio
import json
import textwrap
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.storage.database import Database
from tocsin.ingest.engine import Engine
from tocsin.ingest.functions.host import FunctionHost
from tocsin.ingest.functions.ledger import FunctionView
from tocsin.ingest.functions.settings import FunctionSettings
from tocsin.ingest.settings import Settings

T = TypeVar("T")
WITHIN_S = 40.0

HEAD = "from tocsin.ingest.functions import on_alert, on_reading, on_readings\n"


async def until(what: str, look: Callable[[], T | None]) -> T:
    """What `look` gives as soon as it gives something."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = look()
                if found is not None and found is not False:
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {WITHIN_S} s: {what}") from None


def write(folder: Path, **files: str) -> Path:
    """Files of functions, each with the import that all need."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(HEAD + textwrap.dedent(text))
    return folder


class Bench:
    """A running engine and its functions, and what tests do to them."""

    def __init__(self, engine: Engine, host: FunctionHost) -> None:
        self.engine = engine
        self.host = host

    async def publish(self, device: str, **metrics: object) -> None:
        """One message; done when it is on disk."""
        payload = json.dumps(metrics).encode()
        message = Message("c", f"devices/{device}/telemetry", payload, 1)
        await self.engine.submit([message], self.engine.clock.now())

    def value(self, device: str, metric: str) -> object:
        view = self.engine.pipeline.device(device)
        return view.metrics[metric].value if view and metric in view.metrics else None

    async def derived(self, device: str, metric: str, value: object) -> None:
        await until(
            f"{device}/{metric} is {value}: {self.host.view()}",
            lambda: self.value(device, metric) == value or None,
        )

    def function(self, name: str) -> FunctionView | None:
        return next((each for each in self.host.view().functions if each.name == name), None)

    async def ready(self) -> None:
        """All that can be loaded is."""
        await until("functions are loaded", lambda: self.host.view().worker in ("idle", "busy"))


@asynccontextmanager
async def hosting(
    data: Path,
    folder: Path | None,
    *,
    budget_s: float = 20.0,
    queue_readings: int = 100_000,
    load_s: float = 60.0,
    pause_s: float = 5.0,
    memory_bytes: int = 1 << 30,
) -> AsyncGenerator[Bench]:
    database = Database.open(data)
    engine = Engine(data, Settings(), Decoder(), database)
    await engine.start("test")
    settings = FunctionSettings(
        folder=folder,
        entry_points=False,
        budget_s=budget_s,
        queue_readings=queue_readings,
        load_s=load_s,
        pause_s=pause_s,
        memory_bytes=memory_bytes,
    )
    host = FunctionHost(engine, settings)
    try:
        host.start()
        yield Bench(engine, host)
    finally:
        await host.stop()
        await engine.stop()
        database.close()
