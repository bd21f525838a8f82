"""Windows of a group over HTTP: by tag and by profile, in files and on the way there."""

from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.site import Site, running_site
from tocsin.devices.profile import Profile
from tocsin.devices.timestamps import rfc3339
from tocsin.ingest.settings import Settings as IngestSettings

PATH = "/api/groups/windows"
NORTH = {"tag": "site", "value": "north", "metric": "t"}


async def test_readings_of_all_devices_of_a_group_are_one_window(tmp_path: Path) -> None:
    settings = IngestSettings(profiles=(Profile("pump-*"),))
    async with running_site(tmp_path, ingest=settings) as site:
        start = site.engine.clock.now() // 10 * 10 - 200
        span = {"from": rfc3339(start), "to": rfc3339(start + 100)}

        async def say(device: str, *times_s: float, metric: str = "t") -> None:
            for time_s in times_s:
                await site.publish(device, {"ts": start + time_s, metric: time_s})

        async def ask(**query: Any) -> list[dict[str, Any]]:
            return await site.get(PATH, **(NORTH | span | query))

        async def counts(**query: Any) -> list[tuple[int, ...]]:
            found = await ask(**query)
            return [(each["devices"], each["count"], each["sum"]) for each in found]

        for device in ("pump-1", "pump-2", "fan"):
            await say(device, 0)
        for device in ("pump-1", "fan"):
            put = await site.send("PUT", f"/api/devices/{device}/tags", {"site": "north"})
            assert put.status_code == 200
        await say("pump-1", 1, 12)
        await say("pump-2", 3, 25)
        await site.engine.checkpoint()
        assert await counts(size="10s") == []  # the fan has not gone on
        await say("fan", 14, 30)
        await say("pump-1", 31)
        assert await counts(size="10s") == [(2, 3, 1), (2, 2, 26)]
        assert await counts(kind="hopping", size="20s", hop="10s") == [(2, 5, 27), (2, 2, 26)]
        pumps: dict[str, Any] = {"tag": [], "value": [], "profile": "pump-*"}
        assert await counts(size="10s", **pumps) == [(2, 4, 4), (1, 1, 12)]
        assert await counts(size="10s", **(pumps | {"profile": "*"})) == [(1, 1, 0), (1, 1, 14)]
        # 0 0 1 .. 12 14 .. 30 31: the fan alone has paused from 0 to 14.
        assert await counts(kind="session", gap="12s") == [(2, 5, 27)]
        (session,) = await ask(kind="session", gap="12s")
        assert session["end"] == rfc3339(start + 26).replace(".000", "")
        assert (session["min"], session["max"], session["p50"]) == (0, 14, 1)
        await say("fan", 5)  # late
        before = await ask(size="10s")
        assert [(each["devices"], each["sum"]) for each in before] == [(2, 6), (2, 26)]
        assert before[0]["revision"] > 0
        assert before[1]["revision"] == 0
    async with running_site(tmp_path, ingest=settings) as site:
        assert await ask(size="10s") == before


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"value": []}, 422, "tag 'site' names no group; expected tag and value, or profile"),
        ({"tag": [], "value": []}, 422, "nothing names no group"),
        ({"profile": "*"}, 422, "expected tag and value, or profile"),
        ({"size": "soon"}, 422, "not a duration"),
        ({"kind": "session"}, 422, "no gap"),
        ({"metric": "state"}, 422, "is a text"),
        ({"value": "south"}, 404, "no device of tag 'site' = 'south' has a metric 't'"),
        ({"metric": "x"}, 404, "has a metric 'x'"),
    ],
)
async def test_what_cannot_be_is_said(
    site: Site, query: dict[str, Any], status: int, says: str
) -> None:
    await site.publish("boiler", {"t": 1.0, "state": "run"})
    await site.send("PUT", "/api/devices/boiler/tags", {"site": "north"})
    answer = await site.client.get(PATH, params=NORTH | query)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text


async def test_a_group_of_too_many_devices_is_refused(site: Site) -> None:
    await site.publish_all([f"d-{number}" for number in range(1_001)], {"t": 1.0})
    await site.engine.checkpoint()  # newcomers are let in a few at a time
    assert len(await site.get("/api/devices")) == 1_001
    answer = await site.client.get(PATH, params={"profile": "*", "metric": "t"})
    assert answer.status_code == 422
    assert "profile '*' has 1001 devices; expected at most 1000" in answer.text
