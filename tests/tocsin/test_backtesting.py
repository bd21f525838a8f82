"""`tocsin rules backtest` over the folder of a server that was stopped, or still runs."""

import json
from collections.abc import Generator

import pytest

from tests.server import Server, wait_for
from tests.tocsin.command import Outcome, run

RULE = """
[[rule]]
name = "hot"
when = "temp_c > 80"
message = "{device} at {temp_c:.1f} °C"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "rules.toml").write_text(RULE)
    profiles = [{"devices": "boiler-*", "fields": {"medium": "steam"}}]
    env = {"TOCSIN_ENGINE__CHECKPOINT_S": "1", "TOCSIN_PROFILE": json.dumps(profiles)}
    server = Server(folder / "data", env=env).start()
    with server.client("plant") as client:
        for temp_c in (20, 90, 20, 95):
            payload = json.dumps({"temp_c": temp_c})
            client.publish("devices/boiler-1/telemetry", payload, 1).wait_for_publish(10)
    wait_for("a checkpoint", lambda: list((server.data / "snapshots").glob("*")) or None)
    yield server
    server.kill()


def backtest(server: Server, *arguments: str) -> Outcome:
    folder = server.data.parent
    return run(folder, "rules", "backtest", "rules.toml", "--data", str(server.data), *arguments)


def test_it_says_what_would_have_rung_also_beside_a_running_server(server: Server) -> None:
    def whole() -> str | None:
        told = backtest(server, "--from", "1h")
        assert told.status == 0, told.err
        return told.out if "4 readings" in told.out else None

    out = wait_for("history has all readings", whole, 30)
    assert "would have rung 2 times" in out
    assert "boiler-1  rang 2 times" in out
    assert "still at the end" in out
    assert "active                  boiler-1 at 95.0 °C" in out
    report = json.loads(backtest(server, "--from", "1h", "--json").out)
    assert (report["rang"], report["readings"]) == (2, 4)
    assert [change["state"] for change in report["subjects"][0]["changes"]] == [
        "active",
        "cleared_unacknowledged",
        "active",
    ]


def test_a_rule_across_a_group_of_a_profile_reads_its_devices(server: Server) -> None:
    folder = server.data.parent
    rule = RULE.replace("temp_c > 80", "count_devices(temp_c > 80) >= 1")
    rule = rule.replace("{device} at {temp_c:.1f} °C", "{group}")
    (folder / "count.toml").write_text(rule + 'group_by = "profile.medium"\n')

    def rang() -> str | None:
        told = run(
            folder, "rules", "backtest", "count.toml", "--data", str(server.data), "--from", "1h"
        )
        return told.out if "4 readings" in told.out else None

    assert "group:steam  rang 2 times" in wait_for("history has all readings", rang, 30)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "soon"), "--from 'soon' is no time"),
        (("--from", "1h", "--to", "2h"), "--from is not before 'to'"),
        (("--from", "9d"), "at most 7"),
        (("--data", "nowhere"), "has no history"),
    ],
)
def test_a_refusal_is_one_line(server: Server, arguments: tuple[str, ...], says: str) -> None:
    assert says in backtest(server, *arguments).refusal()


def test_a_rule_for_what_is_not_there_is_refused(server: Server) -> None:
    for rule, says in (
        (RULE.replace("temp_c >", "tmp_c >"), "unknown metric 'tmp_c' at column 1; did you mean"),
        (RULE + 'devices = "pump-*"\n', "no device here is called 'pump-*'"),
        (RULE.replace(" > ", " >> "), "rules are not valid"),
    ):
        file = server.data.parent / "other.toml"
        file.write_text(rule)
        told = run(file.parent, "rules", "backtest", str(file), "--data", str(server.data))
        assert told.status == 2
        assert says in told.err
