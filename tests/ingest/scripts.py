"""Scripts for the pipeline: what happens when, drawn by hypothesis, and how to play them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from tocsin.devices.formats import Decoder
from tocsin.devices.message import Message
from tocsin.devices.profile import Profile
from tocsin.ingest.alerts.alert import Alert
from tocsin.ingest.facts import (
    Action,
    AlertCommand,
    AlertsCommand,
    Connected,
    DevicesExpected,
    Disconnected,
    Record,
    Refused,
    RuleDeleted,
    RuleFileLoaded,
    RulePut,
    Started,
)
from tocsin.ingest.outcome import Outcome, Presence
from tocsin.ingest.pipeline import Pipeline
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.settings import Settings

START = 1_700_000_000.0
TIMEZONE = "Asia/Kathmandu"  # 5:45 ahead of UTC: at START it is 3:58:20
DEVICES = ("a", "b", "c", "d", "e", "f")
PROFILES = (Profile(counters=("p", "ticks")),)
CLIENTS = ("a", "b", "gateway")


class Reading(NamedTuple):
    device: str
    metric: str
    time: float
    value: float
    late: bool
    arrival: float
    row: int
    series: int


Played = list[tuple[float, list[Record]]]


@dataclass
class Events:
    """Everything that came out of a pipeline, in order."""

    alerts: list[Alert] = field(default_factory=list[Alert])
    presence: list[Presence] = field(default_factory=list[Presence])
    readings: list[Reading] = field(default_factory=list[Reading])
    devices: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Command:
    """What a person does to the `nth` alert that is open then."""

    nth: int
    action: Action
    for_s: float


Step = tuple[float, Sequence[Record | Command]]  # seconds since the step before, what happens then


def new_pipeline(settings: Settings | None = None) -> Pipeline:
    return Pipeline(settings or Settings(timezone=TIMEZONE, profiles=PROFILES), Decoder())


def message(device: str, payload: object, client: str | None = None) -> Message:
    """A message on the telemetry topic of a device: bytes as they are, anything else as JSON."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(client or device, f"devices/{device}/telemetry", raw)


def note(pipeline: Pipeline, outcome: Outcome, events: Events) -> None:
    events.alerts += outcome.alerts
    events.presence += outcome.presence
    events.devices += outcome.new_devices
    events.problems += outcome.problems
    if outcome.readings is not None:
        of = outcome.readings
        columns = zip(
            of.series.tolist(),
            of.time.tolist(),
            of.value.tolist(),
            of.late.tolist(),
            of.arrival.tolist(),
            of.row.tolist(),
            strict=True,
        )
        for series, *rest in columns:
            events.readings.append(
                Reading(*pipeline.catalogue.name_of(series), *rest, series=series)
            )


def feed(pipeline: Pipeline, records: Sequence[Record], now: float, events: Events) -> None:
    note(pipeline, pipeline.feed(records, now), events)


def finish(pipeline: Pipeline, now: float, events: Events) -> None:
    """What waits is told."""
    note(pipeline, pipeline.settle(now), events)


def settle(steps: Iterable[Step], pipeline: Pipeline) -> tuple[Played, Events]:
    """Play `steps` once, to know which alerts the commands are for; what was played, and events."""
    played: Played = []
    events = Events()
    now = START
    for after_s, happenings in steps:
        now += after_s
        if not begins_anew(happenings):
            feed(pipeline, [], now, events)
        records = [_settled(each, pipeline, now) for each in happenings]
        feed(pipeline, records, now, events)
        played.append((now, records))
    finish(pipeline, now, events)
    return played, events


def begins_anew(happenings: Sequence[Record | Command]) -> bool:
    """Whether the server starts here: then no timer fired since the step before."""
    return isinstance(happenings[0], Started)


def _settled(each: Record | Command, pipeline: Pipeline, now: float) -> Record:
    if not isinstance(each, Command):
        return each
    alerts = pipeline.alerts.open()
    until = now + each.for_s if each.action == "shelve" else None
    if each.nth % 3 == 2 and alerts:
        every = [alert.id for alert in alerts]
        return AlertsCommand(every, each.action, "bob", "all of them", until)
    alert = alerts[each.nth % len(alerts)].id if alerts else "none"
    return AlertCommand(alert, each.action, "ann", "seen", until)


def rules(names: Sequence[str], delays: Sequence[str]) -> st.SearchStrategy[Rule]:
    conditions = (
        "t > 50",
        "t > 50 and avg(t, '5m') > 20",
        "max(t, '10s') > 60 or p < 5",
        "rate(t, '10s') > 3",
        "p < 10 and t < 40",
        "delta(p, '10s') > 100 or rate(p, '1s') >= 30",
        "count(t, '1s') >= 3",
        "age(p) > 5",
        "absent(t, '3s') or p > 90",
        "t > 50 and hour() >= 4",
        "flatline(door, '2s')",
        "hour() < 4 and p < 50 or hour() == 5 and t > 20",
        "weekday() == 3 and absent(t, '3s') and hour() != 4",
        "door == true",
        "time_in(door, true, '10s') > 3 or time_in(state, 'stop', '10s') >= 5",
        "twa(t, '10s') > 40",
        "avg(t, 'session 2s') > 40 or duration(p, 'session 10s') >= 3",
        "count(t, 'session 1s') >= 3 and delta(t, 'session 1s') > -20",
        "state != 'run'",
    )
    return st.builds(
        Rule,
        name=st.sampled_from(names),
        when=st.sampled_from(conditions),
        clear=st.sampled_from((None, None, "t < 30")),
        devices=st.sampled_from(("*", "*", "a", "?", "x*")),
        on_delay=st.sampled_from(delays),
        off_delay=st.sampled_from(delays),
        latch=st.sampled_from((False, False, True)),
        re_alarm=st.sampled_from(("0s", "0s", "10s")),
        inhibited_by=st.sampled_from(((), (), ("hot",))),
        message=st.sampled_from(("", "{device} {t:.1f}")),
        enabled=st.sampled_from((True, True, True, False)),
    )


def group_rules(names: Sequence[str], delays: Sequence[str]) -> st.SearchStrategy[Rule]:
    counts = st.sampled_from(
        (
            "t > 50",
            "p < 20",
            "t / p > 2",
            "t > 50 or p > 90",
            "absent(t, '3s')",
            "t > 50 and hour() >= 4",
            "time_in(door, true, '10s') > 3",
            "state != 'run'",
        )
    )
    compared = st.sampled_from((">= 2", "== 1", "< 2", "/ 3 > 0.5"))

    def both(counted: str, compared: str, clears: bool) -> tuple[str, str | None]:
        when = f"count_devices({counted}) {compared}"
        return when, f"count_devices({counted}) == 0" if clears else None

    counting = st.builds(both, counts, compared, st.booleans())
    numbers = st.sampled_from(
        (
            ("avg_devices(avg(t, '10s')) > 50", "avg_devices(avg(t, '10s')) < 40"),
            ("sum_devices(t) > 100", None),
            ("max_devices(t) - min_devices(t) > 60", "max_devices(t) - min_devices(t) < 20"),
            ("p50_devices(t / p) > 1", None),
            ("sum_devices(t * hour()) < 150", None),
            ("count_devices(t > 50) / 2 > 0.5 or max_devices(delta(t, '10s')) > 80", None),
        )
    )

    def build(name: str, asked: tuple[str, str | None], on_delay: str, group_by: str) -> Rule:
        when, clear = asked
        return Rule(
            name=name,
            when=when,
            clear=clear,
            on_delay=on_delay,
            group_by=group_by,
            message="{count} of {group}: {devices}",
        )

    delay, tag = st.sampled_from(delays), st.sampled_from(("", "", "site"))
    return st.builds(build, st.sampled_from(names), counting | numbers, delay, tag)


def readings() -> st.SearchStrategy[Message]:
    """Messages of any device, by any client, with and without a time of their own."""
    number = st.integers(0, 99).map(float)
    values = st.fixed_dictionaries(
        {"t": number},
        optional={
            "p": number,
            "door": st.booleans(),
            "state": st.sampled_from(["run", "stop"]),
            "ts": st.sampled_from((-400, -70, -61, -20, -3, -1, 0, 1, 2, 5, 100, 500)),
        },
    )

    def build(device: str, client: str, values: dict[str, object]) -> Message:
        ts = values.get("ts")
        stated = {"ts": START + ts} if isinstance(ts, int) else {}
        return message(device, values | stated, client)

    return st.builds(build, st.sampled_from(DEVICES), st.sampled_from(CLIENTS), values)


def steps(
    gaps_s: Sequence[float], delays: Sequence[str] = ("0s", "2s", "30s"), count: int = 12
) -> st.SearchStrategy[list[Step]]:
    """Scripts: messages in batches, between them connections, rules and commands."""
    client = st.sampled_from(CLIENTS)
    odd = st.sampled_from([b"{", b"", b"[]", b'{"t": "hot"}', b'[{"t": 1}, {"t": 99}, {"p": 2}]'])
    command = st.builds(
        Command,
        st.integers(0, 9),
        st.sampled_from(
            (
                *("ack", "ack", "reset", "shelve", "suppress", "unsuppress"),
                *("out_of_service", "in_service", "comment"),
            )
        ),
        st.sampled_from((1.0, 20.0)),
    )
    happening = st.one_of(
        *(readings() for _ in range(12)),
        st.builds(message, st.sampled_from(DEVICES), odd, client),
        st.builds(Connected, client, st.none(), st.just("127.0.0.1:1")),
        st.builds(DevicesExpected, st.lists(st.sampled_from((*DEVICES, "z")), unique=True)),
        st.builds(Disconnected, client, st.sampled_from(("clean", "keepalive"))),
        st.builds(
            Refused, st.builds(message, st.sampled_from(DEVICES), odd, client), st.just("big")
        ),
        st.builds(RulePut, rules(("one", "two", "three"), delays), st.just("ann")),
        st.builds(RulePut, group_rules(("two", "five"), delays), st.just("ann")),
        st.builds(RuleDeleted, st.sampled_from(("one", "two")), st.just("ann")),
        st.builds(RuleFileLoaded, st.lists(rules(("three", "four"), delays), max_size=2)),
        command,
    )
    first = [
        Started("1", None),
        RulePut(Rule(name="hot", when="t > 50", clear="t < 40", on_delay=delays[1]), "ann"),
    ]
    again: list[Record | Command] = [Started("1", START)]
    several = st.one_of(
        *(st.lists(happening, min_size=1, max_size=9) for _ in range(6)), st.just(again)
    )

    def whole(rest: list[tuple[float, list[Record | Command]]]) -> list[Step]:
        return [(0.0, first), *rest]

    return st.lists(st.tuples(st.sampled_from(gaps_s), several), min_size=2, max_size=count).map(
        whole
    )
