"""Sessions of clients that are away: how long, and how many."""

from tests.broker.harness import local
from tocsin.broker.clients import Client, Clients
from tocsin.broker.subscriptions import Grant, Subscriptions
from tocsin.devices.credentials import ANONYMOUS


def test_a_session_ends_when_its_client_stays_away_too_long() -> None:
    subscriptions: Subscriptions[Client] = Subscriptions()
    ended: list[Client] = []
    clients = Clients(local(), subscriptions)
    clients.on_end = ended.append
    early, late, online = [
        clients.begin(name, ANONYMOUS, durable=True) for name in ("early", "late", "online")
    ]
    for client in (early, late, online):
        client.session_expiry_s = 100.0
        clients.subscribe(client, "t", Grant(1))
    clients.left(early, 1_000.0)
    clients.left(late, 1_050.0)
    clients.left(online, 1_000.0)
    clients.came(online)

    def expired(now: float) -> list[Client]:
        due = clients.due(now)
        for client in due:
            clients.expire(client, now)
        return due

    assert expired(1_099.9) == []
    assert expired(1_101.0) == [early]
    assert [each.id for each in clients] == ["late", "online"]
    assert dict(subscriptions.match("t").plain) == {late: 1, online: 1}
    # Away again, it counts from there.
    clients.left(online, 1_120.0)
    assert expired(1_200.0) == [late]
    assert expired(1_221.0) == [online]
    assert len(subscriptions) == 0
    assert ended == [early, late, online]


def test_who_came_back_meanwhile_does_not_expire() -> None:
    clients = Clients(local(), Subscriptions())
    client = clients.begin("c", ANONYMOUS, durable=True)
    client.session_expiry_s = 100.0
    clients.left(client, 1_000.0)
    assert clients.due(1_101.0) == [client]
    clients.came(client)
    clients.expire(client, 1_101.0)
    assert clients.get("c") is client


def test_who_is_away_longest_gives_way() -> None:
    clients = Clients(local(sessions_offline=1), Subscriptions())
    first, second = [clients.begin(n, ANONYMOUS, durable=True) for n in ("first", "second")]
    first.session_expiry_s = second.session_expiry_s = 100.0
    first.messages_received = 5
    clients.left(first, 1.0)
    clients.left(second, 2.0)
    assert [each.id for each in clients.away] == ["second"]
    assert clients.get("first") is None
    assert clients.past_received == 5, "what was counted stays counted"
