"""A webhook against a receiver that hangs, errs, resets and is slow."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.ingest.delivery.receiver import Receiver, receiving
from tests.ingest.delivery.test_backlog import an_alert
from tocsin.deliveries import encode
from tocsin.ingest.delivery.channel import Channel
from tocsin.ingest.delivery.receipt import Answer, Delivery, Parcel, Receipt
from tocsin.ingest.delivery.webhook import Webhook

SECRET = "0123456789abcdef-not-a-secret"
AT = 1_700_000_000.7
DELIVERY = Delivery("ops", an_alert("a", 3), AT, AT, AT)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def attempt(receiver: Receiver, channel: Channel | None = None) -> Answer:
    channel = channel or Channel("ops", url=receiver.url)
    webhook = Webhook(channel, partial(encode, channel), lambda: AT, "1.2.3")
    try:
        return await webhook.send(Parcel((DELIVERY,)))
    finally:
        await webhook.close()


async def test_a_request_is_signed_and_names_its_transition(receiver: Receiver, tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    answer = await attempt(receiver, Channel("ops", url=receiver.url, secret_file=file))
    assert answer == Answer(state=Receipt.CONFIRMED)
    [request] = receiver.requests
    assert request.key == request.headers["webhook-id"] == "a-3"
    assert request.headers["content-type"] == "application/json"
    signed = f"a-3.{int(AT)}.".encode() + request.body
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    assert request.headers["webhook-timestamp"] == str(int(AT))
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    body = json.loads(request.body)
    assert (body["type"], body["key"]) == ("alert", "a-3")
    assert (body["alert"]["id"], body["alert"]["revision"]) == ("a", 3)


async def test_without_a_secret_nothing_is_signed(receiver: Receiver):
    assert (await attempt(receiver)).error is None
    assert "webhook-signature" not in receiver.requests[0].headers


@pytest.mark.parametrize(
    ("does", "error", "again"),
    [
        (200, None, True),
        (302, "answered 302; redirects are not followed", True),
        (401, "answered 401", True),
        (422, "answered 422", False),
        (429, "answered 429", True),
        (500, "answered 500", True),
        ("reset", "no whole HTTP answer came", True),
        ("garbage", "no whole HTTP answer came", True),
    ],
)
async def test_what_the_receiver_does_is_what_is_said(
    does: int | str, error: str | None, again: bool, receiver: Receiver
):
    receiver.behave = lambda _: does
    answer = await attempt(receiver)
    assert (answer.error, answer.again) == (error, again)


async def test_a_receiver_that_hangs_costs_one_timeout(receiver: Receiver):
    receiver.behave = lambda _: "hang"
    answer = await attempt(receiver, Channel("ops", url=receiver.url, timeout_s=0.1))
    assert answer.error in ("no answer within 0.1 s", "timed out")


async def test_an_answer_that_never_ends_is_not_read(receiver: Receiver):
    receiver.behave = lambda _: "trickle"
    async with asyncio.timeout(5):
        assert (await attempt(receiver)).error is None


async def test_a_receiver_may_ask_for_time(receiver: Receiver):
    receiver.behave = lambda _: 503
    receiver.headers = "retry-after: 120\r\n"
    assert (await attempt(receiver)).after_s == 120.0
    receiver.headers = "retry-after: 99999999\r\n"
    assert (await attempt(receiver)).after_s == 3600.0


async def test_nobody_there(receiver: Receiver):
    gone = receiver.url.replace("/hook", "").rsplit(":", 1)[0] + ":1/hook"
    answer = await attempt(receiver, Channel("ops", url=gone))
    assert answer == Answer("cannot connect")
    assert "hook" not in str(answer), "a path may be a secret"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"url": ""}, "url of ops is none; expected http"),
        ({"url": "ftp://x/"}, "url of ops is none"),
        ({"url": "http://u:p@x/"}, "holds a password; expected it in secret_file"),
        ({"backlog": 4}, "backlog of ops is 4; expected more than 4, its concurrency"),
        ({"kind": "mqtt"}, "ops has no command; expected its name"),
        ({"kind": "mqtt", "command": "a/b", "url": ""}, "command of ops is 'a/b'; expected one"),
        ({"secret_env": "A", "secret_file": Path("b")}, "expected one of them"),
    ],
)
def test_settings_that_make_no_channel(changes: dict[str, str], reason: str):
    with pytest.raises(ValueError, match=reason):
        replace(Channel("ops", url="http://127.0.0.1/"), **changes)  # pyright: ignore[reportArgumentType]


def test_a_secret_that_cannot_be_had_is_never_repeated(tmp_path: Path):
    file = tmp_path / "secret"
    channel = Channel("ops", url="http://127.0.0.1/", secret_file=file)
    with pytest.raises(ValueError, match="No such file"):
        channel.secret()
    file.write_text("too short")
    with pytest.raises(ValueError, match="has 9 bytes; expected 16") as caught:
        channel.secret()
    assert "short" not in str(caught.value)
    from_env = Channel("ops", url="http://127.0.0.1/", secret_env="OPS_SECRET")
    with pytest.raises(ValueError, match=r"\$OPS_SECRET is not set"):
        from_env.secret({})
    assert from_env.secret({"OPS_SECRET": SECRET}) == SECRET.encode()
