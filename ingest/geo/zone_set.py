"""The zones there are, from their two sources, and what they were before."""

from collections.abc import Iterable, Sequence

import msgspec

from tocsin.ingest.geo.shape import Shape
from tocsin.ingest.geo.zone import Zone, ZoneError

API = "api"

MAX_ZONES = 1000

MAX_VERTICES_IN_ALL = 100_000
"""Of all zones, and of all their past forms that are kept: some MB in each snapshot."""

MAX_VERSIONS = 1000
"""Past forms of zones that are kept for backtests, the newest ones."""


class ZoneEntry(msgspec.Struct, frozen=True):
    """A zone and where it comes from: `source` is `api` or `file:<name>`. `updated_at` is engine
    time."""

    zone: Zone
    source: str
    updated_by: str
    updated_at: float


class ZoneVersion(msgspec.Struct, frozen=True):
    """What the zone of a name became at engine time `at`; None: it was deleted."""

    name: str
    at: float
    zone: Zone | None


class ZoneSet:
    """Owns the zones by name, their shapes, and their past forms."""

    def __init__(self) -> None:
        self._entries: dict[str, ZoneEntry] = {}
        self._shapes: dict[str, Shape] = {}
        self._versions: list[ZoneVersion] = []

    def put(self, zone: Zone, *, by: str, at: float) -> set[str]:
        """Creates or replaces a zone of the API; the names of those that are not as before.

        Raises ZoneError where a file has one of this name, or there are too many.
        """
        before = self._entries.get(zone.name)
        if before is not None and before.source != API:
            raise _two_sources(zone.name, before.source)
        if before is not None and before.zone == zone:
            return set()
        if before is None and len(self._entries) >= MAX_ZONES:
            raise ZoneError([], f"{zone.name!r} is one zone too many; the cap is {MAX_ZONES}")
        others = sum(e.zone.vertices for name, e in self._entries.items() if name != zone.name)
        if others + zone.vertices > MAX_VERTICES_IN_ALL:
            raise ZoneError(
                ["geometry", "coordinates"],
                f"has {zone.vertices} vertices and the other zones {others}; expected at most"
                f" {MAX_VERTICES_IN_ALL} in all",
            )
        self._set(zone, API, by, at)
        return {zone.name}

    def delete(self, name: str, used_by: Sequence[str], *, at: float) -> set[str]:
        """Deletes a zone of the API; its name.

        Raises KeyError for an unknown name, ZoneError for one from a file, or that rules read.
        """
        entry = self._entries[name]
        if entry.source != API:
            file = entry.source.removeprefix("file:")
            raise ZoneError([], f"{name!r} comes from {file}; expected one of the API")
        if used_by:
            raise ZoneError([], f"{name!r} is read by the rules {', '.join(used_by[:10])}")
        self._drop(name, at)
        return {name}

    def load(self, zones: Sequence[Zone], *, file: str, at: float) -> set[str]:
        """Replaces all zones from files; the names of those that are not as before.

        Raises ZoneError where the API has one of their names.
        """
        source = f"file:{file}"
        self.check_file_names(zone.name for zone in zones)
        names = {zone.name for zone in zones}
        gone = [n for n, e in self._entries.items() if e.source != API and n not in names]
        for name in gone:
            self._drop(name, at)
        changed = set(gone)
        for zone in zones:
            before = self._entries.get(zone.name)
            if before is None or before.zone != zone:
                self._set(zone, source, source, at)
                changed.add(zone.name)
        return changed

    def check_file_names(self, names: Iterable[str]) -> None:
        """Nothing, if a file may have zones of these names. Raises ZoneError."""
        for name in names:
            entry = self._entries.get(name)
            if entry is not None and entry.source == API:
                raise _two_sources(name, API)

    def become(self, version: ZoneVersion) -> None:
        """Be what it says, in a replay."""
        if version.zone is not None:
            self._set(version.zone, API, "", version.at)
        elif version.name in self._entries:
            self._drop(version.name, version.at)

    def get(self, name: str) -> ZoneEntry | None:
        return self._entries.get(name)

    def shape(self, name: str) -> Shape | None:
        return self._shapes.get(name)

    def entries(self) -> list[ZoneEntry]:
        """All zones, by name."""
        return [self._entries[name] for name in sorted(self._entries)]

    def names(self) -> list[str]:
        return sorted(self._entries)

    def versions(self, since: float, until: float) -> list[ZoneVersion]:
        """What zones were at engine time `since`, and became until `until`, in order."""
        first: dict[str, ZoneVersion] = {}
        later: list[ZoneVersion] = []
        for version in self._versions:
            if version.at <= since:
                first[version.name] = version
            elif version.at < until:
                later.append(version)
        return [*first.values(), *later]

    def _set(self, zone: Zone, source: str, by: str, at: float) -> None:
        self._shapes[zone.name] = Shape(zone)
        self._entries[zone.name] = ZoneEntry(zone, source, by, at)
        self._note(ZoneVersion(zone.name, at, zone))

    def _drop(self, name: str, at: float) -> None:
        del self._entries[name], self._shapes[name]
        self._note(ZoneVersion(name, at, None))

    def _note(self, version: ZoneVersion) -> None:
        """Keep what became of a zone, and forget the oldest that is of no use any more: another
        form of its zone came after it."""
        self._versions.append(version)
        spare = len(self._versions) - MAX_VERSIONS
        spare_vertices = sum(map(_vertices, self._versions)) - MAX_VERTICES_IN_ALL
        if spare <= 0 and spare_vertices <= 0:
            return
        newest = {each.name: index for index, each in enumerate(self._versions)}
        kept: list[ZoneVersion] = []
        for index, each in enumerate(self._versions):
            if (spare > 0 or spare_vertices > 0) and newest[each.name] != index:
                spare -= 1
                spare_vertices -= _vertices(each)
            else:
                kept.append(each)
        self._versions = kept

    # -- snapshots

    def state(self) -> bytes:
        return msgspec.msgpack.encode(_Snapshot(self.entries(), self._versions))

    def restore(self, data: bytes) -> None:
        """Takes the place of everything here. Raises ValueError for what is no state of it."""
        snapshot = msgspec.msgpack.decode(data, type=_Snapshot)
        self._entries = {entry.zone.name: entry for entry in snapshot.entries}
        self._shapes = {name: Shape(entry.zone) for name, entry in self._entries.items()}
        self._versions = snapshot.versions


class _Snapshot(msgspec.Struct, frozen=True):
    entries: list[ZoneEntry]
    versions: list[ZoneVersion]


def _vertices(version: ZoneVersion) -> int:
    return version.zone.vertices if version.zone else 0


def _two_sources(name: str, source: str) -> ZoneError:
    place = "the API" if source == API else source.removeprefix("file:")
    return ZoneError(
        [], f"{name!r} exists already, from {place}; a zone has one source: rename one of the two"
    )
