"""The message of an alert: a template with places for values, filled in by hand.

`{device}`, `{rule}`, `{subject}`, `{severity}` and the name of any metric; `{temp_c:.1f}` fixes
the digits after the point (0 to 9); `{tag.site}` is a tag of the device. A metric that has one of
the four names, or `{`, `}` or `:` in its name, goes in backticks. `{{` and `}}` are brackets. It is
never `str.format`, which would let a template reach into objects and ask for a gigabyte of padding.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

MAX_TEMPLATE = 500
"""Characters of a template."""

MAX_MESSAGE = 1000
"""Characters of a message; what is longer ends in …"""

MAX_VALUE = 64
"""Characters of one text value in a message; what is longer ends in …"""

TAG_PLACE = "tag."
"""What the place of a tag begins with."""

ABOUT = ("device", "rule", "subject", "severity")

Value = float | bool | str

_PIECE = re.compile(
    r"(?P<literal>[^{}]+)|(?P<open>\{\{)|(?P<close>\}\})"
    r"|\{(?P<name>`(?:[^`]|``)+`|[^{}:`]+)(?::(?P<spec>[^{}]*))?\}"
)
_SPEC = re.compile(r"\.([0-9])f")


class TemplateError(ValueError):
    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes. `metric` tells a metric from one of ABOUT."""

    name: str
    metric: bool
    digits: int | None


@dataclass(frozen=True, slots=True)
class Template:
    pieces: tuple[str | Place, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics it shows, in order of appearance, each once."""
        places = (piece for piece in self.pieces if isinstance(piece, Place))
        return tuple(dict.fromkeys(place.name for place in places if place.metric))

    def fill(self, about: Mapping[str, str], values: Mapping[str, Value]) -> str:
        """The message: ABOUT from `about`, metrics from `values`, `?` for what is missing."""
        text = "".join(
            piece if isinstance(piece, str) else _filled(piece, about, values)
            for piece in self.pieces
        )
        return _cut(text, MAX_MESSAGE)


@lru_cache(maxsize=1024)
def parse_template(text: str) -> Template:
    """The template that `text` describes.

    Raises TemplateError, which names the column, the piece and what was expected.
    """
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(
            f"the message has {len(text)} characters; expected at most {MAX_TEMPLATE}",
            MAX_TEMPLATE + 1,
        )
    pieces: list[str | Place] = []
    at = 0
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None:
            raise TemplateError(
                f"{text[at : at + 24]!r} at column {at + 1} is no place for a value; expected"
                " a name in brackets, as in {temp_c} or {temp_c:.1f} ({{ and }} for brackets)",
                at + 1,
            )
        if found["literal"]:
            pieces.append(found["literal"])
        elif found["name"]:
            pieces.append(_place(found, at + 1))
        else:
            pieces.append(text[at])
        at = found.end()
    return Template(tuple(pieces))


def format_message(
    template: str, values: Mapping[str, Value], *, device: str | None, **about: str
) -> str:
    """The message of `template`. An empty one lists the values: `boiler-overheat: temp_c 95`."""
    if not template:
        listed = ", ".join(f"{name} {_shown(value, None)}" for name, value in values.items())
        return _cut(f"{about.get('rule', '')}: {listed}" if listed else about.get("rule", ""), 200)
    if device is not None:
        about["device"] = device
    return parse_template(template).fill(about, values)


def _place(found: re.Match[str], column: int) -> Place:
    name, spec = found["name"], found["spec"]
    digits = None
    if spec is not None:
        shape = _SPEC.fullmatch(spec)
        if shape is None:
            raise TemplateError(
                f"format {spec[:24]!r} of {found[0][:48]!r} at column {column} is not known;"
                " expected the digits after the point, as in {temp_c:.1f}",
                column,
            )
        digits = int(shape[1])
    if name.startswith("`"):
        return Place(name[1:-1].replace("``", "`"), True, digits)
    name = name.strip()
    if not name:
        raise TemplateError(
            f"{found[0]!r} at column {column} has no name; expected one, as in {{temp_c}}", column
        )
    return Place(name, name not in ABOUT, digits)


def _filled(place: Place, about: Mapping[str, str], values: Mapping[str, Value]) -> str:
    value = values.get(place.name) if place.metric else about.get(place.name)
    return "?" if value is None else _shown(value, place.digits)


def _shown(value: Value, digits: int | None) -> str:
    if isinstance(value, str):
        return _cut(value, MAX_VALUE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if math.isnan(value):
        return "?"
    if value and not 1e-3 <= abs(value) < 1e15:
        return f"{value:.6g}" if digits is None or abs(value) > 1 else f"{value:.{digits}f}"
    if digits is None:
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{value:.{digits}f}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
