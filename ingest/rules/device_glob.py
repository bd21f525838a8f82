"""Which devices a rule is for: a glob over device ids."""

import re
from dataclasses import dataclass, field

MAX_GLOB = 256


@dataclass(frozen=True, slots=True)
class DeviceGlob:
    """`*` stands for any characters, also none, `?` for exactly one; the rest for itself.

    Upper and lower case differ. Matching takes time proportional to the id for each `*`.

    Raises ValueError for a glob that is empty, too long or cannot be part of an id.
    """

    text: str
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.text or len(self.text) > MAX_GLOB or not self.text.isprintable():
            raise ValueError(
                f"{self.text[:64]!r} is no pattern of device ids;"
                f" expected 1 to {MAX_GLOB} printable characters, as in 'boiler-*'"
            )
        object.__setattr__(self, "_pattern", re.compile(_translate(self.text), re.DOTALL))

    def matches(self, device: str) -> bool:
        return self._pattern.fullmatch(device) is not None


def _translate(glob: str) -> str:
    """The regular expression. A part between two stars takes its first place for good.

    That is right because the star behind it takes what is left over, and the atomic groups spare
    us the exponential search of `.*a.*a.*a`.
    """
    first, *rest = (
        "".join("." if character == "?" else re.escape(character) for character in part)
        for part in re.split(r"\*+", glob)
    )
    if not rest:
        return first
    *middle, last = rest
    return first + "".join(f"(?>.*?{part})" for part in middle) + f".*{last}"
