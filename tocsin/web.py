"""The HTTP server, run inside our event loop under our own signal handling."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator
from typing import Any, cast

import uvicorn

from tocsin.dashboard.connection import HttpConnection

# A stream that has been closed by us ends at once; what still runs after this is cancelled.
GRACE_S = 1


class WebServer(uvicorn.Server):
    """uvicorn without its signal handlers: `tocsin.app` decides when and in which order to stop."""

    def __init__(
        self,
        app: Any,
        sock: socket.socket,
        websocket: Callable[[], asyncio.Protocol] | None = None,
    ) -> None:
        """`websocket` makes what takes over a socket whose request asks for a WebSocket; it
        begins with that request. None: such a request is an ordinary one."""
        super().__init__(
            uvicorn.Config(
                app,
                http=HttpConnection,
                # uvicorn takes whatever makes a protocol of its arguments.
                ws=cast("Any", _without_arguments(websocket)) if websocket else "none",
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


def _without_arguments(make: Callable[[], asyncio.Protocol]) -> Callable[..., asyncio.Protocol]:
    def made(**_: Any) -> asyncio.Protocol:
        return make()

    return made
