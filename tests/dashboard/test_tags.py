"""PUT /api/devices/{id}/tags over real HTTP."""

from tests.dashboard.site import Site

RULE = {"name": "hot", "when": "t > 5", "tags": {"site": "north"}}


async def test_a_device_is_tagged_and_rules_select_by_it(site: Site):
    assert (await site.send("PUT", "/api/devices/d/tags", {"site": "x"})).status_code == 404
    assert (await site.send("POST", "/api/rules", RULE)).json()["tags"] == {"site": "north"}
    await site.publish("d", {"t": 9})
    assert (await site.get("/api/devices/d"))["tags"] == {}
    assert await site.get("/api/alerts") == []
    given = await site.send("PUT", "/api/devices/d/tags", {"site": "north", "line": "2"})
    assert (given.status_code, given.json()["tags"]) == (200, {"site": "north", "line": "2"})
    await site.publish("d", {"t": 8})
    assert [alert["state"] for alert in await site.get("/api/alerts")] == ["active"]
    assert (await site.send("PUT", "/api/devices/d/tags", {})).json()["tags"] == {}
    assert [alert["state"] for alert in await site.get("/api/alerts")] == ["cleared"]


async def test_what_is_wrong_with_tags_is_said(site: Site):
    await site.publish("d", {"t": 9})
    for body, said in (
        ({"a b": "x"}, "'a b' is no name of a tag"),
        ({"site": "a/b"}, "tag site is 'a/b'; expected 1 to 128 printable characters"),
        ({"site": 3}, "str"),
        ({f"t{n}": "x" for n in range(33)}, "has 33 tags; expected at most 32"),
    ):
        refused = await site.send("PUT", "/api/devices/d/tags", body)
        assert refused.status_code == 422
        assert said in str(refused.json()), body
