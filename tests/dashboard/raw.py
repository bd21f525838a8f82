"""Requests byte by byte, as no well-behaved client would send them."""

import asyncio
from dataclasses import dataclass, field

from tests.dashboard.site import Site


@dataclass
class Request:
    """`host` None: as it should be; headers beside it as given."""

    method: str = "GET"
    path: str = "/api/devices"
    host: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


async def send(site: Site, request: Request) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to exactly these bytes."""
    host = str(site.address) if request.host is None else request.host
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"Host: {host}"] if host else []
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    lines += [f"Content-Length: {len(request.body)}"] if request.body else []
    lines += ["Connection: close", "", ""]
    return await exchange(site, "\r\n".join(lines).encode() + request.body)


async def exchange(site: Site, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection(site.address.host, site.address.port)
    answer = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(10):
            while more := await reader.read(65536):
                answer += more
    except ConnectionResetError:
        pass  # the server closed with some of what we sent unread
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body
