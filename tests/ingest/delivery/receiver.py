"""A real HTTP server that receives webhooks and misbehaves as it is told."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Request:
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def alert(self) -> Any:
        return json.loads(self.body)["alert"]

    @property
    def told(self) -> dict[str, Any]:
        """The alerts by the keys of their transitions, whether told alone or together."""
        body = json.loads(self.body)
        return {each["key"]: each["alert"] for each in body.get("notices", [body])}


class Receiver:
    """`behave(request)` says what happens to one: a status, `hang`, `reset`, `garbage`, or
    `trickle` (an answer that never ends)."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.pings: list[str] = []
        self.behave: Callable[[Request], int | str] = lambda _: 204
        self.headers = ""
        self.most_at_once = 0
        self.url = ""
        self._open = 0
        self._news = asyncio.Condition()
        self._never = asyncio.Event()
        self._serving: set[asyncio.Task[object]] = set()

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.requests]

    async def received(self, count: int, within_s: float = 10.0) -> list[Request]:
        """The requests, as soon as there are so many."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._serving.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if head.startswith("GET "):
            self.pings.append(head.split()[1])
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return True
        request = Request(headers, body)
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            does = self.behave(request)
            async with self._news:
                self.requests.append(request)
                self._news.notify_all()
            match does:
                case "hang":
                    await self._never.wait()
                    return False
                case "reset":
                    writer.transport.abort()
                    return False
                case "garbage":
                    writer.write(b"what?\r\n\r\n")
                    return False
                case "trickle":
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n.")
                    await writer.drain()
                    await self._never.wait()
                    return False
                case _:
                    head = f"HTTP/1.1 {does} X\r\ncontent-length: 0\r\n{self.headers}\r\n"
                    writer.write(head.encode())
                    await writer.drain()
                    return True
        finally:
            self._open -= 1

    async def close(self) -> None:
        """End every connection."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook/s3cret"
    try:
        yield receiver
    finally:
        server.close()
        await receiver.close()
