"""A webhook: alerts as signed HTTP requests, after the Standard Webhooks specification.

webhook-id         the idempotency key; also sent as Idempotency-Key
webhook-timestamp  seconds since the epoch, of this attempt
webhook-signature  v1,base64(HMAC-SHA256(secret, "{id}.{timestamp}.{body}"))
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable

import httpx2

from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Answer, Parcel

REFUSED = frozenset({400, 405, 413, 414, 415, 422, 431, 501})
"""Statuses that say that this very request will never be taken."""

MAX_RETRY_AFTER_S = 3600.0
"""What a receiver may ask us to wait."""


def sign(secret: bytes, key: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    text = key.encode() + b"." + str(timestamp).encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()


class Webhook:
    """Sends deliveries of one channel. `encode` gives the body; `clock` seconds since the epoch.

    State: the connections, at most as many as attempts at a time. Raises ValueError for a secret
    that cannot be had.
    """

    def __init__(
        self,
        channel: Channel,
        encode: Callable[[Parcel], Awaitable[bytes]],
        clock: Callable[[], float],
        version: str,
    ) -> None:
        self._channel = channel
        self._encode = encode
        self._clock = clock
        self._secret = channel.secret()
        self._client = httpx2.AsyncClient(
            timeout=channel.timeout_s,
            limits=httpx2.Limits(max_connections=channel.concurrency),
            follow_redirects=False,
            headers={"user-agent": f"tocsin/{version}", "content-type": "application/json"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, parcel: Parcel) -> Answer:
        """One attempt, which ends within the channel's timeout, whatever the receiver does."""
        body, key = await self._encode(parcel), parcel.key
        timestamp = int(self._clock())
        headers = {
            "idempotency-key": key,
            "webhook-id": key,
            "webhook-timestamp": str(timestamp),
        }
        if self._secret is not None:
            headers["webhook-signature"] = sign(self._secret, key, timestamp, body)
        try:
            async with asyncio.timeout(self._channel.timeout_s):
                # The answer's body is not read: its status is all that counts, and it may be long.
                async with self._client.stream(
                    "POST", self._channel.url, content=body, headers=headers
                ) as response:
                    return _answer(response.status_code, response.headers.get("retry-after"))
        except TimeoutError:
            return Answer(f"no answer within {self._channel.timeout_s:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            return Answer(_reason(error))


def _answer(status: int, retry_after: str | None) -> Answer:
    if 200 <= status < 300:
        return Answer()
    if 300 <= status < 400:
        return Answer(f"answered {status}; redirects are not followed")
    wait_s = 0.0
    if retry_after and retry_after.strip().isdigit():
        wait_s = min(float(retry_after), MAX_RETRY_AFTER_S)
    return Answer(f"answered {status}", again=status not in REFUSED, after_s=wait_s)


def _reason(error: Exception) -> str:
    """What went wrong, without the address, whose path may be a secret."""
    words = {
        httpx2.TimeoutException: "timed out",
        httpx2.ConnectError: "cannot connect",
        httpx2.NetworkError: "the connection broke",
        httpx2.ProtocolError: "no whole HTTP answer came",
    }
    known = next((text for kind, text in words.items() if isinstance(error, kind)), "")
    return known or type(error).__name__
