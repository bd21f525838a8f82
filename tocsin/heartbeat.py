"""So that somebody notices when Tocsin itself is gone.

Over MQTT: `tocsin/heartbeat`, retained, every 10 s, and a last one that says `offline` at a clean
stop. The server is its own broker, so nobody is left to send a will when it is killed: who watches
the heartbeat must miss it. That is what the ping is for: a request to a watchdog outside of this
machine, which rings when it stays away.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import msgspec
import structlog

from tocsin.devices.timestamps import rfc3339

log = structlog.get_logger(__name__)

BEAT_S = 10.0

Publish = Callable[..., None]


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """`url` gets a GET every `every_s`, which may take `timeout_s`; none is sent without one.

    `mqtt`: `tocsin/heartbeat` is published.
    """

    url: str = ""
    every_s: float = 60.0
    timeout_s: float = 10.0
    mqtt: bool = True

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("heartbeat.url is none; expected http:// or https:// and a host")


class Heartbeat:
    """State: the timer of the beat and the task that pings. `trouble(reason)` is told how each
    ping went, None for well."""

    def __init__(
        self,
        settings: HeartbeatSettings,
        publish: Publish,
        clock: Callable[[], float],
        version: str,
        trouble: Callable[[str | None], None],
    ) -> None:
        self._settings = settings
        self._publish = publish
        self._clock = clock
        self._version = version
        self._trouble = trouble
        self._timer: asyncio.TimerHandle | None = None
        self._pings: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._settings.mqtt:
            self._beat()
        if self._settings.url:
            self._pings = asyncio.create_task(self._ping_for_ever(), name="heartbeat")

    async def stop(self) -> None:
        """Say that this is the last one."""
        if self._timer:
            self._timer.cancel()
        if self._pings:
            self._pings.cancel()
            await asyncio.gather(self._pings, return_exceptions=True)
        if self._settings.mqtt:
            self._say("offline")

    def _beat(self) -> None:
        self._say("online")
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _say(self, state: str) -> None:
        beat = {
            "at": rfc3339(self._clock()),
            "state": state,
            "version": self._version,
            "every_s": BEAT_S,
        }
        self._publish("tocsin/heartbeat", msgspec.json.encode(beat), qos=0, retain=True)

    async def _ping_for_ever(self) -> None:
        async with httpx2.AsyncClient(timeout=self._settings.timeout_s) as client:
            failed = False
            while True:
                reason = await self._ping(client)
                if reason and not failed:
                    log.warning("the heartbeat's url was not reached", reason=reason)
                failed = reason is not None
                self._trouble(reason)
                await asyncio.sleep(self._settings.every_s)

    async def _ping(self, client: httpx2.AsyncClient) -> str | None:
        """Why a ping failed, without the url, which may be a secret."""
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                client.stream("GET", self._settings.url) as response,
            ):
                if response.status_code < 400:
                    return None
                return f"answered {response.status_code}"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as error:
            return type(error).__name__
