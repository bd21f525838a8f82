"""Results of windows over HTTP: revisions, a restart, what cannot be asked."""

from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.site import Site, running_site
from tocsin.devices.timestamps import rfc3339


async def ask(site: Site, start: float, **query: Any) -> list[dict[str, Any]]:
    path = "/api/devices/boiler/windows"
    asked = {"metric": "t", "size": "10s", "from": rfc3339(start), "to": rfc3339(start + 60)}
    return await site.get(path, **(asked | query))


def whole(at: float) -> str:
    """A time of whole seconds."""
    return rfc3339(at).replace(".000", "")


async def test_a_late_reading_is_a_revision_also_after_a_restart(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        now = site.engine.clock.now()
        start = now // 10 * 10 - 100

        async def say(after_s: float, **values: float) -> None:
            await site.publish("boiler", {"ts": start + after_s, **values})

        await say(1, t=1.0)
        await say(4, t=3.0)
        assert await ask(site, start) == []
        await say(12, u=5.0)  # the device has gone on, whatever it measures
        (first,) = await ask(site, start)
        assert (first["start"], first["end"]) == (whole(start), whole(start + 10))
        shown = {name: first[name] for name in ("count", "min", "max", "avg", "sum", "revision")}
        assert shown == {"count": 2, "min": 1, "max": 3, "avg": 2, "sum": 4, "revision": 0}
        await say(2, t=8.0)
        await site.engine.checkpoint()  # some of it is in history now, some is not
        await say(2, t=8.0)  # again: it counts once
        await say(21, t=50.0)
        await say(6, t=0.0)
        before = await ask(site, start)
        assert [(each["count"], each["revision"]) for each in before] == [(4, 2)]
        assert (before[0]["first"], before[0]["last"]) == (1, 0)
        assert before[0]["changed_at"] > first["changed_at"]
        await say(70, t=1.0)
        await say(3, t=1000.0)  # too late: it is stored and shown, and revises nothing
        before = await ask(site, start)
        assert [(each["max"], each["revision"]) for each in before] == [(8, 2), (50, 0)]
    async with running_site(tmp_path) as site:
        assert await ask(site, start) == before
        assert (await site.get("/api/devices/boiler"))["late_total"] == 1


async def test_sessions_and_hopping_windows_in_files_and_on_the_way_there(tmp_path: Path) -> None:
    async with running_site(tmp_path) as site:
        start = site.engine.clock.now() // 10 * 10 - 200

        async def say(after_s: float, **values: float) -> None:
            await site.publish("boiler", {"ts": start + after_s, **values})

        async def sessions(**query: Any) -> list[tuple[Any, ...]]:
            found = await ask(site, start, size=[], kind="session", gap="10s", **query)
            return [(each["start"], each["end"], each["sum"], each["revision"]) for each in found]

        for after_s in (1, 5, 14, 25, 30):
            await say(after_s, t=float(after_s))
        one = whole(start + 1), whole(start + 24), 20.0, 0
        assert await sessions() == [one]  # the second may go on
        await site.engine.checkpoint()
        await say(50, u=1.0)
        other = whole(start + 25), whole(start + 40), 55.0, 0
        assert await sessions() == [one, other]
        await say(20, t=20.0)  # late: it joins them
        both = whole(start + 1), whole(start + 40), 95.0, 2
        assert await sessions() == [both]
        assert await sessions(**{"from": rfc3339(start + 2)}) == []  # it began before
        assert await sessions(to=rfc3339(start + 2)) == [both]
        hops = await ask(site, start, kind="hopping", size="20s", hop="10s")
        assert [(each["start"], each["end"], each["count"]) for each in hops] == [
            (whole(start), whole(start + 20), 3),
            (whole(start + 10), whole(start + 30), 3),
            (whole(start + 20), whole(start + 40), 3),
            (whole(start + 30), whole(start + 50), 1),
        ]
        assert [each["stddev"] for each in hops[3:]] == [None]
        shown = {name: hops[0][name] for name in ("p50", "p90", "p99", "first", "last")}
        assert shown == {"p50": 5, "p90": 14, "p99": 14, "first": 1, "last": 14}
    async with running_site(tmp_path) as site:
        assert await sessions() == [both]
        assert await ask(site, start, kind="hopping", size="20s", hop="10s") == hops


async def test_a_session_is_at_most_a_day(site: Site) -> None:
    now = site.engine.clock.now()
    hours = [{"ts": now - 3600 * hour, "t": 1.0} for hour in (*range(40, 9, -1), 0)]
    await site.publish("boiler", *hours)
    answer = await site.client.get(
        "/api/devices/boiler/windows",
        params={"metric": "t", "kind": "session", "gap": "61m", "from": rfc3339(now - 41 * 3600)},
    )
    assert answer.status_code == 422, answer.text
    assert "expected sessions of at most 86400 s" in answer.text


async def test_sessions_are_at_most_a_thousand(site: Site) -> None:
    now = site.engine.clock.now()
    query: dict[str, Any] = {
        "metric": "t",
        "kind": "session",
        "gap": "1s",
        "from": rfc3339(now - 4e3),
    }
    await site.publish(
        "boiler", *({"ts": now - 3000 + 2 * place, "t": 1.0} for place in range(1001))
    )
    assert len(await site.get("/api/devices/boiler/windows", **query)) == 1000  # the last is open
    await site.publish("boiler", {"ts": now, "t": 1.0})
    answer = await site.client.get("/api/devices/boiler/windows", params=query)
    assert answer.status_code == 422
    assert "more than 1000 sessions" in answer.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"kind": "sliding"}, "session"),
        ({"gap": "10s"}, "expected size only"),
        ({"kind": "session"}, "expected gap only"),
        ({"kind": "session", "size": []}, "no gap; expected one, as in gap=30s"),
        ({"kind": "session", "size": [], "gap": "2d"}, "expected 1 s to 86400 s"),
        ({"kind": "hopping"}, "no hop; expected one, as in hop=10s"),
        ({"kind": "hopping", "hop": "7s"}, "divided by a whole number up to 60"),
        ({"kind": "hopping", "hop": "2m"}, "divided by a whole number up to 60"),
        ({"kind": "hopping", "size": "2m", "hop": "1s"}, "divided by a whole number up to 60"),
        ({"size": "soon"}, "not a duration"),
        ({"size": "500m", "metric": "state"}, "is a text"),
        ({"size": "0s"}, "expected 1 s to 86400 s"),
        ({"size": "2d"}, "expected 1 s to 86400 s"),
        ({"size": "1s", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}, "1000"),
    ],
)
async def test_what_cannot_be_is_said(site: Site, query: dict[str, str], says: str) -> None:
    await site.publish("boiler", {"t": 1.0, "state": "run"})
    answer = await site.client.get(
        "/api/devices/boiler/windows", params={"metric": "t", "size": "1m"} | query
    )
    assert (answer.status_code, says in answer.text) == (422, True), answer.text


async def test_without_readings_there_is_nothing_and_without_a_metric_no_answer(site: Site) -> None:
    await site.publish("boiler", {"t": 1.0})
    assert await site.get("/api/devices/boiler/windows", metric="t") == []
    for path in ("/api/devices/boiler/windows?metric=x", "/api/devices/none/windows?metric=t"):
        assert (await site.client.get(path)).status_code == 404
