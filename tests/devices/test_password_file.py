"""The password file: what it holds, what is wrong with one, and when it is read again."""

from pathlib import Path

import pytest

from tocsin.devices.credentials import Identity, Role
from tocsin.devices.password_file import (
    Entry,
    PasswordFile,
    PasswordFileError,
    put_entry,
    read_entries,
)

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g"


def test_lines_are_users_with_their_roles() -> None:
    entries = read_entries(f"# people\n\nboiler-1:{HASH}\nolga:{HASH}:operator\n")
    assert entries["boiler-1"].identity() == Identity(Role.DEVICE, "boiler-1", "boiler-1")
    assert entries["olga"].identity() == Identity(Role.OPERATOR, "olga", None)
    assert [str(entry) for entry in entries.values()] == [
        f"boiler-1:{HASH}",
        f"olga:{HASH}:operator",
    ]


WRONG = {
    "b": "line 1: user 'b' has 0 fields; expected name:hash or name:hash:role",
    f"\n:{HASH}": "line 2: user name '' is not usable",
    f"a/b:{HASH}": "line 1: user name 'a/b' is not usable",
    f"b:{HASH}\nb:{HASH}": "line 2: user 'b' stands here twice",
    "b:hunter2": "line 1: user 'b' has no argon2 hash; make one with `tocsin devices password`",
    f"b:{HASH}:root": "line 1: user 'b' has the role 'root'; expected device or operator",
    f"b:{HASH}:device:x": "line 1: user 'b' has 3 fields",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=range(len(WRONG)))
def test_mistakes_are_named_and_secrets_are_not(text: str, message: str) -> None:
    with pytest.raises(PasswordFileError) as raised:
        read_entries(text)
    assert str(raised.value).startswith(message)
    assert "hunter2" not in str(raised.value)


def test_a_changed_file_is_read_again_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    with pytest.raises(PasswordFileError, match=r"passwords: No such file"):
        PasswordFile(path)
    put_entry(path, Entry("b1", HASH))
    assert path.stat().st_mode & 0o777 == 0o600
    file = PasswordFile(path)
    assert not file.refresh()
    put_entry(path, Entry("b2", HASH, Role.OPERATOR))
    assert file.find("b2") is None
    assert file.refresh()
    assert (len(file), file.find("b2")) == (2, Entry("b2", HASH, Role.OPERATOR))
    path.write_text("b1")
    with pytest.raises(PasswordFileError, match=r"passwords, line 1: user 'b1' has 0 fields"):
        file.refresh()
    assert len(file) == 2
    path.unlink()
    with pytest.raises(PasswordFileError, match="No such file"):
        file.refresh()


def test_an_entry_takes_the_place_of_one_of_its_name(tmp_path: Path) -> None:
    path = tmp_path / "passwords"
    path.write_text(f"# ours\nb1:{HASH}\nb2:{HASH}\n")
    put_entry(path, Entry("b1", HASH + "x"))
    assert path.read_text() == f"# ours\nb2:{HASH}\nb1:{HASH}x\n"
    path.write_text("not such a file")
    with pytest.raises(PasswordFileError):
        put_entry(path, Entry("b1", HASH))
    assert path.read_text() == "not such a file"
