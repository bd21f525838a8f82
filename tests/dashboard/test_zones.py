"""…/api/zones over real HTTP."""

from typing import Any

from tests.dashboard.site import Site
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.validation import validate

CIRCLE: dict[str, Any] = {
    "type": "Feature",
    "properties": {"radius_m": 80},
    "geometry": {"type": "Point", "coordinates": [16.37, 48.21]},
}
AWAY: dict[str, Any] = {
    **CIRCLE,
    "geometry": {"type": "Point", "coordinates": [17.0, 48.21]},
}
RULE = {"name": "in-yard", "when": "inside('yard')"}


async def states(site: Site) -> list[str]:
    return [alert["state"] for alert in await site.get("/api/alerts")]


async def test_a_zone_is_made_changed_and_deleted(site: Site):
    assert (await site.send("GET", "/api/zones/yard")).status_code == 404
    made = await site.send("PUT", "/api/zones/yard", CIRCLE)
    assert made.status_code == 200
    zone = made.json()
    assert (zone["name"], zone["source"], zone["updated_by"]) == ("yard", "api", "local")
    assert zone["feature"]["properties"] == {"name": "yard", "radius_m": 80}
    assert await site.get("/api/zones") == [zone]
    assert (await site.send("POST", "/api/rules", RULE)).status_code == 201
    await site.publish("truck", {"lat": 48.21, "lon": 16.37})
    assert await states(site) == ["active"]
    device = await site.get("/api/devices/truck")
    assert (device["position"], device["jumps_total"]) == ([48.21, 16.37], 0)
    # It is judged at once where it is.
    assert (await site.send("PUT", "/api/zones/yard", AWAY)).status_code == 200
    assert await states(site) == ["cleared_unacknowledged"]
    assert (await site.get("/api/zones/yard"))["rules"] == ["in-yard"]
    refused = await site.send("DELETE", "/api/zones/yard")
    assert refused.status_code == 409
    assert "in-yard" in refused.json()["detail"]
    assert (await site.send("DELETE", "/api/rules/in-yard")).status_code == 204
    assert (await site.send("DELETE", "/api/zones/yard")).status_code == 204
    assert (await site.send("DELETE", "/api/zones/yard")).status_code == 404


async def test_what_is_wrong_with_a_zone_is_said_with_its_place(site: Site):
    ring = [[0, 0], [1, 0], [1, 1], [200, 1], [0, 0]]
    body = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    refused = await site.send("PUT", "/api/zones/yard", body)
    assert refused.status_code == 422
    (problem,) = refused.json()["detail"]
    assert problem["loc"] == ["body", "geometry", "coordinates", 0, 3]
    assert problem["msg"] == "longitude 200 is no such; expected -180 to 180"
    other = {**CIRCLE, "properties": {"name": "dock", "radius_m": 80}}
    refused = await site.send("PUT", "/api/zones/yard", other)
    assert refused.json()["detail"][0]["loc"] == ["body", "properties", "name"]


async def test_a_rule_with_a_zone_that_is_not_there_is_refused_with_its_column(site: Site):
    await site.send("PUT", "/api/zones/yard", CIRCLE)
    wrong = {"name": "r", "when": "temp_c > 3 and inside('yrad')"}
    for method, path, body in (
        ("POST", "/api/rules", wrong),
        ("POST", "/api/rules/preview", {"rule": wrong}),
    ):
        await site.publish("truck", {"lat": 48.21, "lon": 16.37, "temp_c": 1})
        refused = await site.send(method, path, body)
        assert refused.status_code == 422, refused.text
        (problem,) = refused.json()["detail"]
        assert problem["column"] == 23
        assert problem["msg"] == "unknown zone 'yrad' at column 23; did you mean yard?"


async def test_a_preview_has_the_zones_of_that_time(site: Site):
    await site.send("PUT", "/api/zones/yard", CIRCLE)
    await site.publish("truck", {"lat": 48.21, "lon": 16.37})
    await site.send("PUT", "/api/zones/yard", AWAY)
    await site.publish("truck", {"lat": 48.21, "lon": 16.3701})
    now = site.engine.clock.now()
    rule = validate(Rule(name="in-yard", when="inside('yard')"))
    report = await site.engine.backtest(site.engine.backtest_scope([rule], now - 600, now + 1))
    (truck,) = report.subjects
    assert [change.state for change in truck.changes] == ["active", "cleared_unacknowledged"]
    # That of now, where it is not.
    assert await states(site) == []
