"""The zones of several files."""

from collections.abc import Sequence
from pathlib import Path

from tocsin.ingest.geo.geojson import ZoneFileError, load_zones
from tocsin.ingest.geo.zone import Zone
from tocsin.refusal import Refusal


def read_zones(files: Sequence[Path]) -> tuple[list[Zone], str]:
    """The zones of several files, and what these are called together.

    Raises Refusal with every mistake found, a line each.
    """
    zones: dict[str, Zone] = {}
    problems: list[str] = []
    for file in files:
        try:
            for zone in load_zones(file):
                if zone.name in zones:
                    problems.append(f"{file}: zone {zone.name!r} is in another file already")
                zones[zone.name] = zone
        except ZoneFileError as error:
            problems += error.problems
        except OSError as error:
            problems.append(f"{file}: cannot be read: {error.strerror or error}")
    if problems:
        raise Refusal("\n  ".join(["zones are not valid:", *problems]))
    return list(zones.values()), ", ".join(file.name for file in files)
