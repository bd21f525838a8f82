"""The HTTP server, run inside our event loop under our own signal handling."""

import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from tocsin.dashboard.connection import HttpConnection

# A stream that has been closed by us ends at once; what still runs after this is cancelled.
GRACE_S = 1


class WebServer(uvicorn.Server):
    """uvicorn without its signal handlers: `tocsin.app` decides when and in which order to stop."""

    def __init__(self, app: Any, sock: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpConnection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # X-Forwarded-* must reach the guards as they came.
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._sock = sock

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def run_until_stopped(self) -> None:
        await self.serve(sockets=[self._sock])

    def stop(self) -> None:
        self.should_exit = True
