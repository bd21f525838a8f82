"""What Prometheus reads, against docs/metrics.md and against what happened."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.dashboard.site import HOT, Site

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


async def read(site: Site) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by sample name and labels."""
    answer = await site.client.get("/metrics")
    assert answer.status_code == 200
    values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            values.setdefault(sample.name, {})[labels] = sample.value
    return values


async def test_every_metric_is_documented_with_its_kind(site: Site):
    answer = await site.client.get("/metrics")
    told = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in text_string_to_metric_families(answer.text)
    }
    rows = re.findall(
        r"^\| `(\w+)(?:\{[\w, ]+\})?` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert set(rows) == told


async def test_they_say_what_happened(site: Site):
    await site.engine.put_rule(HOT, "ann")
    async with site.watch() as page:
        await page.opened()
        await site.publish("boiler-1", {"temp_c": 95.0, "v": 1.0})
        await page.first("alert")
        await page.first("readings")
        await site.client.get("/", headers={"host": "evil.example"})
        values = await read(site)
    assert values["tocsin_messages_total"] == {(): 1}
    assert values["tocsin_readings_total"] == {(): 2}
    assert values["tocsin_viewers"] == {(): 1}
    assert values["tocsin_alerts_open"] == {(("severity", "warning"), ("state", "active")): 1}
    assert values["tocsin_http_refused_total"] == {(("status", "421"),): 1}
    assert values["tocsin_journal_state"][("state", "ok"),] == 1
    assert sum(values["tocsin_journal_state"].values()) == 1
    assert values["tocsin_info"] == {(("version", "1.2.3"),): 1}
    buckets = values["tocsin_reading_latency_seconds_bucket"]
    assert buckets[("le", "+Inf"),] == 2
    assert list(buckets.values()) == sorted(buckets.values())
    assert 0 < values["tocsin_reading_latency_seconds_sum"][()] < 2 * 5
