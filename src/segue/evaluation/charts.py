"""Small drawings for reports, as inline SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 26
WIDE, SHORT_NAME, NAME = 540, 17, 42
"""How wide intervals are drawn where a name has more letters than the second, and the most letters that are shown."""


def line_chart(points: Sequence[tuple[float, float]], label: str) -> str:
    """A curve over steps. Points that are not finite are left out; a long curve is thinned to what the eye can see."""
    finite = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return ""
    thin = finite[:: max(len(finite) // 400, 1)]
    thin = thin if thin[-1] == finite[-1] else [*thin, finite[-1]]
    x_ticks = ticks(min(x for x, _ in thin), max(x for x, _ in thin), 4)
    y_ticks = ticks(min(y for _, y in thin), max(y for _, y in thin), 4)
    x_low, x_high = min(x for x, _ in thin), max(x for x, _ in thin)
    y_low = min(y_ticks[0], *(y for _, y in thin))
    y_high = max(y_ticks[-1], *(y for _, y in thin))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low) if x_high > x_low else 0.5
        up = (y - y_low) / (y_high - y_low) if y_high > y_low else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = []
    for y in y_ticks:
        _, height = place(x_low, y)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{short(y)}</text>')
    for x in x_ticks:
        if x_low <= x <= x_high:
            across, _ = place(x, y_low)
            parts.append(f'<text x="{across:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{short(x)}</text>')
    placed = [place(x, y) for x, y in thin]
    if len(placed) > 1:
        parts.append(f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>')
    x, y = placed[-1]
    parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    said = f"{label}: from {short(finite[0][1])} to {short(finite[-1][1])} over {len(finite)} points"
    return drawing(parts, HEIGHT, said)


def decile_chart(recommended: Sequence[float], chosen: Sequence[float]) -> str:
    """Two bars for each tenth of the catalogue: what was recommended, and what users had chosen."""
    said = f"Most popular tenth of the catalogue: {recommended[0]:.0%} of recommendations, {chosen[0]:.0%} of choices"
    return pair_chart(recommended, chosen, said)


def pair_chart(ours: Sequence[float], others: Sequence[float], said: str) -> str:
    """Two bars of shares for each of the places 1, 2, ..., ours standing out; `said` is for who cannot see it."""
    top = max(*ours, *others, 1e-9)
    y_ticks = ticks(0.0, top, 4)
    highest = max(y_ticks[-1], top)
    span = HEIGHT - TOP - BOTTOM
    step = (WIDTH - LEFT - RIGHT) / len(ours)
    wide = min(0.36 * step, 40.0)
    parts = []
    for y in y_ticks:
        height = HEIGHT - BOTTOM - y / highest * span
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{_share(y, y_ticks[-1])}</text>')
    for place, (mine, other) in enumerate(zip(ours, others, strict=True)):
        middle = LEFT + (place + 0.5) * step
        for value, kind, start in ((other, "quiet", middle - 1.05 * wide), (mine, "bar", middle + 0.05 * wide)):
            tall = value / highest * span
            parts.append(
                f'<rect class="{kind}" x="{start:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" '
                f'width="{wide:.1f}" height="{tall:.1f}" rx="1"><title>{_share(value, value)}</title></rect>'
            )
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{place + 1}</text>')
    return drawing(parts, HEIGHT, said)


def ranked_chart(counts: Sequence[int], even: float, said: str) -> str:
    """Counts, the largest first, as one falling shape, with a dotted line where all of them would be alike."""
    top = max(*counts, even, 1e-9)
    y_ticks = ticks(0.0, top, 4)
    highest = max(y_ticks[-1], top)
    span, step = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT - RIGHT) / len(counts)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - value / highest * span

    parts = []
    for y in y_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(y) + 4:.1f}" text-anchor="end">{short(y)}</text>')
    corners = [f"{LEFT},{HEIGHT - BOTTOM}"]
    for place, count in enumerate(counts):
        start = LEFT + place * step
        corners += [f"{start:.1f},{up(count):.1f}", f"{start + step:.1f},{up(count):.1f}"]
    corners.append(f"{WIDTH - RIGHT},{HEIGHT - BOTTOM}")
    parts.append(f'<polygon class="bar" points="{" ".join(corners)}"/>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(even):.1f}" y2="{up(even):.1f}"/>')
    return drawing(parts, HEIGHT, said)


def sweep_chart(lines: Sequence[Sequence[tuple[float, float, float]]], defaults: Sequence[float], label: str) -> str:
    """What came of varying a quantity: two lines of (quantity, mean, deviation), the first standing out.

    Quantities over two decades or more stand on a logarithmic axis. 0 has then a place at the left of it, and the way
    there is not drawn as a line. `defaults` are ringed.
    """
    values = sorted({x for line in lines for x, _, _ in line})
    if not values:
        return ""
    positive = [x for x in values if x > 0]
    logarithmic = values[0] >= 0 and bool(positive) and positive[-1] >= 100 * positive[0]
    along = {x: x for x in values}
    if logarithmic:
        along = {x: math.log10(x) if x > 0 else math.log10(positive[0]) - 1 for x in values}
    left, right = along[values[0]], along[values[-1]]
    ends = [mean + sign * deviation for line in lines for _, mean, deviation in line for sign in (-1, 1)]
    y_ticks = ticks(min(ends), max(ends), 4)
    low, high = min(y_ticks[0], *ends), max(y_ticks[-1], *ends)
    margin = 14

    def across(x: float) -> float:
        share = (along[x] - left) / (right - left) if right > left else 0.5
        return LEFT + margin + share * (WIDTH - LEFT - RIGHT - 2 * margin)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - ((y - low) / (high - low) if high > low else 0.5) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for y in y_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(y):.1f}" y2="{up(y):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(y) + 4:.1f}" text-anchor="end">{short(y)}</text>')
    parts += [f'<text x="{across(x):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{short(x)}</text>' for x in values]
    for line, second in reversed(list(zip(lines, ("", " second"), strict=True))):
        ordered = sorted(line)
        joined = [(across(x), up(mean)) for x, mean, _ in ordered if x > 0 or not logarithmic]
        if len(joined) > 1:
            corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in joined)
            parts.append(f'<polyline class="line{second}" points="{corners}"/>')
        for x, mean, deviation in ordered:
            if deviation:
                parts.append(
                    f'<line class="line{second}" x1="{across(x):.1f}" x2="{across(x):.1f}" '
                    f'y1="{up(mean - deviation):.1f}" y2="{up(mean + deviation):.1f}"/>'
                )
            dot = "quiet" if second else "dot"
            parts.append(f'<circle class="{dot}" cx="{across(x):.1f}" cy="{up(mean):.1f}" r="3.5"/>')
            if x in defaults and not second:
                parts.append(f'<circle class="line" cx="{across(x):.1f}" cy="{up(mean):.1f}" r="7"/>')
    said = "; ".join(f"{short(x)}: {short(mean)}" for x, mean, _ in sorted(lines[0]))
    return drawing(parts, HEIGHT, f"{label}: {said}")


def interval_chart(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Name, difference and its interval, one under the other, against a line at 0."""
    if not rows:
        return ""
    letters = min(max(len(name) for name, *_ in rows), NAME)
    row_height, left, width = (30, 116, WIDTH) if letters <= SHORT_NAME else (30, 20 + round(6.2 * letters), WIDE)
    height = TOP + row_height * len(rows) + BOTTOM
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    margin = 0.06 * (high - low or 1.0)
    low, high = low - margin, high + margin

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - RIGHT)

    bottom = height - BOTTOM
    parts = [f'<line class="axis" x1="{across(0.0):.1f}" x2="{across(0.0):.1f}" y1="{TOP - 6}" y2="{bottom}"/>']
    parts += [
        f'<text x="{across(tick):.1f}" y="{height - 8}" text-anchor="middle">{signed(tick)}</text>'
        for tick in ticks(low, high, 3)
        if low <= tick <= high
    ]
    for place, (name, mean, start, end) in enumerate(rows):
        middle = TOP + (place + 0.5) * row_height
        sure = "bar" if start > 0 or end < 0 else "quiet"
        shown = name if len(name) <= NAME else name[: NAME - 1] + "…"
        parts += [
            f'<text x="{left - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(shown)}</text>',
            f'<rect class="{sure}" x="{across(start):.1f}" y="{middle - 2:.1f}" '
            f'width="{max(across(end) - across(start), 1):.1f}" height="4" rx="2"/>',
            f'<circle class="{sure}" cx="{across(mean):.1f}" cy="{middle:.1f}" r="5"/>',
        ]
    said = "; ".join(f"{name} {signed(mean)} ({signed(start)} to {signed(end)})" for name, mean, start, end in rows)
    return drawing(parts, height, said, width)


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers that span low to high."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def short(value: float) -> str:
    """A number as an axis shows it: 1200 is 1.2k."""
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}" if abs(value) >= 1e-9 else "0"


def _share(value: float, largest: float) -> str:
    """With so many decimals that small shares do not all read 0 %."""
    return f"{value:.1%}" if largest >= 0.05 else f"{value:.2%}" if largest >= 0.005 else f"{value:.2g}"


def signed(value: float) -> str:
    """A difference as an axis shows it."""
    return "0" if abs(value) < 1e-9 else f"{value:+.3g}".replace("-", "\N{MINUS SIGN}")


def drawing(parts: Sequence[str], height: int, said: str, width: int = WIDTH) -> str:
    """The parts as one picture; `said` is for who cannot see it."""
    opening = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said, quote=True)}">'
    return opening + "".join(parts) + "</svg>"
