"""The lifecycle, drawn: a character a second.

`when` is the condition: # true, . false, blank unknown (nothing is signalled).
`does` is what happens besides: a acknowledge, t reset, s shelve for 4 s, u unshelve, x suppress,
z unsuppress, o out of service, i in service, r the rule is retired.
`state` is the alert after that second: P pending, A active, K acknowledged, L latched, M latched
and acknowledged, U cleared unacknowledged, C it has just ended, - none. `mute` is its suppression:
s shelved, x suppressed, o out of service.
"""

from dataclasses import dataclass

import pytest

from tocsin.ingest.alerts.alert import Alert, State, Suppression
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.alerts.lifecycle import MUTINGS, TRANSITIONS, Event, Muting, Phase, phase_of
from tocsin.ingest.facts import AlertCommand
from tocsin.ingest.rules.rule import Rule


@dataclass(frozen=True)
class Timeline:
    meaning: str
    when: str
    state: str
    does: str = ""
    mute: str = ""
    on_delay: str = "0s"
    off_delay: str = "0s"
    latch: bool = False
    re_alarm: str = "0s"


TIMELINES = [
    Timeline(
        "acknowledged while it lasts",
        when="..###..",
        does="...a...",
        state="--AKKC-",
    ),
    Timeline(
        "acknowledged when it is over",
        when="..##...",
        does=".....a.",
        state="--AAUC-",
    ),
    Timeline(
        "rings when it has lasted for the on-delay",
        when="..#####.",
        state="--PPPAAU",
        on_delay="3s",
    ),
    Timeline(
        "never rings when it is shorter than the on-delay",
        when="..###..#####",
        state="--PPPC-PPPPA",
        on_delay="4s",
    ),
    Timeline(
        "a delay that ends in a second ends before anything else in it",
        when="..###.",
        state="--PPPU",
        on_delay="3s",
    ),
    Timeline(
        "unknown neither begins nor ends anything, and stops no delay",
        when="..#  . ",
        state="--PPAUU",
        on_delay="2s",
    ),
    Timeline(
        "is over when it has been for the off-delay",
        when="..##......",
        state="--AAAAAUUU",
        off_delay="3s",
    ),
    Timeline(
        "is not over when it comes back within the off-delay",
        when="..##..##.....",
        state="--AAAAAAAAAUU",
        off_delay="3s",
    ),
    Timeline(
        "acknowledging leaves the off-delay running",
        when="..##.......",
        does=".....a.....",
        state="--AAAKKC---",
        off_delay="3s",
    ),
    Timeline(
        "acknowledged, it is not over when it comes back within the off-delay",
        when="..##..#.....",
        does="...a........",
        state="--AKKKKKKKC-",
        off_delay="3s",
    ),
    Timeline(
        "not yet seen, it comes back: the same alert rings again",
        when="..#..#..",
        does=".......a",
        state="--AUUAUC",
    ),
    Timeline(
        "it is back only after the on-delay",
        when="..###..#.####",
        state="--PPAUUUUUUAA",
        on_delay="2s",
    ),
    Timeline(
        "acknowledged while it may be coming back: that becomes a new alert",
        when="..####.#####",
        does="........a...",
        state="--PPPAUUPPAA",
        on_delay="3s",
    ),
    Timeline(
        "acknowledged while it may be coming back, which it was not",
        when="..####.##...",
        does="........a...",
        state="--PPPAUUPC--",
        on_delay="3s",
    ),
    Timeline(
        "a pending alert goes with its rule",
        when="..##  ",
        does="...r..",
        state="--PC--",
        on_delay="3s",
    ),
    Timeline(
        "an active alert goes with its rule; if that is still so, a new one begins",
        when="..## #",
        does="...r..",
        state="--AC-A",
    ),
    Timeline(
        "an acknowledged alert goes with its rule",
        when="..####",
        does="...a.r",
        state="--AKKC",
    ),
    Timeline(
        "an alert that waits to be seen goes with its rule",
        when="..#..  ",
        does=".....r.",
        state="--AUUC-",
    ),
    Timeline(
        "shelving ends by itself",
        when="..########",
        does="...s......",
        state="--AAAAAAAA",
        mute="   ssss   ",
    ),
    Timeline(
        "shelving ends when somebody says so",
        when="..########",
        does="...s.u....",
        state="--AAAAAAAA",
        mute="   ss     ",
    ),
    Timeline(
        "shelving again moves its end",
        when="..#########",
        does="...s..s....",
        state="--AAAAAAAAA",
        mute="   sssssss ",
    ),
    Timeline(
        "shelving holds for the next episode",
        when="..##.#####",
        does="..as......",
        state="--KKCAAAAA",
        mute="   s ss   ",
    ),
    Timeline(
        "a pending alert can be shelved, and rings shelved",
        when="..######",
        does="..s.....",
        state="--PPPAAA",
        mute="  ssss  ",
        on_delay="3s",
    ),
    Timeline(
        "suppression takes over from shelving and ends only when somebody says so",
        when="..#########",
        does="..s.x....z.",
        state="--AAAAAAAAA",
        mute="  ssxxxxx  ",
    ),
    Timeline(
        "a rule that goes takes the muting with it",
        when="..## ##",
        does="..xr...",
        state="--AC-AA",
        mute="  x    ",
    ),
    Timeline(
        "out of service is stronger than shelving and suppression",
        when="..##########",
        does="..s.o.....i.",
        state="--AAAAAAAAAA",
        mute="  ssoooooo  ",
    ),
    Timeline(
        "what latches rings on until it is acknowledged and reset",
        when="..##.......",
        does="......a..t.",
        state="--AALLMMMC-",
        latch=True,
    ),
    Timeline(
        "acknowledged while it lasts, it waits for its reset",
        when="..###......",
        does="...a....t..",
        state="--AKKMMMC--",
        latch=True,
    ),
    Timeline(
        "reset first, it still waits to be seen",
        when="..##......",
        does=".....t..a.",
        state="--AALUUUC-",
        latch=True,
    ),
    Timeline(
        "latched, it comes back and rings again",
        when="..#.#.##",
        does=".....a..",
        state="--ALAMAA",
        latch=True,
    ),
    Timeline(
        "it latches after the off-delay, and is back after the on-delay",
        when="..###...#.####",
        state="--PPAAALLLLLAA",
        on_delay="2s",
        off_delay="2s",
        latch=True,
    ),
    Timeline(
        "reset while it may be coming back: that becomes a new alert",
        when="..###.###.",
        does="......at..",
        state="--PPALMPAL",
        on_delay="2s",
        latch=True,
    ),
    Timeline(
        "what is latched goes with its rule",
        when="..#. #.  ",
        does="...r..ar.",
        state="--AC-AMC-",
        latch=True,
    ),
    Timeline(
        "nobody acknowledges: it rings again, and again",
        when="..########",
        state="--AAAAAAAA",
        re_alarm="3s",
    ),
    Timeline(
        "acknowledged and forgotten, it rings again",
        when="..#########",
        does="...a......a",
        state="--AKKAAAAAK",
        re_alarm="3s",
    ),
    Timeline(
        "it does not ring again when it is over",
        when="..##....",
        state="--AAUUUU",
        re_alarm="3s",
    ),
]

LETTERS = {
    Phase.PENDING: "P",
    Phase.ACTIVE: "A",
    Phase.ACKNOWLEDGED: "K",
    Phase.LATCHED: "L",
    Phase.LATCHED_ACKNOWLEDGED: "M",
    Phase.CLEARED_UNACKNOWLEDGED: "U",
}
MUTED = {
    Suppression.NONE: " ",
    Suppression.SHELVED: "s",
    Suppression.SUPPRESSED: "x",
    Suppression.OUT_OF_SERVICE: "o",
}
DOES = {
    "a": "ack",
    "t": "reset",
    "u": "unshelve",
    "x": "suppress",
    "z": "unsuppress",
    "o": "out_of_service",
    "i": "in_service",
}


class Watch:
    """Lives through a timeline; owns the book and every alert that came out of it."""

    def __init__(self, timeline: Timeline) -> None:
        self.book = AlertBook()
        self.alerts: list[Alert] = []
        self.rule = Rule(
            name="hot",
            when="t > 1",
            on_delay=timeline.on_delay,
            off_delay=timeline.off_delay,
            latch=timeline.latch,
            re_alarm=timeline.re_alarm,
        )
        self.state = self.mute = ""
        last = ""
        for second, (truth, action) in enumerate(
            zip(timeline.when, timeline.does or "." * len(timeline.when), strict=True)
        ):
            news = self._second(float(second), truth if truth != last else " ", action)
            last = "" if action == "r" else truth if truth != " " else last
            self.alerts += news
            shown = self.book.open()
            ended = any(alert.state is State.CLEARED for alert in news)
            self.state += LETTERS[phase(shown[0])] if shown else "C" if ended else "-"
            self.mute += MUTED[shown[0].suppression] if shown else " "

    def _second(self, now: float, edge: str, action: str) -> list[Alert]:
        news: list[Alert] = []
        while (due := self.book.next_due()) is not None and due <= now:
            at, alerts = self.book.fire_next()
            assert at == due
            news += alerts
        if edge != " ":
            news += self.book.signal(self.rule, "d", "d", edge == "#", now - 0.5, now, {"t": 2.0})
        match action:
            case "s":
                news += self._command("shelve", now, now + 4)
            case "r":
                news += self.book.retire("hot", now)
            case _ if action in DOES:
                news += self._command(DOES[action], now)
            case _:
                pass
        return news

    def _command(self, action: str, now: float, until: float | None = None) -> list[Alert]:
        (alert,) = self.book.open()
        return command(self.book, alert.id, action, now, until)


def command(
    book: AlertBook, alert: str, action: str, now: float, until: float | None = None, note: str = ""
) -> list[Alert]:
    return book.command(
        AlertCommand(alert, action, "eva", note, until),  # pyright: ignore[reportArgumentType]
        now,
    )


def phase(alert: Alert) -> Phase:
    return phase_of(alert.state, alert.latched)


@pytest.mark.parametrize("timeline", TIMELINES, ids=lambda timeline: timeline.meaning)
def test_an_alert_goes_through_its_states(timeline: Timeline) -> None:
    watch = Watch(timeline)
    assert watch.state == timeline.state
    assert watch.mute == (timeline.mute or " " * len(timeline.when))


def test_the_timelines_show_every_change_in_the_table_and_no_other() -> None:
    seen: set[tuple[Phase | None, Phase]] = set()
    for timeline in TIMELINES:
        last: dict[str, Phase] = {}
        for alert in Watch(timeline).alerts:
            before = last.get(alert.id)
            if before is not phase(alert):
                seen.add((before, phase(alert)))
            last[alert.id] = phase(alert)
    changes = {(row.before, row.after) for row in TRANSITIONS.values() if row.before != row.after}
    assert seen == changes | {(None, Phase.ACTIVE)}  # pending for no time is not shown


@pytest.mark.parametrize("state", State)
def test_acknowledging_needs_something_to_acknowledge(state: State) -> None:
    timeline = {
        State.PENDING: Timeline("", "#", "P", on_delay="9s"),
        State.ACTIVE: Timeline("", "#", "A"),
        State.ACKNOWLEDGED: Timeline("", "##", "AK", does=".a"),
        State.CLEARED_UNACKNOWLEDGED: Timeline("", "#.", "AU"),
        State.CLEARED: Timeline("", "##.", "AKC", does=".a."),
    }[state]
    watch = Watch(timeline)
    alert = watch.alerts[-1]
    assert alert.state is state
    before = watch.book.snapshot()
    if (Phase(state.value), Event.ACKNOWLEDGE) in TRANSITIONS:
        assert command(watch.book, alert.id, "ack", 9.0)[0].acknowledged
        return
    with pytest.raises(ValueError, match=f"ack needs .*{state}|is {state}; ack needs one"):
        command(watch.book, alert.id, "ack", 9.0)
    assert watch.book.snapshot() == before


@pytest.mark.parametrize("muting", [m for m in Muting if m is not Muting.EXPIRE])
@pytest.mark.parametrize(
    ("suppression", "does"),
    [
        (Suppression.NONE, "."),
        (Suppression.SHELVED, "s"),
        (Suppression.SUPPRESSED, "x"),
        (Suppression.OUT_OF_SERVICE, "o"),
    ],
)
def test_muting_follows_its_table(muting: Muting, suppression: Suppression, does: str) -> None:
    watch = Watch(Timeline("", "#", "A", does=does))
    alert = watch.alerts[-1]
    after = MUTINGS.get((suppression, muting))
    if after is not None:
        (changed,) = command(watch.book, alert.id, muting, 1.0)
        assert (changed.suppression, changed.revision) == (after, alert.revision + 1)
        return
    with pytest.raises(ValueError, match=f"{muting} finds .* at {suppression}; expected "):
        command(watch.book, alert.id, muting, 1.0)
