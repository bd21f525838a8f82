"""Where users' functions are: the files of a folder, entry points of packages."""

from pathlib import Path

GROUP = "tocsin.functions"

Stamp = tuple[tuple[str, int, int], ...]


def function_files(folder: Path | None) -> list[Path]:
    """The Python files of a folder by name, without those that begin with `_`."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))


def stamp(folder: Path | None) -> Stamp:
    """What tells that a file was added, changed or removed, also one that others import."""
    found: list[tuple[str, int, int]] = []
    if folder is not None and folder.is_dir():
        for file in sorted(folder.glob("*.py")):
            try:
                now = file.stat()
            except OSError:
                continue
            found.append((file.name, now.st_mtime_ns, now.st_size))
    return tuple(found)
