"""The stream as browsers see it, over real sockets."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard.site import HOT, Site, running_site, with_settings


def values(frames: list[Any], device: str, metric: str) -> list[list[Any]]:
    """Rows of one series over all frames: time, value, min, max, count; of several also mean."""
    rows = [row for frame in frames for row in frame["readings"]]
    return [row[2:] for row in rows if row[:2] == [device, metric]]


def has(device: str) -> Callable[[Any], bool]:
    """A `devices` event with this device."""
    return lambda event: any(each["id"] == device for each in event["devices"])


def shows(device: str) -> Callable[[Any], bool]:
    """A frame with readings of this device."""
    return lambda frame: any(row[0] == device for row in frame["readings"])


async def test_a_new_viewer_is_told_the_whole_state(site: Site):
    await site.engine.put_rule(HOT, "ann")
    await site.publish("boiler-1", {"temp_c": 95.0, "on": True, "mode": "auto"})
    async with site.watch() as page:
        await page.opened()
        kinds = [kind for kind, _ in page.events]
        assert kinds[:5] == ["hello", "devices", "rules", "alert", "status"]
    hello, devices, rules, alert, status = (content for _, content in page.events[:5])
    assert hello["reset"] is True
    assert (hello["version"], hello["mqtt"]) == ("1.2.3", {"host": "127.0.0.1", "port": 1883})
    assert devices["complete"] is True
    [device] = devices["devices"]
    assert {name: m["value"] for name, m in device["metrics"].items()} == {
        "temp_c": 95.0,
        "on": True,
        "mode": "auto",
    }
    assert [(r["name"], r["source"], r["updated_by"]) for r in rules["rules"]] == [
        ("hot", "api", "ann")
    ]
    assert (alert["rule"], alert["subject"], alert["state"]) == ("hot", "boiler-1", "active")
    assert (status["devices"], status["readings_total"], status["viewers"]) == (1, 3, 1)


async def test_a_large_fleet_comes_in_chunks(site: Site):
    for number in range(450):
        await site.publish(f"d{number}", {"v": 1.0})
    async with site.watch() as page:
        await page.opened()
        chunks = page.all("devices")[:3]
        assert [len(chunk["devices"]) for chunk in chunks] == [200, 200, 50]
        assert [chunk["complete"] for chunk in chunks] == [False, False, True]


async def test_a_spike_of_one_sample_is_in_the_frame(site: Site):
    await site.publish("boiler-1", {"temp_c": 20.0})
    async with site.watch() as page:
        await page.opened()
        now = site.engine.clock.now()
        await site.publish(
            "boiler-1",
            *({"ts": now + t / 1000, "temp_c": 97.5 if t == 3 else 20.0 + t} for t in range(8)),
        )
        await page.first("readings", shows("boiler-1"))
        [[at, value, low, high, count, mean]] = values(page.all("readings"), "boiler-1", "temp_c")
    assert (value, low, high, count) == (27.0, 20.0, 97.5, 8)
    assert mean == pytest.approx((20 + 21 + 22 + 97.5 + 24 + 25 + 26 + 27) / 8)
    assert at == pytest.approx((now + 0.007) * 1000, abs=1.5)


async def test_readings_of_one_frame_are_one_event(site: Site):
    await site.publish("a", {"v": 1.0})
    async with site.watch() as page:
        await page.opened()
        for number in range(5):
            await site.publish("a", {"v": float(number)})
        frame = await page.first("readings", shows("a"))
        seen = len(page.all("readings"))
        assert sum(row[4] for row in values(page.all("readings"), "a", "v")) <= 5
        assert seen <= 2
        assert 0 <= frame["at"] - frame["received_at"] < 1000


async def test_booleans_and_texts_are_themselves(site: Site):
    await site.publish("door", {"open": False, "mode": "auto"})
    async with site.watch() as page:
        await page.opened()
        await site.publish("door", {"open": True, "mode": "manual"}, {"open": False, "mode": "off"})
        await page.first("readings", shows("door"))
        [[_, *opened]] = values(page.all("readings"), "door", "open")
        [[_, *mode]] = values(page.all("readings"), "door", "mode")
    assert opened == [False, False, True, 2, 0.5]
    assert mode == ["off", None, None, 2]


async def test_a_new_device_and_a_new_metric_come_at_once(site: Site):
    async with site.watch() as page:
        await page.opened()
        await site.publish("my-first", {"temp_c": 21.5})
        event = await page.first("devices", has("my-first"))
        assert event["devices"][0]["metrics"]["temp_c"]["value"] == 21.5
        await site.publish("my-first", {"humidity": 40.0})
        await page.first(
            "devices", lambda e: has("my-first")(e) and "humidity" in e["devices"][0]["metrics"]
        )


async def test_counters_follow_also_when_a_message_is_refused(tmp_path: Path):
    async with running_site(tmp_path, with_settings(device_refresh_s=0.1)) as site:
        await site.publish("a", {"v": 1.0})
        async with site.watch() as page:
            await page.opened()
            await site.publish("a", {"v": {"deep": [[[[]]]]}}, {"v": "text now"})
            event = await page.first(
                "devices", lambda e: has("a")(e) and e["devices"][0]["rejected_total"] > 0
            )
            assert event["devices"][0]["last_rejected"]["topic"] == "devices/a/telemetry"


async def test_the_counters_of_a_large_fleet_follow_over_several_frames(tmp_path: Path):
    # 100 devices a frame, ten frames a second; with the once-a-second status it would take 3 s.
    async with running_site(tmp_path, with_settings(device_refresh_s=0.1)) as site:
        names = [f"d{number}" for number in range(350)]
        await site.publish_all(names, {"v": 1.0})
        async with site.watch() as page:
            await page.opened()
            await site.publish_all(names, {"v": 2.0})

            def told() -> set[str]:
                devices = [d for event in page.all("devices") for d in event["devices"]]
                return {d["id"] for d in devices if d["messages_total"] == 2}

            await until(lambda: told() == set(names))
            assert len(page.all("status")) <= 3


async def test_an_alert_is_told_at_once_and_whole(site: Site):
    await site.engine.put_rule(HOT, "ann")
    async with site.watch() as page:
        await page.opened()
        began = time.monotonic()
        await site.publish("boiler-1", {"temp_c": 95.0})
        alert = await page.first("alert")
        assert time.monotonic() - began < 1.0
        assert alert["message"] == "boiler-1 at 95"
        assert alert["raised_at"].endswith("Z")
        await site.send("POST", f"/api/alerts/{alert['id']}/ack", {"note": "seen"})
        acknowledged = await page.first("alert", lambda a: a["state"] == "acknowledged")
        assert acknowledged["revision"] > alert["revision"]
        assert acknowledged["comments"][-1]["note"] == "seen"


async def test_a_changed_rule_set_is_told_whole(site: Site):
    async with site.watch() as page:
        await page.opened()
        await site.engine.put_rule(HOT, "ann")
        await page.first("rules", lambda e: [r["name"] for r in e["rules"]] == ["hot"])
        await site.engine.delete_rule("hot", "ann")
        await page.first("rules", lambda e: e["rules"] == [], after=len(page.events) - 1)


async def test_a_viewer_that_comes_back_misses_no_alert(site: Site):
    await site.engine.put_rule(HOT, "ann")
    async with site.watch() as page:
        await page.opened()
        await site.publish("d0", {"temp_c": 95.0})
        await page.first("alert", lambda a: a["subject"] == "d0")
        last_id = page.last_id
    for number in range(1, 6):
        await site.publish(f"d{number}", {"temp_c": 95.0})
    async with site.watch(last_event_id=last_id) as page:
        await page.opened()
        assert page.all("hello")[0]["reset"] is False
        await site.publish("d6", {"temp_c": 95.0})
        await page.first("alert", lambda a: a["subject"] == "d6")
        subjects = [a["subject"] for a in page.all("alert") if a["state"] == "active"]
        assert subjects == ["d1", "d2", "d3", "d4", "d5", "d6"]
        numbers = {p["device"] for p in page.all("presence")}
        assert {"d1", "d5", "d6"} <= numbers
    assert site.hub.stats().resumed_total == 1


async def test_the_query_resumes_as_the_header_does(site: Site):
    async with site.watch() as page:
        await page.opened()
    async with site.client.sse(f"/api/stream?last_event_id={page.last_id}") as source:
        async for event in source:
            assert json.loads(event.data)["reset"] is False
            break


async def test_an_id_of_another_run_starts_afresh(tmp_path: Path):
    async with running_site(tmp_path) as site, site.watch() as page:
        await page.opened()
        last_id = page.last_id
    async with running_site(tmp_path) as site, site.watch(last_event_id=last_id) as page:
        await page.opened()
        assert page.all("hello")[0]["reset"] is True


async def test_more_missed_than_is_kept_starts_afresh(tmp_path: Path):
    async with running_site(tmp_path, with_settings(resume_events=2)) as site:
        await site.engine.put_rule(HOT, "ann")
        async with site.watch() as page:
            await page.opened()
        for number in range(3):
            await site.publish(f"d{number}", {"temp_c": 95.0})
        async with site.watch(last_event_id=page.last_id) as again:
            await again.opened()
            assert again.all("hello")[0]["reset"] is True
            assert len(again.all("alert")) == 3


async def test_whoever_breaks_off_within_the_state_has_no_id_to_resume_from(site: Site):
    await site.publish("d0", {"v": 1.0})
    async with site.client.sse("/api/stream") as source:
        ids: dict[str, str] = {}
        async for event in source:
            ids[event.event] = event.id
            if event.event == "status":
                break
    assert ids["hello"] == ids["devices"] == ids["rules"] == ""
    assert ids["status"].count(".") == 1


async def test_a_view_narrows_readings_but_not_alerts(site: Site):
    await site.engine.put_rule(HOT, "ann")
    for device in ("a", "b"):
        await site.publish(device, {"temp_c": 20.0})
    async with site.watch() as everything, site.watch() as one:
        await everything.opened()
        await one.opened()
        stream = one.all("hello")[0]["stream"]
        path = f"/api/stream/{stream}/view"
        assert (await site.send("PUT", path, {"devices": ["b", "not yet"]})).status_code == 204
        await site.publish("a", {"temp_c": 95.0})
        await site.publish("b", {"temp_c": 21.0})
        await one.first("readings", shows("b"))
        await one.first("alert", lambda a: a["subject"] == "a")
        await everything.first("readings", shows("a"))
        assert values(one.all("readings"), "a", "temp_c") == []

        await site.publish("not yet", {"temp_c": 1.0})
        await one.first("readings", shows("not yet"))
        assert (await site.send("PUT", path, {"devices": "*"})).status_code == 204
        await site.publish("a", {"temp_c": 22.0})
        await one.first("readings", shows("a"))


async def test_wrong_views_are_refused(site: Site):
    assert (await site.send("PUT", "/api/stream/none/view", {"devices": "*"})).status_code == 404
    async with site.watch() as page:
        stream = (await page.first("hello"))["stream"]
        wrong: list[Any] = [{"devices": "all"}, {"devices": [1]}, {"device": []}, []]
        for body in wrong:
            answer = await site.send("PUT", f"/api/stream/{stream}/view", body)
            assert answer.status_code == 422, body


def stuck_viewer(site: Site) -> socket.socket:
    """A browser that asks for the stream and then takes nothing."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect((site.address.host, site.address.port))
    stuck.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return stuck


async def until(look: Any, within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not look():  # noqa: ASYNC110  (figures the hub counts, which tell nobody)
            await asyncio.sleep(0.01)


async def test_a_viewer_that_takes_nothing_is_cut_and_the_others_notice_nothing(tmp_path: Path):
    settings = with_settings(viewer_queue_bytes=200_000, frame_ms=10)
    async with running_site(tmp_path, settings, send_buffer_bytes=16_384) as site:
        metrics = {f"m{number:03}": float(number) for number in range(250)}
        await site.publish("a", metrics)
        stuck = stuck_viewer(site)
        async with site.watch() as page:
            await page.opened()
            await until(lambda: site.hub.stats().viewers == 2)
            sent = 1
            while not site.hub.stats().overrun_total:
                sent += 1
                await site.publish("a", {**metrics, "m000": float(sent)})
                assert sent < 1000
            await until(lambda: site.hub.stats().viewers == 1)
            stats = site.hub.stats()
            assert stats.overrun_total == 1
            assert stats.undelivered_total > 0
            await site.publish("a", {**metrics, "m000": -1.0})
            await page.first("readings", lambda f: any(row[3] == -1.0 for row in f["readings"]))
            got = sum(row[4] for row in values(page.all("readings"), "a", "m000"))
            assert got == sent
        stuck.close()


async def test_a_viewer_that_is_stuck_for_long_is_cut_without_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    settings = with_settings(send_timeout_s=0.2)
    async with running_site(tmp_path, settings, send_buffer_bytes=16_384) as site:
        # More state than the buffers between us hold, so that its opening never ends.
        metrics = {f"m{number:03}": float(number) for number in range(250)}
        for number in range(10):
            await site.publish(f"device-{number}", metrics)
        stuck = stuck_viewer(site)
        await until(lambda: site.hub.stats().opened_total == 1)
        await until(lambda: site.hub.stats().viewers == 0)
        stuck.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_too_many_viewers_are_refused(tmp_path: Path):
    async with running_site(tmp_path, with_settings(viewers=1)) as site, site.watch() as page:
        await page.opened()
        answer = await site.client.get("/api/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_stopping_says_farewell_and_ends_at_once(tmp_path: Path):
    async with running_site(tmp_path) as site:
        stuck = stuck_viewer(site)
        async with site.watch() as page:
            await page.opened()
            await until(lambda: site.hub.stats().viewers == 2)
            site.hub.close()
            await page.end()
            assert page.all("status")[-1]["stopping"] is True
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 3.0
    stuck.close()


async def test_without_viewers_no_timer_runs(site: Site):
    await site.publish("a", {"v": 1.0})
    assert not site.hub.busy
    async with site.watch() as page:
        await page.opened()
        assert site.hub.busy
    await until(lambda: site.hub.stats().viewers == 0)
    await until(lambda: not site.hub.busy)


async def test_readings_nobody_waited_for_are_not_shown_later(tmp_path: Path):
    async with running_site(tmp_path, with_settings(frame_ms=200)) as site:
        await site.publish("a", {"v": 1.0})
        async with site.watch() as page:
            await page.opened()
            await site.publish("a", {"v": 2.0})
        await until(lambda: not site.hub.busy)
        async with site.watch() as page:
            await page.opened()
            await site.publish("b", {"v": 3.0})
            await page.first("readings", shows("b"))
            assert values(page.all("readings"), "a", "v") == []


async def test_latency_counts_every_reading_written_to_a_viewer(site: Site):
    await site.publish("a", {"v": 1.0})
    async with site.watch() as page:
        await page.opened()
        for number in range(20):
            await site.publish("a", {"v": float(number), "w": 1.0})
        await until(lambda: site.hub.latency.count == 40)
        status = await page.first("status", lambda s: s["latency"]["count"] == 40)
        latency = status["latency"]
        assert latency["under_250ms"] <= 40
        assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["max_ms"] * 1.05


async def test_a_head_request_opens_no_stream(site: Site):
    assert (await site.client.head("/api/stream")).status_code == 405
    assert site.hub.stats().opened_total == 0
