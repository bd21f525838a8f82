"""What is told when: `held` outcomes by the number in their time, commits as futures."""

import asyncio
from collections.abc import Callable

import msgspec

from tocsin.ingest.alerts.alert import Alert, State
from tocsin.ingest.effects import Effects
from tocsin.ingest.outcome import Outcome

ALERT = Alert("id", "hot", "d", "d", "critical", State.ACTIVE, True, False, 95.0, "hot", 0.0)


def outcome(number: int) -> Outcome:
    return Outcome(float(number), alerts=[msgspec.structs.replace(ALERT, id=str(number))])


async def told_after(events: Callable[[Effects, list["asyncio.Future[int]"]], None]) -> list[str]:
    told: list[Outcome] = []
    effects = Effects(told.append, patience_s=60)
    commits = [asyncio.get_running_loop().create_future() for _ in range(3)]
    for number, commit in enumerate(commits):
        effects.hold(outcome(number), commit)
    assert not told
    events(effects, commits)
    await asyncio.sleep(0)
    effects_told = [f"{a.id}{'' if a.durable else '!'}" for o in told for a in o.alerts]
    effects.close()
    for commit in commits:
        commit.cancel()
    return effects_told


async def test_told_in_order_as_commits_are_done():
    def in_order(_: Effects, commits: list["asyncio.Future[int]"]) -> None:
        commits[1].set_result(2)
        commits[0].set_result(1)

    assert await told_after(in_order) == ["0", "1"]


async def test_a_later_commit_waits_for_an_earlier_one():
    def second_only(_: Effects, commits: list["asyncio.Future[int]"]) -> None:
        commits[1].set_result(2)

    assert await told_after(second_only) == []


async def test_a_failed_commit_is_told_at_once_as_not_durable():
    def fails(_: Effects, commits: list["asyncio.Future[int]"]) -> None:
        commits[0].set_exception(OSError("No space left on device"))

    assert await told_after(fails) == ["0!"]


async def test_what_waits_is_told_at_the_end():
    def ends(effects: Effects, _: list["asyncio.Future[int]"]) -> None:
        effects.close()

    assert await told_after(ends) == ["0!", "1!", "2!"]


async def test_patience_ends():
    told: list[Outcome] = []
    first = asyncio.Event()

    def tell(outcome: Outcome) -> None:
        told.append(outcome)
        first.set()

    effects = Effects(tell, patience_s=0.02)
    committed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    effects.hold(outcome(1), committed)
    async with asyncio.timeout(5):
        await first.wait()
    assert not told[0].alerts[0].durable
    committed.set_result(1)
    await asyncio.sleep(0)
    assert len(told) == 1, "told once"
