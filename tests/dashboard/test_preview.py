"""POST /api/rules/preview over real HTTP, with a real worker process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dashboard.site import Site, running_site
from tocsin.ingest.outcome import Readings
from tocsin.ingest.storage.history.rows import Rows

RULE = {"name": "hot", "when": "temp_c > 80", "clear": "temp_c < 75"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    async with running_site(tmp_path) as site:
        yield site


async def lines(site: Site, body: object) -> list[Any]:
    answer = await site.send("POST", "/api/rules/preview", body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - workers begin and end outside the loop
            await asyncio.sleep(0.001)


async def at_work(site: Site) -> None:
    """Until there is a backtest, and its process."""
    workers = site.engine.workers
    await until(lambda: workers.stats("backtest").running == 1 and workers.stats().started == 1)


async def test_it_says_how_often_a_rule_would_have_rung_on_each_device(site: Site) -> None:
    for temp_c in (70, 90, 80, 70, 90):
        await site.publish("boiler-1", {"temp_c": temp_c, "state": "on"})
        await site.publish("boiler-2", {"temp_c": temp_c / 2})
    await site.engine.checkpoint()
    await site.publish("boiler-1", {"temp_c": 60})
    *progress, last = await lines(site, {"rule": RULE | {"devices": "boiler-*"}})
    assert progress[0] == {"progress": {"readings": 0, "of": 11}}
    report = last["report"]
    assert (report["readings"], report["devices"], report["rang"]) == (11, 2, 2)
    [boiler] = report["subjects"]
    assert (boiler["device"], boiler["rang"], boiler["in_alarm"]) == ("boiler-1", 2, False)
    assert [change["state"] for change in boiler["changes"]] == [
        "active",
        "cleared_unacknowledged",
        "active",
        "cleared_unacknowledged",
    ]
    assert not await site.get("/api/alerts"), "nothing rang"


@pytest.mark.parametrize(
    ("body", "loc", "says", "column"),
    [
        ({"rule": RULE | {"when": "temp_c >"}}, ["body", "rule", "when"], "ends", 9),
        ({"rule": RULE | {"when": "tmp_c > 1"}}, ["body", "rule", "when"], "mean temp_c", 1),
        ({"rule": RULE | {"devices": "x*"}}, ["body", "rule", "devices"], "'x*'", None),
        ({"rule": {"name": "a"}}, ["body", "rule", "when"], "missing", None),
        ({"rule": RULE, "from": "2026-01-02T00:00Z", "to": "2026-01-01T00:00Z"},
         ["body", "from"], "not before", None),
        ({"rule": RULE, "from": "2026-01-01T00:00Z", "to": "2026-01-09T00:00Z"},
         ["body", "from"], "at most 7", None),
        ({"rule": RULE, "from": "yesterday"}, ["body", "from"], "yesterday", None),
        ({"rule": RULE, "until": "x"}, ["body", "until"], "unknown", None),
        ({}, ["body", "rule"], "missing", None),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_with_its_place(
    site: Site, body: object, loc: list[str], says: str, column: int | None
) -> None:
    await site.publish("boiler-1", {"temp_c": 20})
    answer = await site.send("POST", "/api/rules/preview", body)
    assert answer.status_code == 422, answer.text
    [problem] = answer.json()["detail"]
    assert problem["loc"] == loc
    assert says in problem["msg"]
    assert problem.get("column") == column


# Every reading is evaluated: with a day of readings that takes longer than any test waits.
MEANS = " or ".join(f"abs(temp_c - avg(temp_c, '{minutes}m')) > 1000" for minutes in range(1, 9))
SLOW = {"name": "slow", "when": f"age(temp_c) > 1000000 or {MEANS}"}


def a_day_of_readings(site: Site) -> None:
    """300,000 of one series, on their way to history; not so many that they go there at once."""
    count, now = 300_000, site.engine.clock.now()
    time = np.linspace(now - 80_000, now - 20_000, count)
    series = np.zeros(count, np.int32)
    late, row = np.zeros(count, np.bool_), np.zeros(count, np.intp)
    site.engine.unsaved.add(Readings(series, time, np.sin(time), late, time, row))


async def test_a_new_preview_takes_the_place_of_the_one_before(site: Site) -> None:
    await site.publish("boiler-1", {"temp_c": 90})
    a_day_of_readings(site)
    first = asyncio.create_task(lines(site, {"rule": SLOW}))
    await at_work(site)
    second = await lines(site, {"rule": RULE})
    assert (await first)[-1] == {"error": "another preview of yours took its place"}
    assert second[-1]["report"]["rang"] == 1  # at the one that was published
    assert site.engine.workers.stats().killed == 1


async def test_closing_the_connection_kills_the_worker(site: Site) -> None:
    await site.publish("boiler-1", {"temp_c": 90})
    a_day_of_readings(site)
    request = asyncio.create_task(lines(site, {"rule": SLOW}))
    await at_work(site)
    request.cancel()
    await until(lambda: site.engine.workers.stats().killed == 1)


async def test_the_last_word_of_a_metric_counts_however_long_ago_it_was(site: Site) -> None:
    """A door says only when it opens and closes: it did, long before the range and the warm-up."""
    await site.publish("room-1", {"temp_c": 5, "door": "shut", "valve": True})
    await site.publish("room-1", {"temp_c": 5, "door": "open", "valve": False})
    catalogue, now = site.engine.pipeline.catalogue, site.engine.clock.now()
    await site.engine.checkpoint()
    series, shut, opened = catalogue.series_of(0), catalogue.code_of("shut"), 1
    past = [
        (-9500.0, "valve", 1.0, False),
        (-9000.0, "door", shut, False),
        (-8000.0, "door", opened, False),
        (-7990.0, "door", shut, True),
        (-7000.0, "temp_c", 5.0, False),
        (-1000.0, "temp_c", 20.0, False),
    ]
    assert catalogue.texts[opened] == "open"
    at = np.array([now + before_s for before_s, *_ in past])
    await site.engine.history.store(
        Rows.of(
            Readings(
                np.array([series[metric] for _, metric, *_ in past], np.int32),
                at,
                np.array([value for *_, value, _ in past], np.float64),
                np.array([late for *_, late in past], np.bool_),
                at,
                np.zeros(len(past), np.intp),
            ),
            catalogue.name_of,
            catalogue.is_text,
            catalogue.texts,
        ),
        site.engine.history.covered() + 1,
    )
    rule = {"name": "cold", "when": "temp_c > 10 and door == 'open' and valve == true"}
    *_, last = await lines(site, {"rule": rule, "from": str(now - 2000), "to": str(now - 500)})
    assert (last["report"]["readings"], last["report"]["rang"]) == (1, 1)
