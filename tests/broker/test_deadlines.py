"""The wheel of deadlines against a sorted list."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.broker.deadlines import Deadlines

SLOT_S = 0.25
steps = st.lists(
    st.tuples(
        st.sampled_from(["set", "drop", "turn"]), st.integers(0, 5), st.floats(0, 20, width=32)
    ),
    max_size=50,
)


@given(steps)
def test_items_come_out_after_their_deadline_and_once(
    script: list[tuple[str, int, float]],
) -> None:
    wheel: Deadlines[int] = Deadlines(SLOT_S)
    now = 1_000.0
    due_at: dict[int, float] = {}
    for step, item, delay in script:
        if step == "set":
            wheel.set(item, now + delay)
            due_at[item] = now + delay
        elif step == "drop":
            wheel.drop(item)
            due_at.pop(item, None)
        else:
            now += delay
            came = list(wheel.pop_due(now))
            assert len(came) == len(set(came))
            for each in came:
                assert due_at.pop(each) <= now, "came too early"
            late = [each for each, deadline in due_at.items() if deadline + 2 * SLOT_S < now]
            assert late == []
        assert len(wheel) == len(due_at)


def test_items_moved_or_dropped_while_others_come_out() -> None:
    wheel: Deadlines[str] = Deadlines(SLOT_S)
    for item in ("a", "b", "c"):
        wheel.set(item, 1.0)
    coming = wheel.pop_due(1.0)
    moved, dropped = {"a", "b", "c"} - {next(coming)}
    wheel.set(moved, 5.0)
    wheel.drop(dropped)
    assert list(coming) == []
    assert list(wheel.pop_due(5.0)) == [moved]
