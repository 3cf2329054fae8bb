"""A study's report as a page: the claim in words, the table, and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from segue.core.whole import write_text
from segue.evaluation.charts import interval_chart, short, ticks
from segue.evaluation.sheet import figure, sheet, table
from segue.workflows.study_table import CLAIMED, Cell, StudyReport, StudyRow

MEANINGS = {
    "hidden recall": "share of the hidden favourites in the list: liked, never shown before, not in the history",
    "value": "P(click | shown) of the list over that of the best list there is",
    "HR": "share of users whose next click is in the list; it had to be shown first, so this rewards the shop's habits",
    "NDCG": "the same, higher places counting more",
    "diversity": "how little two items of a list share in categories: 0 all alike, 1 nothing shared",
    "coverage": "share of the catalogue that is recommended to anybody",
    "gini": "inequality between items: 0 all alike, 1 one takes all",
    "popularity lift": "popularity of what is recommended over that of what users chose; the ideal's is taste alone",
    "rank correlation": "Spearman's, of P(item) and true preference over the items not in the history",
    "slope": "of log P(item) on log preference: 1 is in proportion, above it too sure, below it too even",
    "calibration error": "share of the probability that stands in a wrong bin: 0 each bin keeps what it promises",
}
COLOURS = ("#0f9b8e", "#d97706", "#7c6ee6", "#db4b7e", "#4d8f2f", "#2f86d6", "#a8703a", "#c0a000")
GREY = "#8a9094"
LOWEST = -3
"""The power of ten, in even shares, where a reliability picture begins at the earliest."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 260, 46, 16, 22, 40


def write_study_page(path: Path, report: StudyReport) -> None:
    """Write the page; a reader sees the old one or the new one."""
    write_text(path, study_page(report))


def study_page(report: StudyReport) -> str:
    """The whole page as text."""
    return sheet(
        "Exposure bias", (_head(report), _table(report), _pictures(report), _differences(report), _how(report))
    )


def _head(report: StudyReport) -> str:
    data, liked = report.dataset, report.study["liked"]
    verdicts = "".join(f"<li>{escape(verdict)}</li>" for verdict in report.verdicts())
    asked = f"<p>Who finds more of them than {escape(report.base.system)} does?</p><ul>{verdicts}</ul>"
    return (
        '<header><p class="over">Segue study</p><h1>Exposure bias</h1>'
        f'<p class="soft">A simulated world of {data.users:,} users and {data.items:,} items, whose true preferences '
        f"and exposures are known; {report.users:,} users asked. A hidden favourite is among the {liked:.0%} of the "
        "catalogue that a user would click most readily if it were shown, and was never shown to them before.</p>"
        f"{asked if verdicts else ''}</header>"
    )


def _table(report: StudyReport) -> str:
    rows = []
    for row in report.rows:
        note = " <small>reference</small>" if row.reference else ""
        cells = [_cell(row.cells.get(name)) for name in report.measures]
        rows.append(([f"{_key(report, row)}{escape(row.system)}{note}", *cells], row is report.base))
    meanings = "".join(
        f"<dt>{escape(name)}</dt><dd>{MEANINGS.get(name.partition('@')[0], '')}</dd>" for name in report.measures
    )
    return (
        f'<section><h2>Side by side</h2><p class="soft">{escape(report.words())}</p>'
        f"{table(['system', *report.measures], rows)}<dl>{meanings}</dl></section>"
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    mean, _, around = cell.words().removesuffix(cell.mark).partition(" ± ")
    return f"{mean} <small>± {around}</small><i>{cell.mark}</i>" if around else f"{mean}<i></i>"


def _pictures(report: StudyReport) -> str:
    lift = next(name for name in report.measures if name.startswith("popularity lift"))
    found = next(name for name in report.measures if name.startswith(CLAIMED))
    both = figure(
        f"{escape(found)} against popularity lift",
        _scatter(report, lift, found),
        "To the right more popular items, upwards more hidden favourites; lines are the spread between seeds."
        f"{_legend(report)}",
    ) + figure(
        "Probability against true value",
        _reliability(report),
        "How much of its probability a system gives to items of a true share of value; 1× is an even share among all "
        f"items. On the dotted line both are the same.{_legend(report, reliable=True)}",
    )
    return f'<section><h2>Pictures</h2><div class="grid2">{both}</div></section>'


def _differences(report: StudyReport) -> str:
    cards = []
    for name in report.measures:
        found = [(row.system, row.cells[name].difference) for row in report.rows if name in row.cells]
        chart = interval_chart([(system, one.mean, one.low, one.high) for system, one in found if one is not None])
        cards.append(figure(escape(name), chart))
    if not any(cards):
        return ""
    return (
        f'<section><h2>Differences to {escape(report.base.system)}</h2><p class="soft">Mean over users with its 95 % '
        'bootstrap interval. Grey intervals include no difference.</p><div class="grid2">'
        + "".join(cards)
        + "</div></section>"
    )


def _how(report: StudyReport) -> str:
    seeds = max(len(row.seeds) for row in report.rows)
    settings = ", ".join(f"{name}={value}" for name, value in report.settings.items())
    entries = [
        ("study", escape(", ".join(f"{name} {value}" for name, value in report.study.items() if name != "kind"))),
        ("seeds", f"{seeds} of weights and training; one world and one test for all"),
        ("world", escape(", ".join(f"{name} {value}" for name, value in report.data.items() if name != "kind"))),
        ("data", f"<code>{report.dataset.digest[:16]}</code>, {escape(report.split)}"),
        ("settings", escape(settings)),
        ("command", f"<code>{escape(report.command)}</code>" if report.command else ""),
        ("hardware", escape(", ".join(report.hardware.values()))),
        ("versions", escape(", ".join(f"{name} {version}" for name, version in report.versions.items()))),
        ("written", escape(report.written)),
    ]
    shown = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in entries if text)
    return f"<section><h2>How this was measured</h2><dl>{shown}</dl></section>"


def _colour(report: StudyReport, row: StudyRow) -> str:
    return GREY if row.reference else COLOURS[report.rows.index(row) % len(COLOURS)]


def _key(report: StudyReport, row: StudyRow) -> str:
    return f'<span class="key" style="background:{_colour(report, row)}"></span>'


def _legend(report: StudyReport, *, reliable: bool = False) -> str:
    rows = [row for row in report.rows if row.reliability or not reliable]
    shown = [f"{_key(report, row)}{escape(row.system)}" for row in rows if not row.reference]
    return "<br>" + " &nbsp; ".join(shown) + (", references in grey" if any(row.reference for row in rows) else "")


def _scatter(report: StudyReport, across: str, up: str) -> str:
    rows = [row for row in report.rows if across in row.cells and up in row.cells]
    if not rows:
        return ""
    dots = [(row, row.cells[across], row.cells[up]) for row in rows]
    x_ticks = ticks(0.0, max(x.mean + (x.deviation or 0) for _, x, _ in dots), 4)
    y_ticks = ticks(0.0, max(y.mean + (y.deviation or 0) for _, _, y in dots), 4)
    place = _Plane((0.0, x_ticks[-1] or 1.0), (0.0, y_ticks[-1] or 1.0))
    parts = place.axes([(x, short(x)) for x in x_ticks], [(y, short(y)) for y in y_ticks], across, up)
    for row, x, y in dots:
        colour = _colour(report, row)
        (left, middle), (right, _) = (
            place(x.mean - (x.deviation or 0), y.mean),
            place(x.mean + (x.deviation or 0), y.mean),
        )
        (centre, low), (_, high) = (
            place(x.mean, y.mean - (y.deviation or 0)),
            place(x.mean, y.mean + (y.deviation or 0)),
        )
        parts += [
            f'<path d="M{left:.1f} {middle:.1f}H{right:.1f}M{centre:.1f} {low:.1f}V{high:.1f}" stroke="{colour}"/>',
            f'<circle cx="{centre:.1f}" cy="{middle:.1f}" r="{3 if row.reference else 4.5}" fill="{colour}">'
            f"<title>{escape(row.system)}</title></circle>",
        ]
        if row.reference:
            shift, anchor = (-7, "end") if centre > WIDTH * 0.7 else (7, "start")
            parts.append(
                f'<text x="{centre + shift:.1f}" y="{middle + 4:.1f}" text-anchor="{anchor}">'
                f"{escape(row.system)}</text>"
            )
    said = "; ".join(f"{row.system}: {across} {x.mean:.2f}, {up} {y.mean:.3f}" for row, x, y in dots)
    return _svg(parts, said)


def _reliability(report: StudyReport) -> str:
    lines = [
        (row, [(math.log10(x), math.log10(y)) for x, y in row.reliability if x > 0 and y > 0]) for row in report.rows
    ]
    lines = [(row, points) for row, points in lines if points]
    systems = [point for row, points in lines if not row.reference for point in points]
    if not systems:
        return ""
    # What is far from the systems is cut off: the oracle promises next to nothing to what nobody likes.
    whole = [value for point in systems for value in point]
    low, high = max(math.floor(min(whole)), LOWEST), math.ceil(max(whole))
    place = _Plane((low, high), (low, high))
    decades = [(float(ten), f"{10.0**ten:g}×") for ten in range(low, high + 1)]
    parts = place.axes(decades, decades, "true share of value", "P(item)")
    (x0, y0), (x1, y1) = place(low, low), place(high, high)
    parts.append(f'<line class="axis" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')
    for row, points in lines:
        inside = [place(x, y) for x, y in points if low <= x <= high and low <= y <= high]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in inside)
        dashed = ' stroke-dasharray="5 3"' if row.reference else ""
        parts.append(
            f'<polyline fill="none" stroke="{_colour(report, row)}" stroke-width="2"{dashed} points="{drawn}">'
            f"<title>{escape(row.system)}</title></polyline>"
        )
    return _svg(parts, "Mean probability by true share of value, for " + ", ".join(row.system for row, _ in lines))


class _Plane:
    """Values to places of the drawing."""

    def __init__(self, across: tuple[float, float], up: tuple[float, float]) -> None:
        self.across, self.up = across, up

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        right = (x - self.across[0]) / (self.across[1] - self.across[0])
        above = (y - self.up[0]) / (self.up[1] - self.up[0])
        return LEFT + right * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - above * (HEIGHT - TOP - BOTTOM)

    def axes(
        self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], across: str, up: str
    ) -> list[str]:
        parts = []
        for y, words in y_ticks:
            _, height = self(self.across[0], y)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{words}</text>')
        for x, words in x_ticks:
            right, _ = self(x, self.up[0])
            parts.append(f'<text x="{right:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{words}</text>')
        parts.append(
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(across)}</text>'
        )
        parts.append(f'<text x="{LEFT - 36}" y="{TOP - 9}" text-anchor="start">{escape(up)}</text>')
        return parts


def _svg(parts: Sequence[str], said: str) -> str:
    opening = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(said, quote=True)}">'
    return opening + "".join(parts) + "</svg>"
