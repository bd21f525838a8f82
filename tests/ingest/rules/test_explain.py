"""An explanation says what the judge does with a rule."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.rules.trees import conditions
from tocsin.ingest.rules.checker import check
from tocsin.ingest.rules.explain import Explanation, Part, Silence, WindowRead, explain, lines
from tocsin.ingest.rules.expression import Expression
from tocsin.ingest.rules.group import RuleForm
from tocsin.ingest.rules.printer import print_expression
from tocsin.ingest.rules.rule import Rule
from tocsin.ingest.rules.scalar import Scalar
from tocsin.ingest.rules.validation import CheckedRule, validate


def rule(name: str, when: str, clear: str | None = None) -> CheckedRule:
    return validate(Rule(name=name, when=when, clear=clear))


HOT = rule("hot", "temp_c > 80 and max(temp_c, '5m') > 70", "avg(temp_c, '5m') < 60")
WARM = rule("warm", "temp_c > 60 and max(temp_c, '5m') > 50", "avg(temp_c, '5m') < 40")


def test_a_rule_shares_its_windows_and_is_judged_with_those_that_ask_alike() -> None:
    cool = rule("cool", "min(temp_c, '5m') < 5")
    other = rule("other", "min(temp_c, '1m') < 5")
    assert explain(HOT, [HOT, WARM, cool, other]) == Explanation(
        rule="hot",
        woken_by=["temp_c"],
        by_any_reading=False,
        at_silences=[],
        at_hours=False,
        windows=[WindowRead("temp_c", 300.0, 5.0, 60, ["max", "avg"], ["warm", "cool"])],
        spares_readings=True,
        parts=[Part("temp_c > 80", True), Part("max(temp_c, '5m') > 70", True)],
        judged_with=["warm"],
        nodes=10,
        judged_us=1.0,
        counts=[],
        numbers=[],
        group_by=None,
    )


def test_what_wakes_a_rule_without_a_reading() -> None:
    dead = explain(rule("dead", "absent(t, '60s') and p > 2 and hour() >= 22"), [])
    assert (dead.woken_by, dead.by_any_reading, dead.at_hours) == (["t", "p"], True, True)
    assert dead.at_silences == [Silence("t", 60.0)]
    assert dead.spares_readings is False  # every reading of the device moves the age


def test_an_or_needs_bounds_of_all_its_conditions() -> None:
    found = explain(rule("odd", "1 < t <= 9 or not sum(p, '1m') > 3"), [])
    assert found.parts == [
        Part("1 < t", True),
        Part("t <= 9", True),
        Part("not sum(p, '1m') > 3", False),
    ]
    assert found.spares_readings is False


def test_it_reads_well() -> None:
    assert list(lines(explain(HOT, [WARM]))) == [
        "hot:",
        "  woken by      temp_c",
        "  window        temp_c over 300 s, 60 panes of 5 s, for max, avg, shared with warm",
        "  bounds for    temp_c > 80",
        "  bounds for    max(temp_c, '5m') > 70",
        "  readings      spared by their bounds",
        "  when judged   10 parts, about 1 µs a device",
        "  together with warm",
    ]


def test_of_a_group_it_explains_what_is_asked_of_each_device() -> None:
    many = validate(
        Rule(
            name="many",
            when="count_devices(max(temp_c, '5m') > 80) / count_devices(absent(p, '60s')) > 0.5",
            group_by="site",
        )
    )
    few = rule("few", "count_devices(max(temp_c, '5m') > 90) < 2")
    assert list(lines(explain(many, [HOT, few]))) == [
        "many:",
        "  counts        devices with max(temp_c, '5m') > 80, by site",
        "  counts        devices with age(p) >= 60, by site",
        "  woken by      every reading of the device",
        "                and when p is 60 s old",
        "  window        temp_c over 300 s, 60 panes of 5 s, for max, shared with hot, few",
        "  bounds for    max(temp_c, '5m') > 80",
        "  no bounds for age(p) >= 60",
        "  readings      none is spared: each is judged",
        "  when judged   14 parts, about 1.4 µs a device",
        "  together with few",
    ]
    assert explain(few, []).spares_readings
    assert not explain(rule("odd", "count_devices(temp_c / p > 1) < 2"), []).spares_readings


@given(conditions(["a", "b"], ["s"]).filter(lambda tree: bool(check(tree).metrics)), st.booleans())
def test_it_says_of_bounds_what_the_judge_knows_of_them(tree: Expression, alone: bool) -> None:
    checked = rule("any", print_expression(tree))
    found = explain(checked, [] if alone else [checked, HOT])
    form = RuleForm(checked, 0, Scalar(lambda _: 0))
    assert found.spares_readings is (form.unraised is not None)
    assert [(each.metric, each.age_s) for each in found.at_silences] == [
        (each.metric, each.seconds) for each in dict.fromkeys(form.silences)
    ]
    for kind, read in ((False, checked.windows), (True, checked.sessions)):
        assert {(w.metric, w.size_s) for w in found.windows if w.session is kind} == read
    assert msgspec.json.decode(msgspec.json.encode(found), type=Explanation) == found


def test_a_session_is_another_window_than_one_of_the_size_of_its_gap() -> None:
    run = rule("run", "max(temp_c, 'session 5m') - first(temp_c, 'session 5m') > 8")
    other = rule("other", "duration(temp_c, 'session 300s') > 60")
    assert list(lines(explain(run, [HOT, other]))) == [
        "run:",
        "  woken by      temp_c",
        "  session       temp_c, ended by 300 s without a reading, for max, first,"
        " shared with other",
        "  no bounds for max(temp_c, 'session 5m') - first(temp_c, 'session 5m') > 8",
        "  readings      none is spared: each is judged",
        "  when judged   5 parts, about 0.5 µs a device",
    ]
    for when in ("avg(temp_c, 'session 5m') > 8", "not max(temp_c, 'session 5m') > 8"):
        assert not explain(rule("one", when), []).spares_readings


def test_growth_of_counters_has_no_bounds() -> None:
    heavy = rule("heavy", "rate(energy_kwh, '5m') > 3 and t > 5")
    assert [part.bounded for part in explain(heavy, []).parts] == [True, True]
    found = explain(heavy, [], lambda metric: metric == "energy_kwh")
    assert found.parts == [Part("rate(energy_kwh, '5m') > 3", False), Part("t > 5", True)]
    assert found.spares_readings is True  # one of an `and` is enough
    alone = rule("alone", "delta(energy_kwh, '5m') + 1 > 3")
    assert explain(alone, [], lambda metric: True).spares_readings is False


def test_an_age_that_is_each_devices_own_is_named() -> None:
    quiet = explain(rule("quiet", "age(t) / 2 > limit('quiet_s')"), [])
    assert quiet.at_silences == [Silence("t", None, "limit('quiet_s') / 0.5")]
    assert "and when t is limit('quiet_s') / 0.5 old" in "\n".join(lines(quiet))
