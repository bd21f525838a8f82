"""What a frame costs: `python -m tests.dashboard.frame_cost`. Not a test; prints a table.

2,000 devices × 4 metrics, all of them new in every frame, for 0, 1 and 10 viewers, which read
in a process of their own. CPU of the server's process for each frame, from the operating system.
"""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.dashboard.site import Site, running_site, with_settings
from tocsin.devices.message import Message

DEVICES = 2_000
FRAMES = 30

READ = """
import socket, sys, threading
def read(port):
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /api/stream HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    while s.recv(1 << 20):
        pass
for _ in range(int(sys.argv[2])):
    threading.Thread(target=read, args=(int(sys.argv[1]),)).start()
"""


def messages(value: float) -> list[Message]:
    row = {"temp_c": value, "pressure_bar": value / 7, "flow_l_min": value * 3, "level": 0.5}
    payload = msgspec.json.encode({name: round(v, 3) for name, v in row.items()})
    return [Message(f"c{n}", f"devices/boiler-{n}/telemetry", payload) for n in range(DEVICES)]


async def cost(site: Site) -> float:
    """Median CPU in ms from a batch to the end of its frame."""
    spent: list[float] = []
    for frame in range(FRAMES):
        batch = messages(20.0 + frame / 10)
        before = time.process_time()
        site.engine.submit(batch, site.engine.clock.now())
        await asyncio.sleep(0.25)
        spent.append((time.process_time() - before) * 1000)
    return statistics.median(spent)


async def measure(viewers: int, device_refresh_s: float) -> tuple[float, float, int]:
    settings = with_settings(device_refresh_s=device_refresh_s)
    with tempfile.TemporaryDirectory() as folder:
        async with running_site(Path(folder), settings) as site:
            await site.engine.submit(messages(20.0), site.engine.clock.now())
            arguments = [sys.executable, "-c", READ, str(site.address.port), str(viewers)]
            readers = subprocess.Popen(arguments)  # noqa: ASYNC220  (starts in a millisecond)
            try:
                while site.hub.stats().viewers < viewers:  # noqa: ASYNC110  (tells nobody)
                    await asyncio.sleep(0.05)
                await asyncio.sleep(1)
                before = site.hub.stats().written_bytes_total
                spent = await cost(site)
                written = (site.hub.stats().written_bytes_total - before) // FRAMES
            finally:
                readers.kill()
                readers.wait()
            return spent, site.hub.latency.quantile(0.99) * 1000, written


async def main() -> None:
    print(f"{DEVICES} devices × 4 metrics, CPU in ms per frame")
    for refresh_s in (3600.0, 2.0):
        print(f"device counters every {refresh_s:g} s")
        for viewers in (0, 1, 10):
            spent, p99_ms, written = await measure(viewers, refresh_s)
            print(f"  {viewers:3} viewers {spent:8.1f} ms   p99 {p99_ms:6.1f} ms   {written} B")


if __name__ == "__main__":
    asyncio.run(main())
