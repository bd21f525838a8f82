"""One browser at the other end of a stream."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tocsin.dashboard.stream.view import View

WRITE_BYTES = 256 * 1024
"""Waiting chunks are joined up to this size: one write each would cost a system call each."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Encoded events on their way to viewers, made once for all of them.

    `bare` is the same without ids, for viewers that are not up to date yet; None: not for them.
    `arrivals` and `arrived`: when the readings, or the causes of the alerts (`urgent`), in it
    were received, and how many then.
    """

    text: bytes
    bare: bytes | None = None
    arrivals: NDArray[np.float64] | None = None
    arrived: NDArray[np.int64] | None = None
    urgent: bool = False


class Viewer:
    """Owns what waits to be written to one browser, and its view.

    The queue is bounded by `queue_bytes`; policy: disconnect. The browser comes back with the
    id of the last event it got, and loses none.
    """

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        view: View,
        queue_bytes: int,
        *,
        on_written: Callable[[list[Chunk]], None],
        on_overrun: Callable[[list[Chunk]], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        self.view = view
        self.opening = True
        """Still being told the state; ids are withheld, so that a viewer that breaks off here
        does not believe to be up to date."""
        self.missed: set[str] = set()
        """Devices that changed while `opening`."""
        self.queued_bytes = 0
        self._queue: deque[Chunk] = deque()
        self._writing: list[Chunk] = []
        self._queue_bytes = queue_bytes
        self._transport = transport
        self._on_written = on_written
        self._on_overrun = on_overrun
        self._news = asyncio.Event()
        self._finished = False

    def offer(self, chunk: Chunk) -> None:
        """Queue a chunk, or cut the connection if it does not fit."""
        if self._finished:
            return
        if self.opening:
            if chunk.bare is None:
                return
            chunk = replace(chunk, text=chunk.bare)
        if self.queued_bytes + len(chunk.text) > self._queue_bytes:
            lost = [*self._writing, *self._queue, chunk]
            self.cut()
            self._on_overrun(lost)
            return
        self._queue.append(chunk)
        self.queued_bytes += len(chunk.text)
        self._news.set()

    def finish(self) -> None:
        """End the stream once everything queued is written."""
        self._finished = True
        self._news.set()

    def cut(self) -> None:
        """End the connection now, whatever is still unwritten."""
        self._queue.clear()
        self.queued_bytes = 0
        self._transport.abort()
        self.finish()

    async def stream(self, opening: Iterator[bytes]) -> AsyncIterator[bytes]:
        """What to write, each part when the kernel has taken the one before.

        First the items of `opening`, each made when it is its turn, with what is queued
        meanwhile ahead of it: news never waits behind the state of 50,000 devices.
        """
        for text in opening:
            yield self._take() + text
            if not self._nothing_buffered():
                yield b""  # sent when all before it has left our buffer
            if not self._confirm() or self._finished:
                return
        while True:
            if self._queue:
                yield self._take()
                if not self._nothing_buffered():
                    yield b""
                if not self._confirm():
                    return
            elif self._finished:
                return
            else:
                self._news.clear()
                await self._news.wait()

    def _take(self) -> bytes:
        """The oldest chunks, about WRITE_BYTES of them. They count as queued until written."""
        size = 0
        while self._queue and size < WRITE_BYTES:
            self._writing.append(self._queue.popleft())
            size += len(self._writing[-1].text)
        return b"".join([chunk.text for chunk in self._writing])

    def _nothing_buffered(self) -> bool:
        return self._transport.get_write_buffer_size() == 0

    def _confirm(self) -> bool:
        """Notes what was written. False when the connection is gone: then it was not."""
        if self._transport.is_closing():
            return False
        self._on_written(self._writing)
        self.queued_bytes -= sum(len(chunk.text) for chunk in self._writing)
        self._writing = []
        return True
