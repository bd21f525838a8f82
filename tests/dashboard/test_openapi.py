"""The description of the API against the contract and against what is really answered."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from tests.dashboard.site import HOT, Site
from tocsin.dashboard.api.devices import SeriesView
from tocsin.dashboard.api.session import Me
from tocsin.dashboard.rule_views import RuleView
from tocsin.dashboard.status import Status
from tocsin.dashboard.views import AlertView, Device

CONTRACT = """
    GET    /healthz
    GET    /metrics
    GET    /api/devices
    GET    /api/devices/{device_id}
    GET    /api/devices/{device_id}/series
    GET    /api/devices/{device_id}/windows
    GET    /api/groups/windows
    PUT    /api/devices/{device_id}/tags
    GET    /api/rules
    POST   /api/rules
    POST   /api/rules/preview
    GET    /api/rules/{name}
    GET    /api/rules/{name}/versions
    GET    /api/rule-versions
    PUT    /api/rules/{name}
    DELETE /api/rules/{name}
    GET    /api/alerts
    GET    /api/alerts/{alert_id}
    GET    /api/alerts/{alert_id}/transitions
    POST   /api/alerts/{action}
    POST   /api/alerts/{alert_id}/{action}
    GET    /api/maintenance
    POST   /api/maintenance
    DELETE /api/maintenance/{window_id}
    GET    /api/channels
    GET    /api/deliveries
    POST   /api/deliveries/redrive
    GET    /api/broker
    GET    /api/functions
    GET    /api/rules/{name}/explain
    POST   /api/rules/explain
    GET    /api/zones
    GET    /api/zones/{name}
    PUT    /api/zones/{name}
    DELETE /api/zones/{name}
    GET    /api/status
    GET    /api/topics
    GET    /api/stream
    PUT    /api/stream/{stream_id}/view
    POST   /api/login
    POST   /api/logout
    GET    /api/me
"""


def references(part: object) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        for key, value in cast("dict[str, object]", part).items():
            if key == "$ref":
                yield str(value)
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in cast("list[object]", part):
            yield from references(value)


async def test_every_route_of_the_contract_is_described_and_no_other(site: Site):
    document = await site.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {tuple(line.split()) for line in CONTRACT.strip().splitlines()}


async def test_every_answer_and_body_has_a_schema_that_exists(site: Site):
    document = await site.get("/openapi.json")
    schemas = document["components"]["schemas"]
    found = set(references(document))
    assert found
    assert {name.removeprefix("#/components/schemas/") for name in found} <= set(schemas)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                content: dict[str, dict[str, Any]] = answer.get("content", {})
                assert bool(content) == (status != "204"), (method, path, status)
                assert all(each["schema"] for each in content.values()), (method, path, status)
            if method in ("put", "post") and path != "/api/logout":
                assert operation["requestBody"]["content"]["application/json"]["schema"]


async def test_answers_are_as_described(site: Site):
    await site.engine.put_rule(HOT, "ann")
    await site.publish("boiler-1", {"temp_c": 95.0, "mode": "auto", "lat": 60.1, "lon": 24.9})
    await site.publish("boiler-1", {"temp_c": "broken"})
    answers: dict[str, Any] = {
        "/api/devices": list[Device],
        "/api/devices/boiler-1": Device,
        "/api/devices/boiler-1/series?metric=temp_c": SeriesView,
        "/api/rules": list[RuleView],
        "/api/rules/hot": RuleView,
        "/api/alerts": list[AlertView],
        "/api/status": Status,
        "/api/me": Me,
    }
    for path, kind in answers.items():
        answer = await site.client.get(path)
        assert msgspec.json.decode(answer.content, type=kind), path
    answer = await site.client.get("/api/devices/boiler-1")
    device = msgspec.json.decode(answer.content, type=Device)
    assert device.position == (60.1, 24.9)
    assert device.last_rejected is not None
