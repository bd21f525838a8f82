"""The API over real HTTP: what it answers, and how it refuses."""

import json
from datetime import datetime
from typing import Any

import httpx2

from tests.dashboard.site import HOT, Site
from tocsin.devices.message import Message
from tocsin.devices.timestamps import rfc3339
from tocsin.ingest.facts import RuleFileLoaded
from tocsin.ingest.rules.rule import Rule


async def test_devices(site: Site):
    await site.publish("boiler-1", {"temp_c": 61.5, "burner": {"on": True}})
    await site.publish("boiler-2", {"temp_c": 20.0})
    devices = await site.get("/api/devices")
    assert [d["id"] for d in devices] == ["boiler-1", "boiler-2"]
    device = await site.get("/api/devices/boiler-1")
    assert device == devices[0]
    assert (device["messages_total"], device["readings_total"]) == (1, 2)
    assert device["freshness"] == "fresh"
    assert device["last_seen"].endswith("Z")
    assert device["metrics"]["burner.on"]["value"] is True
    assert device["metrics"]["burner.on"]["kind"] == "boolean"
    unknown = await site.client.get("/api/devices/boiler-3")
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"detail": "device 'boiler-3' is not known"},
    )


async def test_series(site: Site):
    now = site.engine.clock.now()
    start = now // 60 * 60 - 120
    await site.publish(
        "a", *({"ts": start + second, "v": float(second)} for second in (0, 1, 2, 70))
    )
    query = {"metric": "v", "from": rfc3339(start), "to": rfc3339(start + 120), "points": 2}
    series = await site.get("/api/devices/a/series", **query)
    assert now <= datetime.fromisoformat(series["at"]).timestamp() + 0.001 < now + 60
    assert (series["metric"], series["count"]) == ("v", [3, 1])
    assert (series["min"], series["max"], series["avg"]) == ([0, 70], [2, 70], [1, 70])
    assert [datetime.fromisoformat(t).timestamp() for t in series["time"]] == [start, start + 60]
    query = {"metric": "v", "from": start, "to": start + 120, "points": 120}
    gaps = await site.get("/api/devices/a/series", **query)
    assert gaps["count"][:4] == [1, 1, 1, 0]
    assert gaps["avg"][:4] == [0, 1, 2, None]


WRONG_SERIES: dict[str, tuple[dict[str, Any], int, str]] = {
    "from after to": ({"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z"}, 422, "from"),
    "no time": ({"from": "yesterday"}, 422, "from"),
    "no time at the end": ({"to": "1e400"}, 422, "to"),
    "far future": ({"to": "9999-12-31T00:00:00Z"}, 422, "to"),
    "before 1970": ({"from": "1900-01-01T00:00:00Z"}, 422, "from"),
    "no points": ({"points": 0}, 422, "points"),
    "too many points": ({"points": 5001}, 422, "points"),
    "points in words": ({"points": "many"}, 422, "points"),
    "no metric": ({"metric": None}, 422, "metric"),
    "unknown metric": ({"metric": "nope"}, 404, ""),
    "a metric of texts": ({"metric": "state"}, 422, "metric"),
}


async def test_wrong_series_requests_name_the_field(site: Site):
    await site.publish("a", {"v": 1.0, "state": "run"})
    for name, (query, status, field) in WRONG_SERIES.items():
        asked = {k: v for k, v in {"metric": "v", **query}.items() if v is not None}
        answer = await site.client.get("/api/devices/a/series", params=asked)
        assert answer.status_code == status, name
        if field:
            assert answer.json()["detail"][0]["loc"] == ["query", field], name


async def test_rules_from_creation_to_deletion(site: Site):
    created = await site.send(
        "POST", "/api/rules", {"name": "hot", "when": "temp_c > 80", "severity": "critical"}
    )
    assert created.status_code == 201
    rule = created.json()
    assert (rule["source"], rule["version"], rule["updated_by"]) == ("api", 1, "local")
    assert (rule["severity"], rule["devices"], rule["enabled"]) == ("critical", "*", True)
    assert await site.get("/api/rules") == [rule]
    assert (
        await site.send("POST", "/api/rules", {"name": "hot", "when": "v > 1"})
    ).status_code == 409

    changed = await site.send("PUT", "/api/rules/hot", {**rule, "when": "temp_c > 90"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["when"], changed.json()["version"]) == ("temp_c > 90", 2)
    assert (await site.get("/api/rules/hot")) == changed.json()

    assert (await site.send("DELETE", "/api/rules/hot")).status_code == 204
    assert await site.get("/api/rules") == []
    for method in ("GET", "DELETE"):
        assert (await site.send(method, "/api/rules/hot")).status_code == 404


async def test_a_version_that_is_not_in_force_any_more_changes_nothing(site: Site):
    rule = {"name": "hot", "when": "temp_c > 80"}
    await site.send("POST", "/api/rules", rule)

    async def put(limit: int, version: str) -> httpx2.Response:
        body = json.dumps(rule | {"when": f"temp_c > {limit}"}).encode()
        headers = {"content-type": "application/json", "if-match": version}
        return await site.client.put("/api/rules/hot", content=body, headers=headers)

    assert (await put(81, '"1"')).json()["version"] == 2
    late = await put(82, '"1"')
    assert late.status_code == 412
    assert late.json()["detail"] == (
        "rule 'hot' is version 2 by local; expected \"1\", the one that was changed here"
    )
    assert (await site.get("/api/rules/hot"))["when"] == "temp_c > 81"
    assert (await put(83, "*")).json()["version"] == 3
    await site.send("DELETE", "/api/rules/hot")
    assert (await put(84, '"3"')).status_code == 412
    assert await site.get("/api/rules") == []


WRONG_RULES: dict[str, tuple[bytes, list[str | int], str, int | None]] = {
    "unknown function": (
        b'{"name": "r", "when": "temp_c > agv(temp_c, \'5m\')"}',
        ["body", "when"],
        "did you mean avg?",
        10,
    ),
    "no expression": (b'{"name": "r", "when": "temp_c >"}', ["body", "when"], "", 9),
    "bad duration": (
        b'{"name": "r", "when": "v > 1", "on_delay": "soon"}',
        ["body", "on_delay"],
        "'soon'",
        None,
    ),
    "unknown key": (
        b'{"name": "r", "when": "v > 1", "wehn": "x"}',
        ["body", "wehn"],
        "did you mean when?",
        None,
    ),
    "no name": (b'{"when": "v > 1"}', ["body", "name"], "missing", None),
    "a number for text": (b'{"name": "r", "when": 5}', ["body", "when"], "5", None),
    "a list": (b"[]", ["body"], "object", None),
    "no JSON": (b'{"name": "r"', ["body"], "not JSON", None),
    "no body": (b"", ["body"], "not JSON", None),
    "invalid UTF-8": (b'{"name": "\xff"}', ["body"], "", None),
    "nested without end": (b'{"a":' * 10_000, ["body"], "", None),
}  # fmt: skip


async def test_wrong_rules_are_refused_with_place_and_reason(site: Site):
    for name, (body, place, reason, column) in WRONG_RULES.items():
        answer = await site.client.post(
            "/api/rules", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 422, name
        problem = answer.json()["detail"][0]
        assert problem["loc"] == place, name
        assert reason in problem["msg"], name
        assert problem.get("column") == column, name
    assert await site.get("/api/rules") == []


async def test_everything_wrong_with_a_rule_is_told(site: Site):
    answer = await site.send(
        "POST", "/api/rules", {"name": "a/b", "when": "v >", "on_delay": "x", "clear": "v <"}
    )
    fields = [problem["loc"][1] for problem in answer.json()["detail"]]
    assert set(fields) == {"name", "when", "on_delay", "clear"}


async def test_a_rule_is_explained(site: Site):
    for name, when in (("hot", "avg(v, '5m') > 1"), ("cold", "min(v, '5m') < 0 and hour() > 6")):
        await site.send("POST", "/api/rules", {"name": name, "when": when})
    found = await site.get("/api/rules/cold/explain")
    assert (found["rule"], found["woken_by"], found["at_hours"]) == ("cold", ["v"], True)
    assert found["windows"][0]["shared_with"] == ["hot"]
    assert (await site.client.get("/api/rules/nonesuch/explain")).status_code == 404


async def test_a_rule_that_is_being_written_is_explained_or_says_what_is_wrong(site: Site):
    await site.send("POST", "/api/rules", {"name": "hot", "when": "avg(temp_c, '5m') > 1"})
    await site.publish("boiler-1", {"temp_c": 20, "lat": 48.2, "lon": 16.4})
    draft = {"name": "", "when": "min(temp_c, '5m') < 0", "message": "{device}"}
    found = (await site.send("POST", "/api/rules/explain", draft)).json()
    assert found["doubts"] == []
    assert found["explanation"]["woken_by"] == ["temp_c"]
    assert found["explanation"]["windows"][0]["shared_with"] == ["hot"]
    doubtful = {"when": "temp_x > 3 and inside('yard')"}
    for wrong, field, column, message in (
        ({"when": "temp_c > agv(temp_c, '5m')"}, "when", 10, "did you mean avg?"),
        ({"when": "temp_c > 3", "clear": "temp_c <"}, "clear", 9, "expected"),
        ({"when": "temp_c > 3", "actions": ["ops"]}, "actions", None, "is no channel"),
        (doubtful, "when", 23, "unknown zone 'yard'"),
    ):
        answer = await site.send("POST", "/api/rules/explain", wrong)
        assert answer.status_code == 422, wrong
        (problem,) = answer.json()["detail"]
        assert (problem["loc"], problem.get("column")) == (["body", field], column), problem
        assert message in problem["msg"]
    # A metric that no device has is a doubt: its device may be on its way.
    (doubt,) = (await site.send("POST", "/api/rules/explain", {"when": "temp_x > 3"})).json()[
        "doubts"
    ]
    assert (doubt["loc"], doubt["column"]) == (["body", "when"], 1)
    assert doubt["msg"] == "unknown metric 'temp_x' at column 1; did you mean temp_c?"
    asked = {"when": "temp_c > age(temp_c)"}
    (doubt,) = (await site.send("POST", "/api/rules/explain", asked)).json()["doubts"]
    assert (doubt["loc"], doubt["column"]) == (["body", "when"], 10)
    assert "'age(temp_c)' at column 10 is in s, and 'temp_c' in °C" in doubt["msg"]
    asked = {"when": "temp_c > 3 and tag('sit') == 'north'", "devices": "boiler-1"}
    assert (await site.send("POST", "/api/rules/explain", asked)).json()["doubts"] == [
        {
            "loc": ["body", "when"],
            "msg": "no device has a tag 'sit' at column 20",
            "column": 20,
        }
    ]
    assert [rule["name"] for rule in await site.get("/api/rules")] == ["hot"], "nothing changed"


async def test_rules_from_files_are_read_only(site: Site):
    await site.engine.record(RuleFileLoaded([Rule(name="filed", when="v > 1")]))
    [rule] = await site.get("/api/rules")
    assert rule["source"].startswith("file:")
    body = {"name": "filed", "when": "v > 2"}
    for method, path in (("POST", ""), ("PUT", "/filed"), ("DELETE", "/filed")):
        answer = await site.send(method, f"/api/rules{path}", body)
        assert answer.status_code == 409, method
        assert "file:" in answer.json()["detail"]
    assert await site.get("/api/rules") == [rule]


async def test_a_name_in_the_body_must_be_that_of_the_address(site: Site):
    answer = await site.send("PUT", "/api/rules/a", {"name": "b", "when": "v > 1"})
    assert answer.status_code == 422
    answer = await site.send("PUT", "/api/rules/a%20b", {"when": "v > 1"})
    assert answer.json()["name"] == "a b"


async def test_what_people_do_to_an_alert(site: Site):
    await site.engine.put_rule(HOT, "test")
    await site.publish("boiler-1", {"temp_c": 95.0})
    await site.publish("boiler-2", {"temp_c": 95.0})
    alerts = await site.get("/api/alerts")
    assert {a["subject"] for a in alerts} == {"boiler-1", "boiler-2"}
    [alert] = await site.get("/api/alerts", subject="boiler-1", state="active", rule="hot")
    assert await site.get("/api/alerts", rule="other") == []
    assert await site.get(f"/api/alerts/{alert['id']}") == alert

    path = f"/api/alerts/{alert['id']}"
    acknowledged = (await site.send("POST", f"{path}/ack", {"note": "going there"})).json()
    assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "local")
    until = rfc3339(site.engine.clock.now() + 600)
    shelved = (await site.send("POST", f"{path}/shelve", {"until": until, "note": "tests"})).json()
    assert shelved["suppression"] == "shelved"
    unshelved = (await site.send("POST", f"{path}/unshelve")).json()
    assert unshelved["suppression"] == "none"
    commented = (await site.send("POST", f"{path}/comment", {"note": "all quiet"})).json()
    assert [c["note"] for c in commented["comments"]][-1] == "all quiet"
    assert commented["revision"] > alert["revision"]


async def test_wrong_things_done_to_an_alert(site: Site):
    await site.engine.put_rule(HOT, "test")
    await site.publish("boiler-1", {"temp_c": 95.0})
    [alert] = await site.get("/api/alerts")
    past = rfc3339(site.engine.clock.now() - 1)
    for action, body, status in (
        ("ack", {"note": 5}, 422),
        ("ack", {"nota": "x"}, 422),
        ("ack", {"until": past}, 422),
        ("shelve", {"until": past}, 422),
        ("shelve", {"until": "soon"}, 422),
        ("unshelve", {}, 409),
        ("explode", {}, 422),
    ):
        answer = await site.send("POST", f"/api/alerts/{alert['id']}/{action}", body)
        assert answer.status_code == status, (action, body, answer.text)
    assert (await site.send("POST", "/api/alerts/0000000000000000/ack", {})).status_code == 404
    assert (await site.client.get("/api/alerts/0000000000000000")).status_code == 404
    assert (await site.client.get("/api/alerts", params={"state": "loud"})).status_code == 422


async def test_topics_that_nothing_claims(site: Site):
    message = Message("c", "zigbee/lamp/state", b'{"on": true}')
    await site.engine.submit([message, message], site.engine.clock.now())
    [topic] = await site.get("/api/topics")
    assert (topic["topic"], topic["count"], topic["preview"]) == (
        "zigbee/lamp/state",
        2,
        '{"on": true}',
    )


async def test_broker_status_and_health(site: Site):
    await site.publish("a", {"v": 1.0})
    report = await site.get("/api/broker")
    assert {"clients", "limits", "refusals", "totals"} <= set(report)
    status = await site.get("/api/status")
    assert (status["readings_total"], status["journal"]["state"]) == (1, "ok")
    assert status["stopping"] is False
    assert (status["troubles"], status["failures_total"]) == ([], 0)
    assert await site.get("/healthz") == {
        "status": "ok",
        "journal": "ok",
        "troubles": [],
        "failures_total": 0,
    }


async def test_rates_are_those_of_the_last_seconds(site: Site):
    before = await site.get("/api/status")
    assert before["messages_per_s"] == 0
    await site.publish("a", *({"v": float(n)} for n in range(50)))
    status = await site.get("/api/status")
    assert status["messages_total"] == 50


async def test_answers_are_not_kept_by_caches(site: Site):
    answer = await site.client.get("/api/devices")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
