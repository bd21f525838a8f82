"""The journal over real files, through file layers that record, block and fail."""

import asyncio
import errno
import inspect
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tocsin.devices.message import Message
from tocsin.ingest.facts import Connected, Record, Started
from tocsin.ingest.storage import segment_writer
from tocsin.ingest.storage.files import DiskFiles
from tocsin.ingest.storage.journal import (
    Journal,
    JournalCorrupt,
    JournalSettings,
    JournalUnavailable,
)
from tocsin.ingest.storage.segment_writer import SegmentWriter


def message(number: int, size: int = 20) -> Message:
    return Message("client", "devices/d/telemetry", b"%0*d" % (size, number), 1, False, 7)


def sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.iterdir()]


def replayed(folder: Path, after: int = 0) -> list[tuple[int, float, list[Record]]]:
    journal = Journal.open(folder)
    return [(entry.position, entry.at, entry.records) for entry in journal.replay(after)]


class RecordingDisk(DiskFiles):
    """Notes each call once it has returned, in one list with the acks the test notes there."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        taken = super().write(fd, data, offset)
        self.calls.append(("write", bytes(data[:taken])))
        return taken

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self.calls.append(("fdatasync", fd))


class BlockingDisk(DiskFiles):
    """Its fdatasync returns when the test lets it."""

    def __init__(self) -> None:
        self.syncing = threading.Event()
        self.may_sync = threading.Event()
        self.may_sync.set()

    def fdatasync(self, fd: int) -> None:
        self.syncing.set()
        assert self.may_sync.wait(10)
        super().fdatasync(fd)


class FailingDisk(DiskFiles):
    """Writes go wrong while `error` is set: half of the bytes are taken, then it is raised."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.error_of_sync: OSError | None = None
        self.failures = 0
        self.failed = threading.Event()
        self.truncations: list[int] = []

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        if self.error is None:
            return super().write(fd, data, offset)
        if len(data) > 1:
            return super().write(fd, data[: len(data) // 2], offset)
        raise self._fail(self.error)

    def fdatasync(self, fd: int) -> None:
        if self.error_of_sync is not None:
            raise self._fail(self.error_of_sync)
        super().fdatasync(fd)

    def truncate(self, fd: int, length: int) -> None:
        self.truncations.append(length)
        super().truncate(fd, length)

    async def has_failed(self, times: int = 1) -> None:
        while self.failures < times:
            assert await asyncio.to_thread(self.failed.wait, 10)
            self.failed.clear()

    def _fail(self, error: OSError) -> OSError:
        self.failures += 1
        self.failed.set()
        return error


async def test_what_was_appended_is_replayed_in_order(tmp_path: Path) -> None:
    facts: list[Record] = [Started("0.1", None), Connected("c", None, "127.0.0.1:5"), message(3)]
    journal = Journal.open(tmp_path)
    assert (journal.last_position, journal.last_at) == (0, None)
    positions = await asyncio.gather(
        journal.append(facts, 10.0), *(journal.append([message(n)], 11.0 + n) for n in range(50))
    )
    assert positions == list(range(1, 52))
    assert journal.last_position == 51
    await journal.close()

    expected = [(1, 10.0, facts), *((n + 2, 11.0 + n, [message(n)]) for n in range(50))]
    assert replayed(tmp_path) == expected
    assert replayed(tmp_path, after=40) == expected[40:]
    again = Journal.open(tmp_path)
    assert again.last_at == 60.0
    assert await again.append([message(99)], 61.0) == 52
    await again.close()


async def test_a_running_journal_replays_what_is_on_disk(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, JournalSettings(segment_bytes=200))
    for n in range(10):
        await journal.append([message(n)], float(n))
    assert [entry.position for entry in journal.replay(3)] == list(range(4, 11))
    await journal.close()


def acks_before_their_sync(calls: list[tuple[str, Any]]) -> list[bytes]:
    """Contents acknowledged while an fdatasync of their bytes had not yet returned."""
    written, on_disk, early = b"", b"", list[bytes]()
    for call, value in calls:
        if call == "write":
            written += value
        elif call == "fdatasync":
            on_disk = written
        elif value not in on_disk:
            early.append(value)
    return early


def mutated(module: ModuleType, line: str, instead: str) -> Any:
    """`module` with one piece of its source replaced."""
    source = inspect.getsource(module)
    assert source.count(line) == 1
    mutant = ModuleType(module.__name__)
    mutant.__file__ = module.__file__
    exec(compile(source.replace(line, instead), "mutant", "exec"), mutant.__dict__)  # noqa: S102
    return mutant


SYNC_OF_A_COMMIT = """\
        self._files.fdatasync(self._fd)
        self._torn = False
        segment.length += size
"""
NO_SYNC = """\
        self._torn = False
        segment.length += size
"""


@pytest.mark.parametrize("acks_early", [False, True])
async def test_an_ack_waits_for_the_fdatasync_of_its_bytes(
    tmp_path: Path, acks_early: bool
) -> None:
    """With the sync taken out of the writer the same check fails: it can see the difference."""
    disk = RecordingDisk()
    kind = SegmentWriter
    if acks_early:
        kind = mutated(segment_writer, SYNC_OF_A_COMMIT, NO_SYNC).SegmentWriter
    journal = Journal(kind(tmp_path, 2_000, disk), JournalSettings(commit_bytes=300))
    acks: list[asyncio.Future[int]] = []
    for n in range(200):
        ack = journal.append([message(n)], float(n))
        ack.add_done_callback(lambda _, n=n: disk.calls.append(("ack", message(n).payload)))
        acks.append(ack)
        if n % 7 == 0:
            await ack
    await asyncio.gather(*acks)
    await journal.close()
    assert bool(acks_before_their_sync(disk.calls)) == acks_early
    assert len([call for call, _ in disk.calls if call == "ack"]) == 200


async def test_what_arrives_during_a_commit_is_the_next_commit(tmp_path: Path) -> None:
    disk = BlockingDisk()
    journal = Journal.open(tmp_path, files=disk)
    disk.may_sync.clear()
    disk.syncing.clear()
    first = journal.append([message(0)], 0.0)
    assert await asyncio.to_thread(disk.syncing.wait, 10)
    others = [journal.append([message(n)], 1.0) for n in range(1, 101)]
    assert not first.done()
    disk.may_sync.set()
    await asyncio.gather(first, *others)
    stats = journal.stats()
    assert (stats.commits, stats.appends, stats.pending_bytes) == (2, 101, 0)
    assert 0 < stats.last_commit_ms <= stats.p99_ms
    await journal.close()


async def test_what_lingers_is_one_commit_and_goes_along_with_what_does_not(
    tmp_path: Path,
) -> None:
    journal = Journal.open(tmp_path, JournalSettings(linger_s=3600.0))
    lingering = [journal.append([message(n)], 1.0, lingers=True) for n in range(3)]
    assert await journal.append([message(3)], 2.0) == 4
    assert [each.result() for each in lingering] == [1, 2, 3]
    assert journal.stats().commits == 1
    last = journal.append([message(4)], 3.0, lingers=True)
    journal.hurry()
    assert await last == 5
    left = journal.append([message(5)], 4.0, lingers=True)
    await journal.close()
    assert await left == 6
    assert [records for _, _, records in replayed(tmp_path)] == [[message(n)] for n in range(6)]


async def test_what_lingers_is_written_when_its_time_is_over_or_it_is_much(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "soon", JournalSettings(linger_s=0.01))
    assert await journal.append([message(1)], 1.0, lingers=True) == 1
    await journal.close()
    settings = JournalSettings(linger_s=3600.0, linger_bytes=2000)
    journal = Journal.open(tmp_path / "much", settings)
    few = [journal.append([message(n, 1200)], 1.0, lingers=True) for n in range(2)]
    assert await asyncio.gather(*few) == [1, 2]
    await journal.close()


async def test_a_slow_disk_is_behind_and_its_queue_is_bounded(tmp_path: Path) -> None:
    disk = BlockingDisk()
    journal = Journal.open(tmp_path, JournalSettings(pending_bytes=1_000, behind_s=0.0), disk)
    disk.may_sync.clear()
    disk.syncing.clear()
    stored = [journal.append([message(n, 300)], 0.0) for n in range(2)]
    assert await asyncio.to_thread(disk.syncing.wait, 10)
    assert journal.stats().state == "behind"
    with pytest.raises(JournalUnavailable, match="the disk is slow"):
        await journal.append([message(2, 600)], 0.0)
    disk.may_sync.set()
    assert await asyncio.gather(*stored) == [1, 2]
    assert (journal.stats().state, journal.stats().refused) == ("ok", 1)
    await journal.close()


@pytest.mark.parametrize("where", ["write", "fdatasync"])
async def test_a_full_disk_delays_and_recovers(tmp_path: Path, where: str) -> None:
    disk = FailingDisk()
    journal = Journal.open(tmp_path, JournalSettings(retry_s=0.01), disk)
    await journal.append([message(0)], 0.0)
    good = journal.stats().bytes
    error = OSError(errno.ENOSPC, "No space left on device")
    if where == "write":
        disk.error = error
    else:
        disk.error_of_sync = error
    waiting = journal.append([message(1)], 1.0)
    await disk.has_failed(3)
    stats = journal.stats()
    assert stats.state == "failing"
    assert "No space left on device" in (stats.error or "")
    assert not waiting.done()
    disk.error = disk.error_of_sync = None
    assert await waiting == 2
    assert journal.stats().state == "ok"
    assert set(disk.truncations) == {good}
    await journal.close()
    assert [records for _, _, records in replayed(tmp_path)] == [[message(0)], [message(1)]]


async def test_who_waits_too_long_for_a_full_disk_is_refused(tmp_path: Path) -> None:
    disk = FailingDisk()
    journal = Journal.open(tmp_path, JournalSettings(retry_s=0.01, give_up_s=0.05), disk)
    disk.error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(JournalUnavailable, match="Input/output error"):
        await journal.append([message(1)], 1.0)
    assert journal.stats().pending_bytes == 0
    disk.error = None
    assert await journal.append([message(2)], 2.0) == 1
    await journal.close()
    assert replayed(tmp_path) == [(1, 2.0, [message(2)])]


async def test_a_full_disk_does_not_fill_memory(tmp_path: Path) -> None:
    disk = FailingDisk()
    settings = JournalSettings(retry_s=0.01, failing_pending_bytes=1_000)
    journal = Journal.open(tmp_path, settings, disk)
    disk.error = OSError(errno.ENOSPC, "No space left on device")
    before = [journal.append([message(n, 300)], 0.0) for n in range(5)]
    await disk.has_failed(2)
    after = journal.append([message(9, 300)], 0.0)
    refused = [ack for ack in (*before, after) if ack.done()]
    assert refused == [*before[2:], after]
    for ack in refused:
        assert isinstance(ack.exception(), JournalUnavailable)
    assert journal.stats().pending_bytes <= 1_000
    disk.error = None
    assert await asyncio.gather(*before[:2]) == [1, 2]
    await journal.close()


async def test_closing_on_a_full_disk_answers_everybody(tmp_path: Path) -> None:
    disk = FailingDisk()
    journal = Journal.open(tmp_path, files=disk)
    disk.error = OSError(errno.ENOSPC, "No space left on device")
    ack = journal.append([message(1)], 1.0)
    await disk.has_failed()
    await journal.close()
    assert isinstance(ack.exception(), JournalUnavailable)
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append([message(2)], 2.0)
    await journal.close()
    assert replayed(tmp_path) == []


async def test_a_rotation_that_fails_is_finished_before_anything_else(tmp_path: Path) -> None:
    """The new file may be there already: a record behind it in the old one would be lost."""

    class NoNames(DiskFiles):
        fails = False

        def sync_folder(self, folder: Path) -> None:
            if self.fails:
                raise OSError(errno.EIO, "Input/output error")
            super().sync_folder(folder)

    disk = NoNames()
    settings = JournalSettings(segment_bytes=500, retry_s=0.005, give_up_s=0.02)
    journal = Journal.open(tmp_path, settings, disk)
    await journal.append([message(0, 300)], 0.0)
    disk.fails = True
    with pytest.raises(JournalUnavailable):
        await journal.append([message(1, 300)], 1.0)
    disk.fails = False
    await journal.append([message(2, 1)], 2.0)
    await journal.close()
    assert [records for _, _, records in replayed(tmp_path)] == [[message(0, 300)], [message(2, 1)]]


async def test_trim_deletes_whole_covered_segments(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, JournalSettings(segment_bytes=300))
    for n in range(20):
        await journal.append([message(n, 60)], float(n))
    assert journal.stats().segments == 10
    journal.trim(9)
    await journal.append([message(20, 60)], 20.0)
    assert journal.stats().segments == 7
    assert [entry.position for entry in journal.replay(8)] == list(range(9, 22))
    with pytest.raises(JournalCorrupt, match="expected one with position 8"):
        list(journal.replay(7))
    journal.trim(1_000)
    await journal.close()
    assert journal.stats().segments == 1
    assert journal.stats().bytes == sum(sizes(tmp_path))
    again = Journal.open(tmp_path)
    assert (again.last_position, again.last_at) == (21, 20.0)


APPENDS = """
import asyncio, sys
from pathlib import Path
from tocsin.devices.message import Message
from tocsin.ingest.storage.journal import Journal, JournalSettings

async def main():
    journal = Journal.open(Path(sys.argv[1]), JournalSettings(segment_bytes=40_000))
    def acked(ack, n):
        print(ack.result(), n, flush=True)
    n = 0
    while True:
        for _ in range(n % 5 + 1):
            n += 1
            ack = journal.append([Message("c", "t", b"%d" % n)], float(n))
            ack.add_done_callback(lambda ack, n=n: acked(ack, n))
        await ack

asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acked: dict[int, int] = {}
    for round_ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", APPENDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(500 + 311 * round_):
            position, number = child.stdout.readline().split()
            acked[int(position)] = int(number)
        child.send_signal(signal.SIGKILL)
        for line in child.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                acked[int(line.split()[0])] = int(line.split()[1])
        child.stdout.close()
        child.wait()
        stored = {
            entry.position: int(entry.records[0].payload)
            for entry in Journal.open(tmp_path).replay(0)
            if isinstance(entry.records[0], Message)
        }
        assert acked.items() <= stored.items()
        assert list(stored) == list(range(1, len(stored) + 1))
    assert len(acked) >= 2_400


class CrashingDisk(BlockingDisk):
    """Once it `crashes` it fails in a way that nobody foresaw."""

    crashes = False

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        if self.crashes:
            raise RuntimeError("cosmic ray")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_when_the_thread_crashes_everything_that_waits_is_answered(tmp_path: Path) -> None:
    disk = CrashingDisk()
    journal = Journal.open(tmp_path, None, disk)
    disk.crashes = True
    disk.may_sync.clear()
    disk.syncing.clear()
    waiting = [journal.append([message(0, 100)], 0.0)]
    await asyncio.to_thread(disk.syncing.wait, 10)
    waiting += [journal.append([message(n, 100)], float(n)) for n in range(1, 4)]
    disk.may_sync.set()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(answer) for answer in answers] == [JournalUnavailable] * 4
    assert all("cosmic ray" in str(answer) for answer in answers)
    with pytest.raises(JournalUnavailable, match="cosmic ray"):
        await journal.append([message(5, 100)], 5.0)
    stats = journal.stats()
    assert (stats.state, stats.pending_bytes, stats.refused) == ("failing", 0, 5)
    await journal.close()
    await journal.close()
