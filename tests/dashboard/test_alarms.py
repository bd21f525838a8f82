"""The life of an alarm through the API: what it went through, maintenance, reset."""

from datetime import UTC, datetime

from msgspec.structs import replace

from tests.dashboard.site import HOT, Site
from tocsin.dashboard.views import EvidenceView, SeenView, view_transition
from tocsin.devices.timestamps import parse_timestamp, rfc3339
from tocsin.ingest.alerts.alert import Evidence
from tocsin.ingest.alerts.book import RECENT, AlertBook
from tocsin.ingest.facts import AlertCommand
from tocsin.ingest.rules.rule import Rule


async def test_a_transition_says_who_when_why_and_what_was_seen(site: Site):
    rule = Rule(name="hot", when="temp_c > 80 and avg(temp_c, '5m') > 50", message="{door}")
    await site.engine.put_rule(rule, "test")
    now = site.engine.clock.now()
    rows = [{"ts": now - 9, "temp_c": 60.0, "door": True}, {"ts": now - 1, "temp_c": 90.0}]
    await site.publish("boiler-1", *rows)
    [alert] = await site.get("/api/alerts")
    body = {"note": "valve closed"}
    assert (await site.send("POST", f"/api/alerts/{alert['id']}/ack", body)).status_code == 200
    rang, acked = await site.get(f"/api/alerts/{alert['id']}/transitions")
    assert (rang["event"], rang["by"], rang["state"]) == ("holds", "tocsin", "active")
    assert rang["windows"] == {"avg(temp_c, '5m')": 75.0}
    for metric, value, at in (("temp_c", 90.0, now - 1), ("door", True, now - 9)):
        seen = rang["readings"][metric]
        assert (seen["value"], abs(parse_timestamp(seen["time"]) - at) < 0.001) == (value, True)
    assert (acked["event"], acked["by"], acked["note"]) == ("ack", "local", "valve closed")
    assert [rang["revision"], acked["revision"]] == [1, 2]
    assert (await site.client.get("/api/alerts/nonesuch/transitions")).status_code == 404


def test_what_a_timer_made_says_what_was_seen_then_and_what_started_it():
    book = AlertBook(witness=lambda _, at: Evidence({"temp_c": (95.0, at)}, {"max": 96.0}))
    hot = Rule(name="hot", when="temp_c > 80", on_delay="10s")
    start = Evidence({"temp_c": (90.0, 1.0)}, {"max": 91.0})
    (began,) = book.signal(hot, "a", "a", True, 1.0, 2.0, {"temp_c": 90.0}, start)
    _, (rang,) = book.fire_next()
    at_start, at_end = view_transition(began, 2.0), view_transition(rang, 12.0)
    assert (at_start.started_by, at_end.event) == (None, "on-delay over")
    assert at_end.readings["temp_c"] == EvidenceView(95.0, datetime.fromtimestamp(12.0, UTC))
    assert at_end.windows == {"max": 96.0}
    assert at_end.started_by == SeenView(at_start.readings, {"max": 91.0}, [])


async def test_an_alert_about_a_group_names_the_devices_that_counted(site: Site):
    rule = Rule(name="many", when="count_devices(temp_c > 80) >= 2")
    await site.engine.put_rule(rule, "test")
    for device in ("boiler-1", "boiler-2"):
        await site.publish(device, {"temp_c": 95.0})
    [alert] = await site.get("/api/alerts?subject=group:all")
    assert (alert["device"], alert["value"]) == (None, 2.0)
    [rang] = await site.get(f"/api/alerts/{alert['id']}/transitions")
    assert rang["devices"] == ["boiler-1", "boiler-2"]
    assert rang["windows"] == {"count_devices(temp_c > 80)": 2.0}


async def test_what_latches_waits_for_its_reset(site: Site):
    await site.engine.put_rule(replace(HOT, latch=True), "test")
    await site.publish("boiler-1", {"temp_c": 95.0})
    [alert] = await site.get("/api/alerts")
    path = f"/api/alerts/{alert['id']}"
    refused = await site.send("POST", f"{path}/reset")
    assert refused.status_code == 409
    assert "reset needs one that is latched" in refused.json()["detail"]
    await site.publish("boiler-1", {"temp_c": 20.0})
    latched = await site.get(path)
    assert (latched["state"], latched["latched"], latched["active"]) == ("active", True, True)
    for action, state in (("ack", "acknowledged"), ("reset", "cleared")):
        assert (await site.send("POST", f"{path}/{action}")).json()["state"] == state


async def test_maintenance_is_planned_listed_and_cancelled(site: Site):
    await site.engine.put_rule(HOT, "test")
    await site.publish("boiler-1", {"temp_c": 95.0})
    end = site.engine.clock.now() + 60
    body = {"devices": "boiler-*", "end": rfc3339(end), "note": "new burner"}
    planned = await site.send("POST", "/api/maintenance", body)
    assert planned.status_code == 201, planned.text
    [window] = await site.get("/api/maintenance")
    assert window == planned.json()
    assert (window["rules"], window["by"]) == ("*", "local")
    assert abs(parse_timestamp(window["end"]) - end) < 0.001
    [alert] = await site.get("/api/alerts")
    assert alert["suppression"] == "out_of_service"
    assert alert["suppressed_by"] == f"maintenance {window['id']}"
    path = f"/api/maintenance/{window['id']}"
    assert (await site.send("DELETE", path)).status_code == 204
    assert (await site.send("DELETE", path)).status_code == 404
    [alert] = await site.get("/api/alerts")
    assert (alert["suppression"], alert["suppressed_by"]) == ("none", None)
    for wrong in (
        {},
        {"devices": "*"},
        {"devices": "*", "end": "soon"},
        {"devices": "*", "end": rfc3339(end - 120)},
        {"devices": "*", "end": rfc3339(end), "note": "x" * 1001},
    ):
        assert (await site.send("POST", "/api/maintenance", wrong)).status_code == 422, wrong


async def test_versions_of_a_rule_say_who_changed_what(site: Site):
    await site.engine.put_rule(HOT, "ann")
    await site.engine.put_rule(replace(HOT, when="temp_c > 90"), "bob")
    await site.engine.delete_rule("hot", "cyd")
    gone, second, first = await site.get("/api/rules/hot/versions")
    assert [(v["version"], v["by"]) for v in (first, second, gone)] == [
        (1, "ann"),
        (2, "bob"),
        (3, "cyd"),
    ]
    assert [v["kind"] for v in (first, second, gone)] == ["added", "changed", "deleted"]
    assert second["changed"] == {"when": ["temp_c > 80", "temp_c > 90"]}
    assert (first["changed"], gone["changed"]) == ({}, {})
    assert (second["rule"]["when"], gone["rule"]) == ("temp_c > 90", None)
    assert gone["before"] == second["rule"], "what was deleted can be brought back"
    assert (await site.client.get("/api/rules/nonesuch/versions")).status_code == 404


async def test_the_newest_changes_of_all_rules_stand_in_one_list(site: Site):
    await site.engine.put_rule(HOT, "ann")
    await site.engine.put_rule(replace(HOT, name="cold", when="temp_c < 3"), "bob")
    await site.engine.put_rule(replace(HOT, latch=True, on_delay="5s"), "cyd")
    await site.engine.delete_rule("cold", "dee")
    await site.engine.put_rule(replace(HOT, name="cold"), "eve")
    found = await site.get("/api/rule-versions")
    assert [(v["name"], v["kind"], v["by"]) for v in found] == [
        ("cold", "added", "eve"),
        ("cold", "deleted", "dee"),
        ("hot", "changed", "cyd"),
        ("cold", "added", "bob"),
        ("hot", "added", "ann"),
    ]
    assert found[0]["changed"] == {}, "it was not there before"
    assert found[1]["before"]["when"] == "temp_c < 3"
    assert found[2]["changed"] == {"on_delay": ["0s", "5s"], "latch": [False, True]}
    assert await site.get("/api/rule-versions", limit=2) == found[:2]
    assert (await site.client.get("/api/rule-versions?limit=0")).status_code == 422


async def test_alerts_that_memory_has_forgotten_are_listed_and_shown(site: Site):
    await site.engine.put_rule(HOT, "test")
    devices = [f"boiler-{number}" for number in range(RECENT + 3)]
    for value in (95.0, 20.0):
        await site.publish_all(devices[:-1], {"temp_c": value})
        await site.publish(devices[-1], {"temp_c": value})
    for alert in site.engine.pipeline.alerts.open():
        site.engine.record(AlertCommand(alert.id, "ack", "test", ""))
    assert len(await site.get("/api/alerts")) == RECENT
    every = await site.get("/api/alerts", limit=10_000)
    assert sorted(alert["device"] for alert in every) == sorted(devices)
    [first] = await site.get("/api/alerts", limit=5, subject="boiler-0", state="cleared")
    assert site.engine.pipeline.alerts.get(first["id"]) is None
    assert await site.get(f"/api/alerts/{first['id']}") == first
    assert [each["device"] for each in await site.get("/api/alerts", limit=1)] == devices[-1:]
    assert (await site.client.get("/api/alerts?limit=0")).status_code == 422


async def test_a_storm_is_acknowledged_with_one_note_in_one_fact(site: Site):
    await site.engine.put_rule(HOT, "test")
    devices = [f"boiler-{number}" for number in range(1000)]
    await site.publish_all(devices, {"temp_c": 95.0})
    ids = [alert["id"] for alert in await site.get("/api/alerts")]
    await site.send("POST", f"/api/alerts/{ids[0]}/ack")
    before = site.engine.status().journal.appends
    body = {"alerts": [*ids, "gone", ids[1]], "note": "main valve closed"}
    answer = await site.send("POST", "/api/alerts/ack", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["unchanged"] == [ids[0], "gone"]
    assert site.engine.status().journal.appends == before + 1
    alerts = await site.get("/api/alerts", state="acknowledged")
    assert [alert["id"] for alert in alerts] == ids
    assert {alert["revision"] for alert in alerts} == {2}
    assert [alert["comments"][-1]["note"] for alert in alerts[1:]] == ["main valve closed"] * 999
    [_, acked] = await site.get(f"/api/alerts/{ids[7]}/transitions")
    assert (acked["by"], acked["note"]) == ("local", "main valve closed")
    again = await site.send("POST", "/api/alerts/ack", body)
    assert again.status_code == 409
    assert "is acknowledged" in again.json()["detail"]
    wrongs: list[object] = [
        {"alerts": []},
        {},
        {"alerts": ids, "until": 5},
        {"alerts": ["x"] * 2_501},
    ]
    for wrong in wrongs:
        assert (await site.send("POST", "/api/alerts/ack", wrong)).status_code == 422, wrong
    end = rfc3339(site.engine.clock.now() + 60)
    shelved = await site.send("POST", "/api/alerts/shelve", {"alerts": ids[:3], "until": end})
    assert [alert["suppression"] for alert in shelved.json()["changed"]] == ["shelved"] * 3
