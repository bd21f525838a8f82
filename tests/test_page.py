"""The page in a real Chromium against a real server: what a person sees and can do."""

import json
import time
from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.server import Server, wait_for


@pytest.fixture
def page(chromium: Browser, server: Server) -> Generator[Page]:
    """The overview of an empty server. Anything the browser complains about fails the test."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.goto(server.http + "/")
    expect(page.get_by_test_id("link-state")).to_have_text("live")
    yield page
    page.close()
    # Chromium reports each refused request by itself; the tests ask for those.
    assert [c for c in complaints if "Failed to load resource" not in c] == []


def publish(server: Server, device: str, **values: Any) -> None:
    with server.client(device) as client:
        client.publish(f"devices/{device}/telemetry", json.dumps(values), qos=1).wait_for_publish(
            10
        )


def add_rule(page: Page, server: Server, name: str, when: str) -> None:
    page.goto(server.http + "/rules")
    page.get_by_test_id("add-rule").click()
    page.locator("input[name=name]").fill(name)
    page.get_by_test_id("rule-when").fill(when)
    page.locator("label", has=page.locator("input[value=critical]")).click()
    page.get_by_test_id("save-rule").click()


def test_a_device_of_your_own_appears_with_a_chart(page: Page, server: Server):
    publish(server, "my-first", temp_c=21.5)
    tile = page.locator('[data-device="my-first"]')
    expect(tile.get_by_test_id("tile-value")).to_have_text("21.5")
    tile.click()
    chart = page.locator("unit-chart canvas").first
    expect(chart).to_be_visible()
    assert drawn(page) > 0, "the chart is empty"
    expect(page.get_by_test_id("latency")).to_contain_text("250 ms")


def test_charts_are_there_without_a_click_and_follow_what_rings(page: Page, server: Server):
    publish(server, "boiler-1", temp_c=61, pressure_bar=1.5)
    chosen, which = page.get_by_test_id("chosen-device"), page.get_by_test_id("chosen-name")
    expect(which).to_have_text("boiler-1")
    expect(chosen.get_by_test_id("chart-temp_c").locator("canvas")).to_be_visible()
    expect(chosen.get_by_test_id("chart-pressure_bar").locator("canvas")).to_be_visible()
    server.send("POST", "/api/rules", {"name": "hot", "when": "temp_c > 80"})
    publish(server, "boiler-2", temp_c=95)
    expect(which).to_have_text("boiler-2")
    expect(chosen.get_by_test_id("chart-temp_c").get_by_test_id("chart-value")).to_have_text("95")
    page.get_by_label("Device whose charts are shown").select_option("boiler-1")
    expect(which).to_have_text("boiler-1")
    assert page.url.endswith("?charts=boiler-1")


def test_a_device_whose_clock_is_wrong_catches_the_eye(page: Page, server: Server):
    publish(server, "right", ts=time.time(), temp_c=20)
    publish(server, "off", ts=time.time() - 4 * 3600, temp_c=20)
    tile = page.locator('[data-device="off"]')
    expect(tile.get_by_test_id("clock-wrong")).to_be_visible()
    expect(page.locator('[data-device="right"]')).to_be_visible()
    expect(page.locator('[data-device="right"]').get_by_test_id("clock-wrong")).to_have_count(0)
    tile.click()
    expect(page.get_by_test_id("clock-words")).to_contain_text("4 h behind")
    expect(page.get_by_test_id("clock")).to_contain_text("4 h behind")


def drawn(page: Page) -> int:
    """How many pixels of the first chart are not transparent."""
    count: int = page.locator("unit-chart canvas").first.evaluate(
        """canvas => canvas.getContext("2d")
             .getImageData(0, 0, canvas.width, canvas.height).data
             .filter((v, i) => i % 4 === 3 && v > 0).length"""
    )
    return count


def test_a_hazard_rings_is_acknowledged_with_a_note_and_clears(page: Page, server: Server):
    add_rule(page, server, "hot", "temp_c > 80")
    page.get_by_test_id("nav-overview").click()
    publish(server, "my-first", temp_c=95)
    worst = page.get_by_test_id("worst-alert")
    expect(worst).to_contain_text("my-first")
    expect(page.get_by_test_id("count-critical")).to_contain_text("1")
    expect(page.get_by_test_id("announcer")).to_contain_text("my-first")

    page.keyboard.press("a")
    expect(page.get_by_test_id("alert-note")).to_be_focused()
    page.keyboard.type("valve closed by hand")
    page.keyboard.press("Enter")
    [alert] = wait_for_alert(server, "acknowledged")
    assert alert["comments"][-1]["note"] == "valve closed by hand"
    assert alert["acknowledged_by"] == "local"

    publish(server, "my-first", temp_c=20)
    expect(page.get_by_test_id("count-critical")).to_contain_text("0")
    wait_for_alert(server, "cleared")
    page.get_by_test_id("nav-alerts").click()
    page.get_by_test_id("state-cleared").click()
    expect(page.get_by_test_id("alert-row")).to_contain_text("my-first")


def wait_for_alert(server: Server, state: str) -> list[Any]:
    """The alerts that are in `state`, as soon as there is one."""
    return wait_for(f"an alert is {state}", lambda: server.get("/api/alerts", state=state) or None)


def test_a_wrong_rule_says_where_and_why(page: Page, server: Server):
    add_rule(page, server, "wrong", "temp_c > agv(temp_c, '5m')")
    error = page.get_by_test_id("error-when")
    expect(error).to_contain_text("unknown function 'agv' at column 10; did you mean avg?")
    assert server.get("/api/rules") == []
    page.get_by_test_id("rule-when").fill("temp_c > avg(temp_c, '5m')")
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("rule-table")).to_contain_text("wrong")


def test_the_form_says_how_often_a_rule_would_have_rung(page: Page, server: Server):
    for temp_c in (20, 90, 20, 95, 70):
        publish(server, "boiler-1", temp_c=temp_c)
    page.goto(server.http + "/rules")
    page.get_by_test_id("add-rule").click()
    condition = page.get_by_test_id("rule-when")
    condition.press_sequentially("temp_c > 80")
    preview = page.get_by_test_id("preview")
    expect(preview).to_contain_text("would have rung twice on 1 of 1 device", timeout=20_000)
    expect(preview.locator("rect.ringing")).to_have_count(2)
    condition.fill("temp_c > 99")
    expect(preview).to_contain_text("would never have rung", timeout=20_000)
    condition.fill("temp_x > 99")
    slip = page.get_by_test_id("error-when")
    expect(slip).to_contain_text("unknown metric 'temp_x' at column 1; did you mean temp_c?")
    expect(page.get_by_test_id("preview-problem")).to_have_count(0)
    page.locator("input[name=clear]").fill("temp_c < agv(temp_c, '1m')")
    expect(page.get_by_test_id("error-clear").locator("pre b")).to_have_text(" " * 9 + "^")
    expect(page.get_by_test_id("error-clear")).to_contain_text("did you mean avg?")
    assert server.get("/api/rules") == []


def test_the_form_says_what_judging_a_rule_takes(page: Page, server: Server):
    server.send("POST", "/api/rules", {"name": "warm", "when": "avg(temp_c, '5m') > 60"})
    page.goto(server.http + "/rules/+new")
    explanation = page.get_by_test_id("explanation")
    expect(explanation).to_have_count(0)
    condition = page.get_by_test_id("rule-when")
    condition.press_sequentially("max(temp_c, '5m') > 80 or absent(temp_c, '60s')")
    expect(explanation).to_contain_text("each reading of the device, when temp_c is 1 min old")
    expect(explanation).to_contain_text("temp_c over 5 min for max, kept once with warm")
    condition.fill("max(temp_c, '10m') > 80")
    expect(explanation).to_contain_text("temp_c over 10 min for max, for this rule alone")
    page.goto(server.http + "/rules/warm")
    expect(explanation).to_contain_text("each reading of temp_c")


def test_a_click_writes_a_metric_as_the_rule_language_has_it(page: Page, server: Server):
    publish(server, "odd", **{"flow-rate": 7, "and": 1})
    page.goto(server.http + "/rules")
    page.get_by_test_id("add-rule").click()
    page.locator("input[name=name]").fill("odd")
    page.get_by_role("button", name="flow-rate", exact=True).click()
    condition = page.get_by_test_id("rule-when")
    expect(condition).to_have_value("`flow-rate`")
    condition.press_sequentially(" > 5 and ")
    page.get_by_role("button", name="and", exact=True).click()
    condition.press_sequentially(" == 1")
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("rule-table")).to_contain_text("`flow-rate` > 5 and `and` == 1")


def test_on_a_phone_nothing_shows_through_the_banner(page: Page, server: Server):
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto(server.http + "/rules/+new")
    page.get_by_test_id("save-rule").scroll_into_view_if_needed()
    filled = """() => {
        const { display, backgroundColor } = getComputedStyle(document.querySelector("page-banner"))
        return display === "block" && !backgroundColor.startsWith("rgba")
    }"""
    assert page.evaluate(filled)
    save, nav = (page.get_by_test_id(each).bounding_box() for each in ("save-rule", "nav-rules"))
    assert save
    assert nav
    assert save["y"] + save["height"] <= nav["y"], "the navigation lies over the button"


def test_by_keyboard_alone_an_alert_is_opened_and_left(page: Page, server: Server):
    add_rule(page, server, "hot", "temp_c > 80")
    publish(server, "my-first", temp_c=95)
    expect(page.get_by_test_id("worst-now")).to_contain_text("95")
    publish(server, "my-first", temp_c=97.5)
    expect(page.get_by_test_id("worst-now")).to_contain_text("97.5")
    row = page.get_by_test_id("alert-row")
    page.keyboard.type("ga")
    expect(row).to_be_visible()
    page.keyboard.type("j")
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("alert-detail")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("alert-detail")).to_have_count(0)
    expect(row).to_be_focused()

    page.keyboard.type("gr")
    page.get_by_test_id("add-rule").press("Enter")
    expect(page.locator("input[name=name]")).to_be_focused()
    page.keyboard.type("typed")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("input[name=name]")).to_have_value("typed")


def test_what_was_typed_stays_when_somebody_else_changes_the_rule(page: Page, server: Server):
    rule = {"name": "hot", "when": "temp_c > 80", "severity": "critical"}
    server.send("POST", "/api/rules", rule)
    page.goto(server.http + "/rules/hot")
    condition, notice = page.get_by_test_id("rule-when"), page.get_by_test_id("meanwhile")
    server.send("PUT", "/api/rules/hot", rule | {"when": "temp_c > 81"})
    expect(condition).to_have_value("temp_c > 81")  # nothing was typed: the form follows
    expect(notice).to_have_count(0)

    condition.fill("temp_c > 85")
    server.send("PUT", "/api/rules/hot", rule | {"when": "temp_c > 90", "on_delay": "30s"})
    expect(notice).to_contain_text("local changed this rule")
    expect(notice.locator("[data-key=when] ins")).to_have_text("90")
    expect(notice).to_contain_text("You changed rings when too")
    expect(condition).to_have_value("temp_c > 85")
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("rule-error")).to_contain_text("rule 'hot' is version 3 by local")

    page.get_by_test_id("meanwhile-keep").press("Enter")
    expect(notice).to_have_count(0)
    expect(page.locator("input[name=on_delay]")).to_have_value("30s")
    expect(condition).to_have_value("temp_c > 85")
    page.get_by_test_id("save-rule").press("Enter")
    expect(page.get_by_test_id("rule-table")).to_contain_text("temp_c > 85")
    assert server.get("/api/rules/hot")["on_delay"] == "30s"

    condition.fill("temp_c > 1")
    server.send("PUT", "/api/rules/hot", rule)
    page.get_by_test_id("meanwhile-drop").press("Enter")
    expect(condition).to_have_value("temp_c > 80")
    server.send("PUT", "/api/rules/hot", rule | {"when": "temp_c > 7"})
    expect(condition).to_have_value("temp_c > 7")


def test_what_was_typed_stays_when_somebody_else_deletes_the_rule(page: Page, server: Server):
    rule = {"name": "hot", "when": "temp_c > 80", "severity": "critical"}
    server.send("POST", "/api/rules", rule)
    page.goto(server.http + "/rules/hot")
    condition, notice = page.get_by_test_id("rule-when"), page.get_by_test_id("deleted-meanwhile")
    condition.fill("temp_c > 85")
    server.send("DELETE", "/api/rules/hot")
    expect(notice).to_contain_text("local deleted this rule")
    expect(condition).to_have_value("temp_c > 85")
    expect(condition).to_be_focused()
    page.locator("input[name=name]").fill("hot-again")
    page.get_by_test_id("save-rule").press("Enter")
    expect(page.get_by_test_id("rule-table")).to_contain_text("temp_c > 85")
    assert server.get("/api/rules/hot-again")["severity"] == "critical"

    page.goto(server.http + "/rules/hot-again")
    condition.fill("temp_c > 1")
    server.send("DELETE", "/api/rules/hot-again")
    page.get_by_test_id("deleted-drop").press("Enter")
    expect(page.get_by_test_id("was-deleted")).to_be_visible()
    expect(condition).to_have_value("temp_c > 85")


def test_the_search_finds_zones(page: Page, server: Server):
    circle = {"type": "Point", "coordinates": [16.37, 48.21]}
    zone = {"type": "Feature", "properties": {"radius_m": 80}, "geometry": circle}
    server.send("PUT", "/api/zones/yard", zone)
    page.keyboard.type("/yar")
    expect(page.get_by_role("option", name="yard zone")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(server.http + "/zones/yard")


def test_a_rule_is_changed_taken_back_deleted_and_brought_back(page: Page, server: Server):
    add_rule(page, server, "hot", "temp_c > 80")
    expect(page.get_by_test_id("rule-table")).to_contain_text("temp_c > 80")

    page.goto(server.http + "/rules/hot")
    page.get_by_test_id("rule-when").fill("temp_c > 90")
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("rule-table")).to_contain_text("temp_c > 90")
    [rule] = server.get("/api/rules")
    assert (rule["when"], rule["version"]) == ("temp_c > 90", 2)

    page.get_by_test_id("versions").locator("summary").click()
    newest, first = (page.get_by_test_id("version").nth(place) for place in (0, 1))
    expect(newest.locator("del")).to_have_text("80")
    expect(newest.locator("ins")).to_have_text("90")
    expect(newest).to_contain_text("version 2 by local · in force")
    page.get_by_test_id("rule-when").fill("temp_c > 1000")
    first.get_by_test_id("take-back").click()
    expect(page.get_by_test_id("taken")).to_contain_text("Version 1 is in the form")
    expect(page.get_by_test_id("rule-when")).to_have_value("temp_c > 80")
    assert server.get("/api/rules")[0]["version"] == 2, "not before it is saved"
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("version")).to_have_count(3)
    [rule] = server.get("/api/rules")
    assert (rule["when"], rule["version"]) == ("temp_c > 80", 3)

    page.goto(server.http + "/rules/hot")
    page.get_by_test_id("delete-rule").click()
    expect(page.get_by_test_id("delete-dialog")).to_be_visible()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("rule-row")).to_have_count(0)
    assert server.get("/api/rules") == []

    page.get_by_test_id("rule-changes").locator("summary").click()
    page.get_by_test_id("rule-changes").get_by_role("link", name="hot").first.click()
    expect(page.get_by_test_id("was-deleted")).to_contain_text("Deleted by local")
    page.get_by_test_id("save-rule").click()
    expect(page.get_by_test_id("rule-row")).to_contain_text("temp_c > 80")


def test_the_page_lives_through_a_restart_of_the_server(chromium: Browser, server: Server):
    publish(server, "my-first", temp_c=21.5)
    port = server.http.rpartition(":")[2]
    page = chromium.new_page()
    try:
        page.goto(server.http + "/")
        expect(page.locator('[data-device="my-first"]')).to_be_visible()
        server.kill()
        expect(page.get_by_test_id("strip-offline")).to_be_visible()
        server.http_port = port
        server.start()
        expect(page.get_by_test_id("link-state")).to_have_text("live", timeout=15_000)
        publish(server, "my-first", temp_c=22.5)
        value = page.locator('[data-device="my-first"]').get_by_test_id("tile-value")
        expect(value).to_have_text("22.5")
    finally:
        page.close()


def test_nothing_is_loaded_from_another_host_and_nothing_polls(page: Page, server: Server):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()
    for view in ("/", "/alerts", "/rules", "/zones", "/functions", "/topics", "/connect"):
        page.goto(server.http + view)
        expect(page.get_by_test_id("link-state")).to_have_text("live")
        page.wait_for_load_state("networkidle")
        assert all(url.startswith((server.http, "data:", "blob:")) for url in asked), asked
        asked.clear()
        # By the page's clock a minute goes by, in which only the stream opens again: it was silent.
        page.clock.run_for(60_000)
        expect(page.get_by_test_id("link-state")).to_have_text("live")
        assert [url for url in asked if "/api/stream" not in url] == [], f"{view} polls"
        asked.clear()


def test_a_storm_is_one_line_and_is_acknowledged_with_one_note(page: Page, server: Server):
    server.send("POST", "/api/rules", {"name": "flooded", "when": "level_mm > 5"})
    with server.client("gateway") as client:
        topics = [f"devices/drain-{number}/telemetry" for number in range(120)]
        sent = [client.publish(topic, '{"level_mm": 9}', qos=1) for topic in topics]
        sent[-1].wait_for_publish(10)
    page.keyboard.press("g")
    page.keyboard.press("a")
    storm, rows = page.get_by_test_id("storm"), page.get_by_test_id("alert-row")
    expect(storm).to_contain_text("120 alerts")
    expect(storm).to_contain_text("120 active")
    expect(rows).to_have_count(0)
    page.keyboard.press("j")
    expect(storm).to_be_focused()
    page.keyboard.press("Enter")
    expect(storm).to_have_attribute("aria-expanded", "true")
    expect(rows).to_have_count(120)
    page.keyboard.press("Enter")
    expect(rows).to_have_count(0)
    page.keyboard.press("a")
    expect(page.get_by_test_id("alert-note")).to_be_focused()
    page.keyboard.type("the pump stands still")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("notices")).to_contain_text("Acknowledged 120 alerts.")
    expect(storm).to_contain_text("120 acknowledged")
    alerts = server.get("/api/alerts", state="acknowledged")
    assert {alert["comments"][-1]["note"] for alert in alerts} == {"the pump stands still"}
    assert len(alerts) == 120


def test_what_happened_says_what_started_a_delay_and_what_was_seen_at_its_end(
    page: Page, server: Server
):
    rule = {"name": "slow", "when": "mass > 80", "devices": "slow-1", "on_delay": "1s"}
    assert server.send("POST", "/api/rules", rule).status_code == 201
    for mass in (90, 95.5):
        publish(server, "slow-1", mass=mass)
    [alert] = wait_for(
        "it rings", lambda: server.get("/api/alerts", rule="slow", state="active") or None
    )
    page.goto(server.http + f"/alerts/{alert['id']}")
    began, rang = (page.get_by_test_id("story").get_by_role("listitem").nth(n) for n in (0, 1))
    expect(began).to_contain_text("mass 90")
    expect(rang).to_contain_text("mass 95.5")
    expect(rang).to_contain_text("started by mass 90")
    server.send("DELETE", "/api/rules/slow")


def test_an_alert_of_a_group_is_on_the_pages_of_its_devices(page: Page, server: Server):
    rule = {"name": "many", "when": "count_devices(heat > 80) >= 2", "devices": "grp-*"}
    assert server.send("POST", "/api/rules", rule).status_code == 201
    publish(server, "grp-1", heat=95)
    publish(server, "grp-2", heat=95)
    publish(server, "lone-1", heat=95)
    [alert] = wait_for("it rings", lambda: server.get("/api/alerts", rule="many") or None)
    assert (alert["subject"], alert["device"]) == ("group:all", None)
    page.goto(server.http + "/devices/grp-1")
    its_alerts = page.get_by_test_id("latest-alerts")
    expect(its_alerts).to_contain_text("group:all")
    page.goto(server.http + "/devices/lone-1")
    expect(its_alerts).to_contain_text("None yet.")
    page.goto(server.http + f"/alerts/{alert['id']}")
    page.get_by_test_id("story").get_by_role("link", name="grp-2").click()
    expect(page.get_by_test_id("device-name")).to_have_text("grp-2")
    server.send("DELETE", "/api/rules/many")


def test_maintenance_is_planned_by_keyboard_and_ended(page: Page, server: Server):
    server.send("POST", "/api/rules", {"name": "hot", "when": "temp_c > 80"})
    publish(server, "boiler-1", temp_c=95)
    page.goto(server.http + "/alerts")
    row = page.get_by_test_id("alert-row")
    expect(row).to_contain_text("active")
    page.keyboard.press("j")
    expect(row).to_be_focused()
    page.keyboard.press("m")
    devices = page.get_by_test_id("maintenance-devices")
    expect(devices).to_be_focused()
    expect(devices).to_have_value("boiler-1")
    devices.fill("x" * 257)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("notices")).to_contain_text("is no pattern of device ids")
    devices.fill("boiler-*")
    page.get_by_test_id("maintenance-note").fill("new burner")
    page.keyboard.press("Enter")
    window = page.get_by_test_id("maintenance-window")
    expect(window).to_contain_text("new burner")
    expect(window).to_contain_text("ends in 59 min")
    expect(page.get_by_test_id("no-alerts")).to_be_visible()
    [alert] = server.get("/api/alerts")
    assert alert["suppression"] == "out_of_service"
    page.get_by_test_id("end-maintenance").click()
    expect(window).to_have_count(0)
    expect(row).to_contain_text("active")


def test_a_zone_is_pasted_mended_used_replaced_and_deleted(page: Page, server: Server):
    publish(server, "truck", lat=48.2085, lon=16.3728)
    page.keyboard.type("gz")
    page.get_by_test_id("add-zone").press("Enter")
    pasted, error = page.get_by_test_id("zone-geojson"), page.get_by_test_id("zone-error")
    ring = [[16.372, 48.208], [16.374, 48.208], [16.374, 248.209], [16.372, 48.208]]
    feature: dict[str, Any] = {
        "type": "Feature",
        "properties": {"name": "yard"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    pasted.fill(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    expect(page.locator("input[name=name]")).to_have_value("yard")
    page.get_by_test_id("save-zone").click()
    expect(error).to_contain_text("latitude 248.209 is no such; expected -90 to 90")
    expect(error.locator("pre b")).to_have_text("[16.374, 248.209]")
    selected = "f => f.value.slice(f.selectionStart, f.selectionEnd)"
    assert pasted.evaluate(selected) == "[16.374, 248.209]"
    page.keyboard.insert_text("[16.374, 48.209]")
    page.get_by_test_id("save-zone").click()
    expect(page.get_by_test_id("zone-row")).to_contain_text("polygon of 3 corners")
    expect(page.get_by_test_id("zone-plan").locator(".dot")).to_have_count(1)
    [zone] = server.get("/api/zones")
    assert zone["name"] == "yard"

    server.send("POST", "/api/rules", {"name": "in-yard", "when": "inside('yard')"})
    expect(page.get_by_test_id("zone-rules")).to_contain_text("Used by in-yard")
    page.get_by_test_id("delete-zone").click()
    dialog = page.get_by_test_id("delete-dialog")
    expect(dialog).to_contain_text("cannot be deleted while rules ask for it: in-yard")
    expect(dialog.get_by_test_id("delete-confirm")).to_have_count(0)
    page.keyboard.press("Escape")

    point = {"type": "Point", "coordinates": [16.3728, 48.2085]}
    pasted.fill(json.dumps({"type": "Feature", "properties": {"radius_m": 80}, "geometry": point}))
    page.get_by_test_id("save-zone").click()
    expect(page.get_by_test_id("zone-row")).to_contain_text("circle of 80 m")
    wait_for_alert(server, "active")

    server.send("DELETE", "/api/rules/in-yard")
    expect(page.get_by_test_id("zone-rules")).to_contain_text("No rule asks for it")
    page.get_by_test_id("delete-zone").click()
    page.get_by_test_id("delete-confirm").click()
    expect(page.get_by_test_id("zone-row")).to_have_count(0)
    assert server.get("/api/zones") == []
