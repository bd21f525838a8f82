"""Listeners that encrypt: with real certificates, and clients that are not ours."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest

from tests.broker.certificates import Authority
from tests.broker.harness import Running, local, running
from tests.broker.test_paho import Paho
from tocsin.broker import Listener, ListenError, Login, Settings, Tls
from tocsin.broker.codec import encode
from tocsin.broker.packets import (
    LEVEL_5,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
)
from tocsin.broker.tls import Certificates
from tocsin.devices.credentials import ANONYMOUS, Identity, Role


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def encrypted(tls: Tls, **limits: float) -> Settings:
    listeners = (Listener("127.0.0.1", 0, tls),)
    return Settings(listeners=listeners, **limits)  # pyright: ignore[reportArgumentType]


class Logins:
    """Lets everybody in and keeps what they said of themselves."""

    def __init__(self) -> None:
        self.seen: list[Login] = []

    async def __call__(self, login: Login) -> Identity:
        self.seen.append(login)
        return Identity(Role.DEVICE, login.subject, login.subject) if login.subject else ANONYMOUS


async def test_a_message_over_tls_is_stored_and_acked(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker:
        async with broker.peer(authority.trusting()) as peer:
            assert await peer.connect(Connect("c")) == Connack()
            await peer.send(Publish("t", b"x" * 200_000, 1, packet_id=1))
            assert await peer.receive() == Puback(1)
            assert broker.broker.totals().connections == 1
        assert await broker.ended("c") == "connection lost"
        assert [len(payload) for payload in broker.sink.payloads] == [200_000]
        await broker.until("room again", lambda: not broker.broker.totals().connections)


async def test_paho_over_tls(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker:
        paho = Paho("paho")
        paho.mqtt.tls_set(str(authority.ca))
        await asyncio.to_thread(paho.connect, broker.port)
        await asyncio.to_thread(paho.subscribe, "t/#", 2)
        await asyncio.to_thread(paho.publish, "t/1", "hello", 2)
        await broker.until("it comes back", lambda: paho.payloads == ["hello"])
        await asyncio.to_thread(paho.leave)
        assert await broker.ended("paho") == "clean"


async def mosquitto_pub(broker: Running, *arguments: str) -> int:
    child = await asyncio.create_subprocess_exec(
        *("mosquitto_pub", "-p", str(broker.port), "-t", "t", "-m", "hello", "-q", "1"),
        *("-i", "pub", *arguments),
    )
    return await child.wait()


async def test_mosquitto_pub_over_tls(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker:
        arguments = ("-h", "localhost", "--cafile", str(authority.ca))
        assert await mosquitto_pub(broker, *arguments) == 0
        assert broker.sink.payloads == [b"hello"]
        assert await mosquitto_pub(broker, "-h", "localhost") != 0
        await broker.until(
            "it hung up for the lack of TLS", lambda: "TLS handshake failed" in broker.refused()
        )


async def test_the_subject_of_a_client_certificate_says_who_it_is(authority: Authority) -> None:
    logins = Logins()
    settings = encrypted(authority.tls(client_ca=authority.ca))
    async with running(settings, authenticate=logins) as broker:
        boiler = authority.trusting(authority.device("boiler-1"))
        async with broker.peer(boiler) as peer:
            await peer.connect(Connect("c"))
            await peer.send(Publish("devices/boiler-1/t", b"1", 1, packet_id=1))
            assert await peer.receive() == Puback(1)
            await peer.send(Publish("devices/boiler-2/t", b"1", 1, packet_id=2))
            await peer.closed()
        async with broker.peer(authority.trusting()) as peer:
            await peer.connect(Connect("c2"))
        certificate, key = authority.device("boiler-3")
        files = ("--cafile", str(authority.ca), "--cert", str(certificate), "--key", str(key))
        await mosquitto_pub(broker, "-h", "localhost", *files)
    assert [login.subject for login in logins.seen] == ["boiler-1", None, "boiler-3"]


async def test_a_certificate_of_another_authority_is_none(
    authority: Authority, tmp_path: Path
) -> None:
    forger = Authority(tmp_path, "forger")
    settings = encrypted(authority.tls(client_ca=authority.ca))
    async with running(settings) as broker:
        forged = authority.trusting(forger.device("boiler-1"))
        await refused(broker, forged)
        assert broker.refused() == {"TLS handshake failed": 1}
        assert "certificate verify failed" in broker.broker.report().refusals[0].reason


async def test_a_listener_may_require_a_certificate(authority: Authority) -> None:
    settings = encrypted(authority.tls(client_ca=authority.ca, required=True))
    async with running(settings) as broker:
        await refused(broker, authority.trusting())
        refusals = broker.broker.report().refusals
        assert [each.reason for each in refusals] == [
            "TLS handshake failed: peer did not return a certificate"
        ]
        async with broker.peer(authority.trusting(authority.device("b"))) as peer:
            assert await peer.connect(Connect("c")) == Connack()


async def refused(broker: Running, context: ssl.SSLContext) -> None:
    """With TLS 1.3 a client learns only when it reads that its certificate was refused."""
    with pytest.raises((OSError, EOFError)):
        async with broker.peer(context) as peer:
            await peer.connect(Connect("c"))
    await broker.until("it is counted", broker.refused)


async def test_what_comes_in_one_piece_with_the_handshake_is_not_lost(
    authority: Authority,
) -> None:
    async with running(encrypted(authority.tls())) as broker:
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = authority.trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        writer.write(outgoing.read())
        while True:
            incoming.write(await reader.read(65_536))
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                continue
        tls.write(encode(Connect("c")) + encode(Pingreq()))
        writer.write(outgoing.read())
        got = b""
        while len(got) < 6:
            incoming.write(await reader.read(65_536))
            try:
                got += tls.read(100)
            except ssl.SSLWantReadError:
                continue
        assert got == encode(Connack()) + encode(Pingresp())
        writer.close()


async def test_a_handshake_that_does_not_come_is_given_up(authority: Authority) -> None:
    settings = encrypted(authority.tls(), connect_timeout_s=0.3, connections=1)
    async with running(settings) as broker:
        async with broker.peer() as silent, broker.peer() as second:
            # It counts as a connection before it has said anything.
            await second.closed()
            await silent.closed()
        assert broker.refused() == {"too many connections": 1, "TLS handshake failed": 1}
        await broker.until("room again", lambda: not broker.broker.totals().connections)


async def test_plain_mqtt_on_an_encrypted_port_is_refused(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker, broker.peer() as peer:
        await peer.send(Connect("c"))
        await peer.closed()
        await broker.until("it is counted", broker.refused)
        assert broker.refused() == {"TLS handshake failed": 1}


async def test_the_last_word_is_read_before_the_end(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker:
        async with broker.peer(authority.trusting()) as peer:
            await peer.connect(Connect("c", level=LEVEL_5))
            await peer.send(Publish("+", b"no"), b"\x30" * 60_000)
            assert isinstance(await peer.receive(), Disconnect)
            await peer.closed()


async def test_stop_does_not_wait_for_handshakes(authority: Authority) -> None:
    async with running(encrypted(authority.tls())) as broker, broker.peer() as silent:
        await broker.until("it is there", lambda: broker.broker.totals().connections)
        await broker.broker.stop()
        await silent.closed()


# -- files -------------------------------------------------------------------------------------


async def unusable(tls: Tls) -> str:
    with pytest.raises(ListenError) as raised:
        async with running(encrypted(tls)):
            pass
    return str(raised.value.strerror)


async def test_files_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.server()
    other = authority.device("other")[1]
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    at = "MQTT cannot listen on 127.0.0.1:0: "
    assert await unusable(Tls(missing, key)) == f"{at}{missing}: there is no such file"
    for wrong in (Tls(certificate, other), Tls(text, key)):
        message = await unusable(wrong)
        pair = f"{wrong.certificate} and {wrong.key}"
        assert message.startswith(f"{at}{pair} are no certificate and its key in PEM: ")
    message = await unusable(Tls(certificate, key, client_ca=text))
    assert message.startswith(f"{at}{text} holds no certificates in PEM: ")


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(authority: Authority) -> None:
    problems: list[str] = []
    tls = authority.tls()
    certificates = Certificates(tls, problems.append)
    first = certificates.context(0.0)
    authority.server()
    _touch(tls.certificate, 1)
    later = float("inf")
    renewed = certificates.context(later)
    assert renewed is not first
    tls.certificate.write_text("half a certificate")
    _touch(tls.certificate, 2)
    certificates = Certificates(authority.tls(), problems.append)
    kept = certificates.context(0.0)
    tls.certificate.write_text("half a certificate")
    _touch(tls.certificate, 3)
    assert certificates.context(later) is kept
    [problem] = problems
    assert problem.startswith(f"certificate not renewed: {tls.certificate} and ")


def _touch(file: Path, number: int) -> None:
    os.utime(file, ns=(number, number))


# -- several listeners -------------------------------------------------------------------------


async def test_listeners_differ_in_whom_they_let_in(authority: Authority) -> None:
    listeners = (
        Listener("127.0.0.1", 0, anonymous=True, connections=1),
        Listener("::1", 0, authority.tls()),
    )

    async def authenticate(login: Login) -> Identity | None:
        return ANONYMOUS if login.trusted else None

    async with running(Settings(listeners=listeners), authenticate=authenticate) as broker:
        (_, plain), (host, secured) = broker.broker.addresses
        assert host == "::1"
        async with broker.client("first"), broker.peer() as second:
            await second.closed()
            async with broker.peer(authority.trusting(), "::1", secured) as stranger:
                assert (await stranger.connect(Connect("c"))).code
        assert broker.refused() == {"too many connections at 127.0.0.1": 1, "wrong credentials": 1}
        assert broker.broker.report().refusals[-1].address.startswith("[::1]:")
        assert plain != secured


async def test_without_a_bound_of_its_own_a_listener_has_that_of_all() -> None:
    async with running(local(connections=3)) as broker:
        async with broker.client("a"), broker.client("b"), broker.client("c"):
            async with broker.peer() as fourth:
                await fourth.closed()
