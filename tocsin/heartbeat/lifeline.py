"""The heartbeat at another broker, for as long as this server lives.

A will is of use at a broker that outlives its client, which one's own broker never does. At the
other one the retained message of the topic says `online` while beats come, `offline` and why after
a clean stop, and what the will says as soon as the connection is gone, or nothing has come over it
for `KEEPALIVE_S` and a half of that.
"""

import asyncio
import hashlib
import os
import random
import ssl
from collections.abc import Callable

import structlog

from tocsin.broker.packets import LEVEL_5, LEVEL_311, Connect, Will
from tocsin.broker.reasons import FAILURE
from tocsin.heartbeat.client import Client, Ended, in_words
from tocsin.heartbeat.url import BrokerUrl

log = structlog.get_logger(__name__)

KEEPALIVE_S = 15
"""More than the time between two beats, which are all that is sent."""
ANSWER_S = 10.0
"""Seconds within which the other broker has to connect, and to let us in."""
LAST_WORD_S = 0.5
"""Seconds that a clean stop has for its last word."""
FIRST_RETRY_S = 1.0
LAST_RETRY_S = 10.0
"""Seconds between two tries; they double from the first to the last. Up to half of it is left out
at random, so that many servers do not come back together."""


class Lifeline:
    """State: the task that keeps the connection, and the connection there is.

    `beat()` gives what is to be published now, `will` what is told for us. `trouble(reason)` is
    told why the beats do not arrive, None when they do.
    """

    def __init__(
        self,
        url: BrokerUrl,
        topic: str,
        password: str | None,
        tls: ssl.SSLContext | None,
        beat: Callable[[], bytes],
        will: bytes,
        trouble: Callable[[str | None], None],
    ) -> None:
        self._url = url
        self._topic = topic
        self._password = password
        self._tls = tls
        self._beat = beat
        self._will = Will(topic, will, qos=1, retain=True)
        self._tell = trouble
        self._level = LEVEL_5  # which says why a topic is refused
        self._agreed = False  # the broker has let us in with this version
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._tries = 0
        self._accepted_at = self._asked_at = 0.0
        self._said: str | None = None

    @property
    def client_id(self) -> str:
        """The same at each start, so that the broker ends a connection that it believes in still,
        will and all, before the new one. Who shares user and topic with another server shares this
        too, and both are told: each would hide that the other is gone."""
        whose = f"{self._url.user or ''}\0{self._topic}".encode()
        return "tocsin-" + hashlib.blake2b(whose, digest_size=6).hexdigest()

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name="lifeline")

    def beat(self) -> None:
        """Publish now, where there is a connection. Nothing gathers for one that does not
        acknowledge the beat before: it is left out, and then the connection."""
        if (client := self._client) is None:
            return
        now = asyncio.get_running_loop().time()
        if not client.waits:
            self._asked_at = now
            client.publish(self._topic, self._beat()).add_done_callback(self._answered)
        elif now - self._asked_at >= ANSWER_S:
            client.abort("does not answer")

    async def stop(self, last: bytes) -> None:
        """Say `last`, if that can be done at once, and go."""
        if client := self._client:
            answer = client.publish(self._topic, last)
            await asyncio.wait([answer], timeout=LAST_WORD_S)
            client.close()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            try:
                await self._live()
            except Ended as why:
                self._note(str(why))
            except TimeoutError:
                self._note("does not answer")
            except OSError as error:  # of TLS too
                self._note(f"is not reached: {_why(error)}")
            pause_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self._tries, 10))
            self._tries += 1
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret

    async def _live(self) -> None:
        """One connection, until it ends. Raises Ended, TimeoutError, OSError."""
        loop, url = asyncio.get_running_loop(), self._url
        connect = Connect(
            self.client_id,
            keepalive_s=KEEPALIVE_S,
            will=self._will,
            username=url.user,
            password=None if self._password is None else self._password.encode(),
            level=self._level,
        )
        client = Client(connect)
        try:
            async with asyncio.timeout(ANSWER_S):
                await loop.create_connection(lambda: client, url.host, url.port, ssl=self._tls)
                await client.accepted
            self._client, self._accepted_at, self._agreed = client, loop.time(), True
            self.beat()
            await client.ended
        finally:
            self._client = None
            client.abort("is left")
            if client.unheard and not self._agreed:  # some say nothing to another version
                self._level = LEVEL_311 if self._level == LEVEL_5 else LEVEL_5

    def _answered(self, answer: "asyncio.Future[int]") -> None:
        if answer.cancelled():
            return
        if (reason := answer.result()) < FAILURE:
            # Not for a connection that ends at once, as that of two who take it from each other.
            if asyncio.get_running_loop().time() - self._accepted_at >= LAST_RETRY_S:
                self._tries = 0
            self._note(None)
            return
        hint = ""
        if self._topic.startswith("tocsin/"):
            hint = "; another Tocsin takes heartbeat.topic = 'devices/NAME/telemetry'"
        self._note(f"does not take {self._topic!r}: {in_words(reason)}{hint}")

    def _note(self, reason: str | None) -> None:
        said = None if reason is None else f"{self._url} {reason}"
        if said and said != self._said:
            log.warning("the heartbeat does not reach its broker", reason=said)
        elif self._said and not said:
            log.info("the heartbeat reaches its broker again", broker=str(self._url))
        self._said = said
        self._tell(said)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    # What asyncio makes of a number of the system has the address in it once more.
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
