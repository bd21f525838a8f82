"""Files of zones: a GeoJSON FeatureCollection, one Feature a zone."""

from pathlib import Path
from typing import Any, cast

import msgspec

from tocsin.ingest.geo.zone import Zone, ZoneError, zone_of
from tocsin.ingest.geo.zone_set import MAX_ZONES

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Bytes of a file of zones."""


class ZoneFileError(ValueError):
    """A file that cannot be used. `problems` are lines that name file, zone and place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_zones(path: Path) -> list[Zone]:
    """The zones of the file at `path`, of different names.

    Raises ZoneFileError with every problem of the file; OSError when it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ZoneFileError([f"{path.name}: is over {MAX_FILE_BYTES} bytes; expected zones only"])
    return read_zones(content, path.name)


def read_zones(content: bytes, file: str) -> list[Zone]:
    """As `load_zones`, from the content of a file named `file`."""
    try:
        document: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ZoneFileError([f"{file}: is not JSON: {error or 'nested too deep'}"]) from None
    table = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    features: Any = table.get("features")
    if table.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise ZoneFileError([f"{file}: is no GeoJSON FeatureCollection with features"])
    features = cast("list[object]", features)
    if len(features) > MAX_ZONES:
        raise ZoneFileError([f"{file}: has {len(features)} zones; expected at most {MAX_ZONES}"])
    zones: dict[str, Zone] = {}
    problems: list[str] = []
    for number, feature in enumerate(features, 1):
        try:
            zone = zone_of(feature)
        except ZoneError as error:
            problems.append(f"{file}: zone {number}{_named(feature)}: {error}")
            continue
        if zone.name in zones:
            problems.append(f"{file}: zone {number}: {zone.name!r} is the name of another one too")
        zones[zone.name] = zone
    if problems:
        raise ZoneFileError(problems)
    return list(zones.values())


def _named(feature: object) -> str:
    """Its name for an error, if it says one."""
    found = feature
    for key in ("properties", "name"):
        found = cast("dict[str, Any]", found).get(key) if isinstance(found, dict) else None
    return f" {found[:64]!r}" if isinstance(found, str) else ""
