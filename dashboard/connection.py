"""One HTTP connection of uvicorn, with what the stream and strangers make necessary."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 32 * 1024
"""The largest request line and headers together. Browsers send 1 KiB; httptools has no bound."""

HEAD_TIMEOUT_S = 10.0
"""A connection has to bring a whole request head within this time, its first and each next one."""


class HttpConnection(HttpToolsProtocol):
    """Adds to uvicorn's connection: bounds on the request head, and a socket that tells the truth.

    The write buffer's high-water mark is 0, so `await send(…)` waits until the kernel has taken
    all that was sent before: "written to the viewer's socket" means that, not "lies in a buffer
    of ours". Requests find the transport in `request.state.transport`.

    Give the class to uvicorn: `Config(app, http=HttpConnection)`.
    """

    _head_bytes = 0
    _heads = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self.app_state = {**self.app_state, "transport": transport}
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head and self._deadline is None:
            self._expect_head()
        heads = self._heads
        super().data_received(data)
        if self._in_head and self._heads == heads and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response(f"Request head is over {HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._heads += 1
        self._head_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
