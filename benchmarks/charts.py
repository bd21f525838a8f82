"""Charts as SVG text: legible on light and dark pages, no library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, BAR, GAP, VALUE = 720, 190, 22, 10, 90
COLOURS = ("#2f6f8f", "#9a9a9a", "#b7b7b7", "#d0d0d0")


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float
    low: float
    high: float


def bar_chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars from zero, each with a line from the smallest to the largest run."""
    height = 34 + len(bars) * (BAR + GAP) + 8
    longest = max((bar.high for bar in bars), default=1.0) or 1.0
    scale = (WIDTH - LABEL - VALUE) / longest
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label="{escape(title)}">',
        "<style>text{fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
        f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for i, bar in enumerate(bars):
        top = 34 + i * (BAR + GAP)
        middle = top + BAR / 2
        end = LABEL + bar.value * scale
        low, high = LABEL + bar.low * scale, LABEL + bar.high * scale
        lines += [
            f'<text x="{LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">'
            f"{escape(bar.label)}</text>",
            f'<rect x="{LABEL}" y="{top}" width="{max(1.0, end - LABEL):.1f}" height="{BAR}" '
            f'fill="{COLOURS[min(i, len(COLOURS) - 1)]}"/>',
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#c0392b" stroke-width="2"/>',
            f'<text x="{max(end, high) + 6:.1f}" y="{middle + 4:.1f}">'
            f"{number(bar.value)} {escape(unit)}</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])


def line_chart(
    title: str, unit: str, points: Sequence[str], lines: Mapping[str, Sequence[float | None]]
) -> str:
    """A line for each server over named points at equal distances; from zero; None is a gap."""
    height, left, right, top, bottom = 260, 70, 70, 34, 206
    step = (WIDTH - left - right) / max(1, len(points) - 1)
    highest = max((value for line in lines.values() for value in line if value), default=1.0)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label="{escape(title)}">',
        "<style>text{fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
        f'<text x="0" y="16" font-weight="bold">{escape(title)}, {escape(unit)}</text>',
        f'<path d="M{left} {bottom}H{WIDTH - right}" stroke="#888"/>',
        f'<text x="{left - 8}" y="{top + 5}" text-anchor="end">{number(highest)}</text>',
        f'<text x="{left - 8}" y="{bottom + 4}" text-anchor="end">0</text>',
    ]
    for i, point in enumerate(points):
        drawn.append(
            f'<text x="{left + i * step:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{escape(point)}</text>"
        )
    for n, (name, values) in enumerate(lines.items()):
        colour = COLOURS[min(n, len(COLOURS) - 1)]
        places = [
            (left + i * step, bottom - value / highest * (bottom - top))
            for i, value in enumerate(values)
            if value is not None
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        drawn.append(
            f'<text x="{left + n * 190}" y="{bottom + 44}" style="fill:{colour}">'
            f"{escape(name)}</text>"
        )
    return "\n".join([*drawn, "</svg>", ""])


def number(value: float) -> str:
    """Three significant digits, thousands separated."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
