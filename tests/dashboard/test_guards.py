"""Each attack, sent over a real socket, and what it gets."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.dashboard.raw import Request, exchange, send
from tests.dashboard.site import HOT, Site, running_site, with_settings

RULE = json.dumps({"name": "hot", "when": "temp_c > 80"}).encode()
JSON = {"Content-Type": "application/json"}
JSON_IN_UTF_8 = {"Content-Type": "application/json; charset=utf-8"}
FOLLOWS_LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
EMBEDDED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}


def post(**headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", "/api/rules", headers={**JSON, **named}, body=RULE)


ATTACKS: dict[str, tuple[Request, int]] = {
    "DNS rebinding": (Request(host="evil.example:8000"), 421),
    "DNS rebinding to the page": (Request(path="/", host="evil.example"), 421),
    "a name that ends like ours": (Request(host="localhost.evil.example"), 421),
    "a name that begins like ours": (Request(host="127.0.0.1.evil.example"), 421),
    "another address of this machine": (Request(host="127.0.0.2:8000"), 421),
    "no host": (Request(host=""), 421),
    "two hosts": (Request(headers={"host": "localhost"}), 400),
    "cross-site post with JSON": (post(Origin="https://evil.example"), 403),
    "another port of this machine": (post(Origin="http://127.0.0.1:9"), 403),
    "origin of a sandboxed frame": (post(Origin="null"), 403),
    "post that the browser says is cross-site": (post(Sec_Fetch_Site="cross-site"), 403),
    "post from a sister site": (post(Sec_Fetch_Site="same-site"), 403),
    "post that follows a link": (post(**FOLLOWS_LINK), 403),
    "a stream opened by another site": (Request(path="/api/stream", headers=EMBEDDED), 403),
    "form post": (post(Content_Type="application/x-www-form-urlencoded"), 415),
    "form post that looks like JSON": (post(Content_Type="text/plain;application/json"), 415),
    "post without a content type": (Request("POST", "/api/rules", body=RULE), 415),
    "delete with a body of another type": (
        Request("DELETE", "/api/rules/hot", headers={"Content-Type": "text/plain"}, body=b"{}"),
        415,
    ),
    "delete with a body of no type": (Request("DELETE", "/api/rules/hot", body=b"{}"), 415),
    "delete with a body in chunks": (
        Request("DELETE", "/api/rules/hot", headers={"Transfer-Encoding": "chunked"}),
        415,
    ),
    "delete by another site": (
        Request("DELETE", "/api/rules/hot", headers={"Origin": "https://evil.example"}),
        403,
    ),
    "delete that the browser says is cross-site": (
        Request("DELETE", "/api/rules/hot", headers={"Sec-Fetch-Site": "cross-site"}),
        403,
    ),
    "unknown method": (Request("FROB", "/api/rules"), 400),
    "proxied stranger": (Request(headers={"X-Forwarded-For": "203.0.113.9"}), 401),
    "proxied stranger, RFC 7239": (Request(headers={"Forwarded": "for=203.0.113.9"}), 401),
    "proxied post": (post(X_Forwarded_Host="tocsin.example"), 401),
    "metrics through a proxy": (Request(path="/metrics", headers={"X-Real-IP": "1.2.3.4"}), 401),
    "invented session": (
        Request(headers={"X-Forwarded-For": "203.0.113.9", "Cookie": "tocsin_session=AAAA"}),
        401,
    ),
}  # fmt: skip


async def test_every_attack_is_refused_and_changes_nothing(site: Site):
    await site.engine.put_rule(HOT, "test")
    got: dict[str, int] = {}
    for name, (request, _) in ATTACKS.items():
        got[name], _, _ = await send(site, request)
    assert got == {name: status for name, (_, status) in ATTACKS.items()}
    assert [entry.rule for entry in site.engine.pipeline.rules.entries()] == [HOT]


GOOD: dict[str, tuple[Request, int]] = {
    "by address": (Request(), 200),
    "by name": (Request(host="localhost:8000"), 200),
    "by IPv6 address": (Request(host="[::1]:8000"), 200),
    "name in capitals": (Request(host="LocalHost"), 200),
    "curl": (post(), 201),
    "typed into the address bar": (Request(headers={"Sec-Fetch-Site": "none"}), 200),
    "a link from a wiki": (Request(path="/healthz", headers=FOLLOWS_LINK), 200),
    "content type with a charset": (
        Request("PUT", "/api/rules/hot", headers=JSON_IN_UTF_8, body=RULE),
        200,
    ),
    "health through a proxy": (
        Request(path="/healthz", headers={"X-Forwarded-For": "203.0.113.9"}),
        200,
    ),
}  # fmt: skip


async def test_what_people_do_passes(site: Site):
    got: dict[str, int] = {}
    for name, (request, _) in GOOD.items():
        got[name], _, _ = await send(site, request)
    assert got == {name: status for name, (_, status) in GOOD.items()}


async def test_a_delete_without_a_body_needs_no_content_type(site: Site):
    await site.engine.put_rule(HOT, "test")
    assert (await send(site, Request("DELETE", "/api/rules/hot")))[0] == 204
    empty = Request("DELETE", "/api/rules/hot", headers={"Content-Length": "0"})
    assert (await send(site, empty))[0] == 404


async def test_our_own_page_passes(site: Site):
    request = post(Origin=site.url, Sec_Fetch_Site="same-origin")
    assert (await send(site, request))[0] == 201


async def test_a_body_over_the_bound_is_refused_before_it_is_read(site: Site):
    head = b"POST /api/rules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    status, headers, _ = await exchange(site, head + b"Content-Length: 9999999999\r\n\r\n")
    assert (status, headers["connection"]) == (413, "close")


async def test_a_chunked_body_over_the_bound_is_refused_as_it_comes(site: Site):
    head = b"POST /api/rules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk
    assert (await exchange(site, sent))[0] == 413


async def test_a_body_that_never_comes_is_given_up(tmp_path: Path):
    async with running_site(tmp_path, with_settings(body_timeout_s=0.2)) as site:
        head = b"POST /api/rules HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        status, _, _ = await exchange(site, head + b"Content-Length: 100\r\n\r\n{")
        assert status == 408


async def test_endless_headers_are_cut_off(site: Site):
    sent = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: %b\r\n" % (b"a" * 1000) * 200
    status, _, _ = await exchange(site, sent)
    assert status == 400
    assert await site.get("/healthz")


async def test_a_connection_that_brings_no_request_is_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tocsin.dashboard.connection.HEAD_TIMEOUT_S", 0.1)
    reader, writer = await asyncio.open_connection(site.address.host, site.address.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: loc")
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_every_answer_carries_the_security_headers(site: Site):
    paths = ("/api/devices", "/", "/x", "/api/x")
    for request in (Request(host="evil.example"), *(Request(path=path) for path in paths)):
        _, headers, _ = await send(site, request)
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers


async def test_refusals_say_what_was_expected(site: Site):
    _, _, body = await send(site, Request(host="evil.example"))
    assert json.loads(body)["detail"].startswith("host 'evil.example' is not served here; expected")


async def test_a_configured_host_is_served(tmp_path: Path):
    settings = with_settings(hosts=("tocsin.plant.example",))
    async with running_site(tmp_path, settings) as site:
        status, _, _ = await send(site, Request(host="tocsin.plant.example:8000"))
        assert status == 200


async def test_beyond_loopback_everybody_logs_in(tmp_path: Path):
    async with running_site(tmp_path, loopback=False) as site:
        for path in ("/api/devices", "/api/stream", "/api/broker", "/metrics"):
            assert (await send(site, Request(path=path)))[0] == 401, path
        for path in ("/healthz", "/api/me", "/openapi.json"):
            assert (await send(site, Request(path=path)))[0] == 200, path
