"""What the journal makes of damaged files: a torn tail is cut, rot is named, nothing is guessed."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.ingest.storage.files import DISK
from tocsin.ingest.storage.journal import Journal, JournalCorrupt
from tocsin.ingest.storage.segment import HEADER_BYTES, frame, read_frames, segment_path
from tocsin.ingest.storage.segment_writer import SegmentWriter

Commit = list[bytes]

bodies = st.binary(max_size=60)
commits = st.lists(st.lists(bodies, min_size=1, max_size=4), max_size=6)


def write(folder: Path, commits: list[Commit], segment_bytes: int = 1 << 20) -> SegmentWriter:
    writer = SegmentWriter(folder, segment_bytes, DISK)
    for commit in commits:
        writer.commit([(1.5, body) for body in commit])
    writer.close()
    return writer


def flat(commits: list[Commit]) -> list[bytes]:
    return [body for commit in commits for body in commit]


def recovered(folder: Path) -> list[bytes]:
    """The bodies that are there after a restart, which must also be able to go on."""
    writer = SegmentWriter(folder, 1 << 20, DISK)
    newest = writer.last_position
    assert writer.commit([(2.0, b"next")]) == newest + 1
    writer.close()
    found: list[bytes] = []
    for segment in writer.segments:
        found += [found.body for found in read_frames(segment.path, segment.first)]
    assert found[-1] == b"next"
    return found[:-1]


@settings(max_examples=60)
@given(commits, bodies)
def test_garbage_behind_the_last_commit_is_cut(commits: list[Commit], garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        writer = write(Path(name), commits)
        with writer.segments[-1].path.open("ab") as file:
            file.write(garbage)
        assert recovered(Path(name)) == flat(commits)


@settings(max_examples=60)
@given(commits, st.lists(bodies, min_size=1, max_size=4), st.data())
def test_a_torn_write_leaves_the_committed_prefix(
    commits: list[Commit], torn: Commit, data: st.DataObject
) -> None:
    """The last write was never synced: any of its bytes may be missing or wrong.

    Records of it that survived whole, before the first damage, may stay: nobody was promised
    their loss. Everything committed is there.
    """
    with tempfile.TemporaryDirectory() as name:
        segment = write(Path(name), commits).segments[-1]
        first = segment.last + 1
        tail = b"".join(frame(first + n, 1.5, segment.length, body) for n, body in enumerate(torn))
        cut = data.draw(st.integers(0, len(tail) - 1), label="cut")
        flips = data.draw(st.lists(st.integers(0, len(tail) - 1), max_size=3), label="flips")
        damaged = bytearray(tail)
        for at in flips:
            damaged[at] ^= 0xA5
        if data.draw(st.booleans(), label="zeros instead of a shorter file"):
            damaged[cut:] = bytes(len(tail) - cut)
        else:
            del damaged[cut:]
        with segment.path.open("ab") as file:
            file.write(damaged)
        committed = flat(commits)
        found = recovered(Path(name))
        assert found[: len(committed)] == committed
        survivors = found[len(committed) :]
        assert survivors == torn[: len(survivors)]


@settings(max_examples=60)
@given(st.lists(st.lists(bodies, min_size=1, max_size=3), min_size=2, max_size=5), st.data())
def test_rot_before_the_last_commit_is_never_cut_away(
    commits: list[Commit], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        segment = write(Path(name), commits).segments[-1]
        last_commit = sum(map(len, commits[:-1]))
        frames = list(read_frames(segment.path, 1))
        committed_bytes = frames[last_commit].offset
        at = data.draw(st.integers(HEADER_BYTES, committed_bytes - 1), label="at")
        content = bytearray(segment.path.read_bytes())
        content[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
        segment.path.write_bytes(content)
        bad = max(found.offset for found in frames if found.offset <= at)
        with pytest.raises(JournalCorrupt, match=f"{segment.path.name} offset {bad}:"):
            SegmentWriter(Path(name), 1 << 20, DISK)
        assert segment.path.read_bytes() == content


def test_a_record_left_over_from_a_failed_write_is_cut(tmp_path: Path) -> None:
    """Its checksum is right, but its position is of a record that is there already."""
    segment = write(tmp_path, [[b"a", b"b"]]).segments[-1]
    with segment.path.open("ab") as file:
        file.write(frame(2, 1.5, segment.length, b"stale"))
    assert recovered(tmp_path) == [b"a", b"b"]


def test_rot_in_an_earlier_segment_is_named(tmp_path: Path) -> None:
    writer = write(tmp_path, [[b"\x90"] for _ in range(20)], segment_bytes=150)
    assert len(writer.segments) > 3
    second = writer.segments[1].path
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    journal = Journal.open(tmp_path)
    with pytest.raises(JournalCorrupt, match=rf"{second.name} offset \d+: no whole record"):
        list(journal.replay(0))


def test_a_missing_segment_is_named(tmp_path: Path) -> None:
    writer = write(tmp_path, [[b"\x90"] for _ in range(20)], segment_bytes=150)
    writer.segments[1].path.unlink()
    journal = Journal.open(tmp_path)
    with pytest.raises(JournalCorrupt, match=r"ends with position 4; expected 8"):
        list(journal.replay(0))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [[b"x"]]).segments[0].path
    content = bytearray(path.read_bytes())
    content[8] = 9
    path.write_bytes(content)
    with pytest.raises(JournalCorrupt, match=r"format 9; expected 1"):
        Journal.open(tmp_path)


def test_a_segment_cut_within_its_header_is_named(tmp_path: Path) -> None:
    segment_path(tmp_path, 1).write_bytes(b"TOCSINJ\n\x01")
    with pytest.raises(JournalCorrupt, match="offset 0"):
        Journal.open(tmp_path)


def test_a_crash_while_a_segment_is_made_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, [[b"a"]])
    (tmp_path / (segment_path(tmp_path, 2).name + ".new")).write_bytes(b"TOCS")
    assert recovered(tmp_path) == [b"a"]
    assert [file.name for file in tmp_path.iterdir()] == [segment_path(tmp_path, 1).name]
