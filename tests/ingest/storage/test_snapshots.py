"""Snapshots: the newest whole one wins, two are kept."""

from pathlib import Path

from tocsin.ingest.storage.snapshots import Snapshot, Snapshots


def test_two_are_kept_and_the_journal_may_be_trimmed_to_the_older(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "snapshots")
    assert list(snapshots.whole()) == []
    assert snapshots.save(10, 1.0, [b"ten"]) == 0
    assert snapshots.save(25, 2.0, [b"twenty-five"]) == 10
    assert snapshots.save(300, 3.0, [b""]) == 25
    assert list(Snapshots(tmp_path / "snapshots").whole()) == [
        Snapshot(300, 3.0, b""),
        Snapshot(25, 2.0, b"twenty-five"),
    ]
    assert len(list((tmp_path / "snapshots").iterdir())) == 2


def test_a_damaged_one_is_passed_over_and_said(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.save(10, 1.0, [b"ten" * 100])
    snapshots.save(20, 2.0, [b"twenty" * 100])
    newest = max(tmp_path.iterdir())
    whole = newest.read_bytes()
    rotten = bytearray(whole)
    rotten[-1] ^= 1
    for damaged in (whole[:-1], whole[:5], b"", bytes(rotten)):
        newest.write_bytes(damaged)
        assert list(snapshots.whole()) == [Snapshot(10, 1.0, b"ten" * 100)]
        assert newest.name in snapshots.skipped[0]
    newest.write_bytes(whole)
    assert next(snapshots.whole()) == Snapshot(20, 2.0, b"twenty" * 100)
    assert snapshots.skipped == []
