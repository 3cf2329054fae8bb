"""A measure against the size of a model, on a logarithmic axis, with the laws that were fitted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from segue.evaluation.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, short, ticks
from segue.evaluation.scaling import Law

COLOURS = ("#0f9b8e", "#d97706", "#7c6ee6", "#db4b7e", "#4d8f2f", "#2f86d6")
MARGIN = 14
"""Between the outermost points and the ends of the axis."""


def scaling_chart(
    points: Mapping[str, Sequence[tuple[float, float]]], laws: Mapping[str, Law | None], label: str
) -> str:
    """Lines of (size, value) by name; values of one size are seeds: a dot at their mean, a bar to the outermost."""
    sizes = sorted({size for line in points.values() for size, _ in line})
    if not sizes:
        return ""
    values = [value for line in points.values() for _, value in line]
    curves = {name: _curve(law, sizes) for name, law in laws.items() if law is not None}
    heights = values + [value for curve in curves.values() for _, value in curve]
    y_ticks = ticks(min(heights), max(heights), 4)
    low, high = min(y_ticks[0], *heights), max(y_ticks[-1], *heights)
    left, right = math.log10(sizes[0]), math.log10(sizes[-1])

    def across(size: float) -> float:
        share = (math.log10(size) - left) / (right - left) if right > left else 0.5
        return LEFT + MARGIN + share * (WIDTH - LEFT - RIGHT - 2 * MARGIN)

    def up(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in y_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    parts += [
        f'<text x="{across(size):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{short(size)}</text>' for size in sizes
    ]
    said = []
    for place, (name, line) in enumerate(points.items()):
        colour = colour_of(place)
        if name in curves:
            corners = " ".join(f"{across(size):.1f},{up(value):.1f}" for size, value in curves[name])
            parts.append(f'<polyline class="line" style="stroke:{colour}" points="{corners}"/>')
        for size in sorted({size for size, _ in line}):
            mine = [value for one, value in line if one == size]
            mean = sum(mine) / len(mine)
            said.append(f"{name} {short(size)}: {mean:.4f}")
            parts.append(
                f'<line class="line thin" style="stroke:{colour}" x1="{across(size):.1f}" x2="{across(size):.1f}" '
                f'y1="{up(min(mine)):.1f}" y2="{up(max(mine)):.1f}"/>'
                f'<circle style="fill:{colour}" cx="{across(size):.1f}" cy="{up(mean):.1f}" r="3.5"/>'
            )
    return drawing(parts, HEIGHT, f"{label}: {'; '.join(said)}")


def colour_of(place: int) -> str:
    """The colour of a line."""
    return COLOURS[place % len(COLOURS)]


def _curve(law: Law, sizes: Sequence[float]) -> list[tuple[float, float]]:
    return [(float(size), law.at(float(size))) for size in np.geomspace(sizes[0], sizes[-1], 40)]
