"""Which devices a rule is for: a glob over their ids, and tags that they must have."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin.ingest.rules.device_glob import DeviceGlob


@dataclass(frozen=True, slots=True)
class Selector:
    """A device matches with its id and all of `tags`, pairs of name and value in order of name."""

    glob: DeviceGlob
    tags: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, devices: str, tags: Mapping[str, str]) -> "Selector":
        """Raises ValueError for what is no glob."""
        return cls(DeviceGlob(devices), tuple(sorted(tags.items())))

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Equal for selectors that ask alike."""
        return self.glob.text, self.tags

    def matches(self, device: str, tags: Mapping[str, str]) -> bool:
        return self.glob.matches(device) and all(tags.get(name) == v for name, v in self.tags)

    def __str__(self) -> str:
        return " ".join([self.glob.text, *(f"{name}={value}" for name, value in self.tags)])
