"""The book against a small model that looks at every timer, whatever is done to both."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from tocsin.ingest.alerts.alert import Alert, State, Suppression
from tocsin.ingest.alerts.book import AlertBook
from tocsin.ingest.alerts.flapping import FlapLimits
from tocsin.ingest.facts import AlertCommand
from tocsin.ingest.rules.rule import Rule

RULES = [
    Rule(
        name=f"on {on} off {off} {'latch' * latch} {again}",
        when="t > 1",
        on_delay=f"{on}s",
        off_delay=f"{off}s",
        latch=latch,
        re_alarm=f"{again}s",
    )
    # A re-alarm never ends together with a delay: the model has no order for that either.
    for on, off, latch, again in [(0, 0, False, 0), (3, 0, False, 7.1), (2, 5, True, 0)]
]
STEADY = FlapLimits(rings=1000)
SUBJECTS = ["d", "e"]
SHELVE_S = (
    4.25  # never ends together with a delay of the same alarm: the model has no order for that
)
Alarm = tuple[str, str]


@dataclass
class Modelled:
    """One alarm of the model. `turned` is when its condition last turned, `state` None without
    an episode."""

    on_s: float
    off_s: float
    state: str | None = None
    holds: bool = False
    turned: float = 0.0
    muted: str = "none"
    until: float = float("inf")
    latch: bool = False
    again_s: float = 0.0
    again: float = float("inf")

    def due(self) -> float:
        """When it changes by itself."""
        delay = float("inf")
        if self.holds and self.state not in (None, "active", "acknowledged"):
            delay = self.turned + self.on_s
        if not self.holds and self.state in ("active", "acknowledged"):
            delay = self.turned + self.off_s
        return min(delay, self.until, self.again)

    def rings(self, now: float) -> None:
        self.state = "active"
        self.again = now + self.again_s if self.again_s else float("inf")

    def shown(self) -> str:
        return f"{self.state} {self.muted}"

    def let_pass(self, now: float) -> list[str]:
        """The states it shows up to `now`, with what mutes it."""
        shown: list[str] = []
        while (due := self.due()) <= now:
            if due == self.until:
                self.muted, self.until = "none", float("inf")
            elif self.holds or due == self.again:
                self.rings(due)
            else:
                seen = self.state == "acknowledged"
                self.again = float("inf")
                if self.latch:
                    self.state = "acknowledged*" if seen else "active*"
                else:
                    self.state = "cleared" if seen else "cleared_unacknowledged"
            if self.state is not None:
                shown.append(self.shown())
            if self.state == "cleared":
                self.state = None
        return shown


class BookMachine(RuleBasedStateMachine):
    """Two books get the same calls. `lazy` fires its timers when it must; `busy` every 0.25 s,
    and lives through a snapshot after each call."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.lazy, self.busy = AlertBook(STEADY), AlertBook(STEADY)
        self.model = {
            (rule.name, subject): Modelled(
                float(rule.on_delay[:-1]),
                float(rule.off_delay[:-1]),
                latch=rule.latch,
                again_s=float(rule.re_alarm[:-1]),
            )
            for rule in RULES
            for subject in SUBJECTS
        }
        self.rule_of = {rule.name: rule for rule in RULES}
        self.latest: dict[str, Alert] = {}

    @initialize()
    def begin(self) -> None:
        self.now = 1000.0

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        news, due = self.fire(self.lazy, self.now)
        busy_news: list[Alert] = []
        at = self.now - seconds
        while at < self.now:
            at += 0.25
            busy_news += self.fire(self.busy, at)[0]
        assert busy_news == news
        expected = {alarm: modelled.let_pass(self.now) for alarm, modelled in self.model.items()}
        assert due == sorted(due)
        self.compare(news, expected)

    @staticmethod
    def fire(book: AlertBook, now: float) -> tuple[list[Alert], list[float]]:
        news: list[Alert] = []
        dues: list[float] = []
        while (due := book.next_due()) is not None and due <= now:
            at, alerts = book.fire_next()
            assert at == due
            news += alerts
            dues.append(due)
        return news, dues

    @rule(name=st.sampled_from([r.name for r in RULES]), subject=st.sampled_from(SUBJECTS))
    def condition_turns(self, name: str, subject: str) -> None:
        self.signal(name, subject, not self.model[name, subject].holds)

    @rule(which=st.integers(0, 5))
    def condition_of_an_alert_turns(self, which: int) -> None:
        """As above, but where it matters."""
        alerts = [alert for alert in self.lazy.open() if alert.raised_at]
        if alerts:
            alert = alerts[which % len(alerts)]
            self.condition_turns(alert.rule, alert.subject)

    @rule(name=st.sampled_from([r.name for r in RULES]), subject=st.sampled_from(SUBJECTS))
    def condition_is_told_again(self, name: str, subject: str) -> None:
        self.signal(name, subject, self.model[name, subject].holds)

    def signal(self, name: str, subject: str, truth: bool) -> None:
        modelled = self.model[name, subject]
        begins = truth and not modelled.holds
        if truth != modelled.holds:
            modelled.holds, modelled.turned = truth, self.now
        shown: list[str] = []
        if begins and modelled.state is None:
            modelled.state = "pending"
            shown = ["pending " + modelled.muted] if modelled.on_s else []
        elif not truth and modelled.state == "pending":
            modelled.state = None
            shown = ["cleared " + modelled.muted]
        shown += modelled.let_pass(self.now)
        news = self.call(
            lambda book: book.signal(
                self.rule_of[name],
                subject,
                subject,
                truth,
                self.now - 5.0,
                self.now,
                {"t": self.now},
            )
        )
        self.compare(news, {(name, subject): shown})

    @rule(
        which=st.integers(0, 20),
        action=st.sampled_from(
            [
                *("ack", "reset", "shelve", "unshelve", "suppress", "unsuppress"),
                *("out_of_service", "in_service", "comment"),
            ]
        ),
    )
    def somebody_acts(self, which: int, action: str) -> None:
        self.act(self.lazy.open() + self.lazy.recent(), which, action)

    @rule(which=st.integers(0, 5))
    def somebody_acknowledges(self, which: int) -> None:
        self.act([alert for alert in self.lazy.open() if alert.raised_at], which, "ack")

    @rule(which=st.integers(0, 5))
    def somebody_resets(self, which: int) -> None:
        self.act([alert for alert in self.lazy.open() if alert.latched], which, "reset")

    def act(self, alerts: list[Alert], which: int, action: str) -> None:
        if not alerts:
            return
        alert = alerts[which % len(alerts)]
        alarm = (alert.rule, alert.subject)
        is_open = alert.state is not State.CLEARED
        shown = self.expected_of(self.model[alarm], action) if is_open else None
        if not is_open and action == "comment":
            shown = [f"cleared {alert.suppression}"]
        command = AlertCommand(
            alert.id,
            action,  # pyright: ignore[reportArgumentType]
            "eva",
            "note",
            self.now + SHELVE_S if action == "shelve" else None,
        )
        if shown is None:
            for book in (self.lazy, self.busy):
                try:
                    book.command(command, self.now)
                except ValueError:
                    continue
                raise AssertionError(f"{action} was accepted for {alert}")
            return
        news = self.call(lambda book: book.command(command, self.now))
        self.compare(news, {alarm: shown})

    def expected_of(self, modelled: Modelled, action: str) -> list[str] | None:
        """What `action` shows of an open alert; None when it is refused."""
        strength = ("none", "shelved", "suppressed", "out_of_service").index(modelled.muted)
        match action, modelled.state:
            case "ack", "active" | "active*":
                modelled.state = modelled.state.replace("active", "acknowledged")
            case ("ack", "cleared_unacknowledged") | ("reset", "acknowledged*"):
                modelled.state = "pending" if modelled.holds else None
                shown = [f"cleared {modelled.muted}", f"pending {modelled.muted}"]
                return shown[: 1 + modelled.holds]
            case "reset", "active*":
                modelled.state = "cleared_unacknowledged"
            case "shelve", _ if strength <= 1:
                modelled.muted, modelled.until = "shelved", self.now + SHELVE_S
            case "suppress", _ if strength <= 1:
                modelled.muted, modelled.until = "suppressed", float("inf")
            case "out_of_service", _ if strength <= 2:
                modelled.muted, modelled.until = "out_of_service", float("inf")
            case ("unshelve", _) | ("unsuppress", _) | ("in_service", _) if {
                1: "unshelve",
                2: "unsuppress",
                3: "in_service",
            }.get(strength) == action:
                modelled.muted, modelled.until = "none", float("inf")
            case "comment", _:
                pass
            case _:
                return None
        return [modelled.shown()]

    @rule(name=st.sampled_from([r.name for r in RULES]))
    def rule_goes(self, name: str) -> None:
        expected: dict[Alarm, list[str]] = {}
        for alarm, modelled in self.model.items():
            if alarm[0] == name:
                expected[alarm] = ["cleared none"] if modelled.state else []
                self.model[alarm] = Modelled(
                    modelled.on_s,
                    modelled.off_s,
                    latch=modelled.latch,
                    again_s=modelled.again_s,
                )
        self.compare(self.call(lambda book: book.retire(name, self.now)), expected)

    def call(self, act: Callable[[AlertBook], list[Alert]]) -> list[Alert]:
        news = act(self.lazy)
        assert act(self.busy) == news
        data, self.busy = self.busy.snapshot(), AlertBook(STEADY)
        self.busy.restore(data)
        assert self.busy.snapshot() == data
        return news

    def compare(self, news: list[Alert], expected: dict[Alarm, list[str]]) -> None:
        shown: dict[Alarm, list[str]] = {alarm: [] for alarm in expected}
        for alert in news:
            state = state_of(alert)
            shown[alert.rule, alert.subject].append(f"{state} {alert.suppression}")
            self.follow(alert)
        assert shown == expected

    def follow(self, alert: Alert) -> None:
        """Each change of an alert is one revision, and no change rings twice."""
        before = self.latest.get(alert.id)
        self.latest[alert.id] = alert
        assert alert.active == (alert.state in (State.ACTIVE, State.ACKNOWLEDGED))
        assert alert.acknowledged == (alert.acknowledged_by is not None)
        assert (alert.shelved_until is not None) == (alert.suppression is Suppression.SHELVED)
        if before is None:
            assert alert.revision == 1
            return
        assert alert.revision == before.revision + 1
        assert (alert.rule, alert.subject, alert.began_at) == (
            before.rule,
            before.subject,
            before.began_at,
        )
        if alert.raised_at != before.raised_at:
            assert (alert.state, before.active) == (State.ACTIVE, False)
        if before.state is State.CLEARED:
            assert replace_news(alert) == replace_news(before)

    @invariant()
    def the_books_agree_with_the_model(self) -> None:
        for book in (self.lazy, self.busy):
            shown = {(a.rule, a.subject): (state_of(a), a.suppression) for a in book.open()}
            assert len(shown) == len(book.open())
            assert shown == {
                alarm: (modelled.state, modelled.muted)
                for alarm, modelled in self.model.items()
                if modelled.state
            }
            assert all(book.get(a.id) == self.latest[a.id] == a for a in book.open())
        assert self.lazy.open() == self.busy.open()
        assert self.lazy.recent() == self.busy.recent()
        assert self.lazy.next_due() == self.busy.next_due()
        due = min((modelled.due() for modelled in self.model.values()), default=float("inf"))
        assert self.lazy.next_due() == (None if due == float("inf") else due)


def state_of(alert: Alert) -> str:
    """A star is for latched."""
    return f"{alert.state}{'*' * alert.latched}"


def replace_news(alert: Alert) -> Alert:
    """The alert without what a comment changes."""
    return replace(alert, comments=(), revision=0, cause=None)


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=150, stateful_step_count=40)
