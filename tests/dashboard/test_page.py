"""The page's files, its addresses, and what is said while there are none."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.dashboard.raw import Request, send
from tests.dashboard.site import Site, running_site
from tocsin.dashboard.page import LONE_VIEWS, VIEWS

FILES = {
    "index.html": "<!doctype html><title>Tocsin</title>",
    "assets/main-4f3a.js": "export {}",
    "swagger/index.html": "<!doctype html><title>Tocsin API</title>",
    "swagger/init.js": "SwaggerUIBundle()",
    "favicon.svg": "<svg/>",
}


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Site]:
    """A site whose page is built."""
    static = tmp_path / "static"
    for name, content in FILES.items():
        (static / name).parent.mkdir(parents=True, exist_ok=True)
        (static / name).write_text(content)
    async with running_site(tmp_path / "data", static=static) as site:
        yield site


async def test_addresses_of_the_page_get_its_index(built: Site):
    for path in ("/", "/alerts", "/devices/boiler-7", "/devices/a/b", "/rules/a%20b", "/functions"):
        answer = await built.client.get(path, headers={"accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, answer.text) == (200, FILES["index.html"]), path
        assert answer.headers["cache-control"] == "no-cache"


async def test_assets_are_kept_for_ever_and_the_rest_is_asked_for_again(built: Site):
    answer = await built.client.get("/assets/main-4f3a.js")
    assert answer.text == FILES["assets/main-4f3a.js"]
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")
    icon = await built.client.get("/favicon.svg")
    assert icon.headers["cache-control"] == "no-cache"
    again = await built.client.get("/favicon.svg", headers={"if-none-match": icon.headers["etag"]})
    assert again.status_code == 304


async def test_docs_are_our_own_copy(built: Site):
    answer = await built.client.get("/docs")
    assert answer.text == FILES["swagger/index.html"]


async def test_what_is_missing_is_missing(built: Site):
    for path in ("/assets/gone-1.js", "/api/nothing", "/swagger/x.js"):
        answer = await built.client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 404, path


async def test_nothing_outside_the_folder_is_served(built: Site):
    secret = built.database.path.relative_to(built.database.path.parent.parent)
    for path in (f"/../{secret}", f"/%2e%2e/{secret}", f"/assets/../../{secret}", f"//{secret}"):
        status, _, body = await send(built, Request(path=path))
        assert status == 404 or body.endswith(FILES["index.html"].encode()), path


async def test_an_address_that_is_none_gets_the_page_that_says_so_with_a_404(built: Site):
    for path in ("/wp-admin", "/index.php", "/topics/x", "/Devices", "/devicesx/a", "/.env"):
        answer = await built.client.get(path, headers={"accept": "text/html,*/*;q=0.8"})
        assert (answer.status_code, answer.text) == (404, FILES["index.html"]), path


def test_the_server_knows_the_views_of_the_page():
    routes = (Path(__file__).parents[2] / "dashboard/web/src/shell/route.ts").read_text()
    assert set(re.findall(r'head === "(\w*)"\)', routes)) == set(VIEWS)
    assert set(re.findall(r'head === "(\w*)" && !tail', routes)) == set(LONE_VIEWS)


async def test_a_missing_picture_is_no_page(built: Site):
    answer = await built.client.get("/logo.png", headers={"accept": "image/png,image/*"})
    assert answer.status_code == 404


async def test_without_a_page_it_says_how_to_build_one(site: Site):
    answer = await site.client.get("/")
    assert answer.status_code == 503
    assert "scripts/install" in answer.text
    assert (await site.client.get("/healthz")).status_code == 200
