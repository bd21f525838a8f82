"""The sign of life: over MQTT, here and at another broker, and by a ping.

Here it is `tocsin/heartbeat`, retained, every 10 s, and a last one that says `offline` at a clean
stop. The server is its own broker, so nobody is left here to tell a will when it is killed: who
watches must miss the next one. Elsewhere the `Lifeline` has a will, and the `Ping` a watchdog.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from tocsin.devices.timestamps import rfc3339
from tocsin.heartbeat.lifeline import Lifeline
from tocsin.heartbeat.ping import Ping
from tocsin.heartbeat.settings import HeartbeatSettings
from tocsin.heartbeat.url import BrokerUrl
from tocsin.refusal import Refusal

BEAT_S = 10.0

Publish = Callable[..., None]


class Heartbeat:
    """State: the timer of the beat, and since when it beats. `note(work, reason)` is told how the
    ping and the other broker do, None for well.

    Raises Refusal for a password or certificates that cannot be had.
    """

    def __init__(
        self,
        settings: HeartbeatSettings,
        publish: Publish,
        clock: Callable[[], float],
        version: str,
        note: Callable[[str, str | None], None],
    ) -> None:
        self._publish = publish if settings.mqtt else None
        self._clock = clock
        self._version = version
        self._began = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._ping = self._lifeline = None
        if settings.url:
            trouble = partial(note, "heartbeat")
            self._ping = Ping(settings.url, settings.every_s, settings.timeout_s, trouble)
        if settings.broker:
            self._lifeline = self._make_lifeline(settings, partial(note, "heartbeat broker"))

    def start(self) -> None:
        if self._lifeline:
            self._lifeline.start()
        if self._ping:
            self._ping.start()
        if self._publish or self._lifeline:
            self._beat()

    async def stop(self) -> None:
        """Say that this is the last one."""
        if self._timer:
            self._timer.cancel()
        self._say("offline")
        if self._ping:
            await self._ping.stop()
        if self._lifeline:
            await self._lifeline.stop(self._gone("stopped"))

    def _make_lifeline(
        self, settings: HeartbeatSettings, trouble: Callable[[str | None], None]
    ) -> Lifeline:
        try:
            password, tls = settings.password(), settings.tls()
        except ValueError as error:
            raise Refusal(str(error)) from None
        return Lifeline(
            BrokerUrl.parse(settings.broker),
            settings.topic,
            password,
            tls,
            beat=self._alive,
            will=self._gone("connection lost"),
            trouble=trouble,
        )

    def _beat(self) -> None:
        self._say("online")
        if self._lifeline:
            self._lifeline.beat()
        self._timer = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def _say(self, state: str) -> None:
        if self._publish is None:
            return
        beat = {
            "at": rfc3339(self._clock()),
            "state": state,
            "version": self._version,
            "every_s": BEAT_S,
        }
        self._publish("tocsin/heartbeat", msgspec.json.encode(beat), qos=0, retain=True)

    def _alive(self) -> bytes:
        """What the other broker gets. A Tocsin that watches reads it as telemetry, so the time is a
        number, as a text each would be a new one, and is not `ts`: the will, made beforehand, has
        none, and after it beats of a clock that is behind would be late."""
        return self._elsewhere(
            state="online",
            uptime_s=round(time.monotonic() - self._began, 1),
            clock_s=round(self._clock(), 3),
            every_s=BEAT_S,
        )

    def _gone(self, reason: str) -> bytes:
        return self._elsewhere(state="offline", reason=reason)

    def _elsewhere(self, **says: Any) -> bytes:
        return msgspec.json.encode({**says, "version": self._version})
