"""A published table beside ours: `report.json`, `report.md` and `report.html` of a group of rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np
from pydantic import Field

from segue.core.whole import write_text
from segue.evaluation.charts import interval_chart, short, sweep_chart
from segue.evaluation.note import Note
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote
from segue.evaluation.sheet import figure, sheet
from segue.evaluation.sheet import table as html_table
from segue.evaluation.significance import stars

PAIRED = (
    "Pairs of the same seeds and users: the difference with its 95 % bootstrap interval, and the p-value of the paired "
    "permutation test with Holm's correction for the pairs of this table."
)


class Cell(Note):
    """One metric of one system, ours and as published."""

    mean: float | None = None
    """Over users and seeds; None where no run is there, and so with all that is ours."""
    error: float | None = None
    """Standard error over users."""
    deviation: float | None = None
    """Between seeds; None with fewer than two."""
    published: float | None = None
    gain: float | None = None
    """Over the first system of the table: 0.25 is a quarter more."""
    published_gain: float | None = None
    difference: tuple[float, float, float] | None = None
    """To the first system on the same users: mean, and the ends of its 95 % interval."""
    p: float | None = None
    """Of the paired test, after Holm's correction."""

    def ours(self) -> str:
        """`0.0433 ± 0.0004***`"""
        if self.mean is None:
            return "missing"
        around = self.error if self.deviation is None else self.deviation
        text = f"{self.mean:.4f}" + (f" ± {around:.4f}" if around is not None else "")
        return text + (stars(self.p) if self.p is not None else "")

    def theirs(self) -> str:
        """`0.0433 (+25.9 %)`, or nothing."""
        return "" if self.published is None else f"{self.published:.4f}{_share(self.published_gain)}"

    def gained(self) -> str:
        """` (+25.9 %)`, or nothing."""
        return _share(self.gain)


class System(Note):
    """A row of a table."""

    name: str
    row: str
    """Its row's name on the command line."""
    seeds: list[int]
    """Those that were measured."""
    missing: list[int]
    """Those that are planned and not there."""
    cells: dict[str, Cell]
    """By metric."""
    source: str
    evidence: str


class Pair(Note):
    """A row held against the one it is made of, both on the same seeds and users."""

    system: str
    row: str
    beside: str
    """SYSTEM--ROW of the other."""
    metric: str
    seeds: list[int]
    gain: float | None
    """Over the other: 0.25 is a quarter more."""
    difference: tuple[float, float, float]
    """To the other: mean, and the ends of its 95 % interval."""
    p: float
    """Of the paired test, after Holm's correction for the pairs of the table."""

    def cells(self) -> list[str]:
        """`soft_tiny --row beauty`, what it is held against, the gain, the difference with its interval, and p."""
        mean, low, high = self.difference
        other, _, row = self.beside.partition("--")
        return [
            f"{self.system} --row {self.row}",
            f"{other} --row {row}",
            f"{len(self.seeds)}",
            _share(self.gain).strip(" ()") or "–",
            _minus(f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]"),
            f"{self.p:.2g}" if self.p >= 0.001 else "< 0.001",
        ]


class Table(Note):
    """The systems of one data set and protocol; the others are tested against the first."""

    data: str
    """Inside the data folder."""
    dataset: DatasetNote | None
    protocol: Protocol | None
    """None where no row was measured yet."""
    users: int
    systems: list[System]
    pairs: list[Pair] = Field(default_factory=list)
    """Rows and points of sweeps, each beside another that it names."""

    @property
    def metrics(self) -> list[str]:
        """The columns."""
        return list(self.systems[0].cells)

    def title(self) -> str:
        """Data set and fingerprint."""
        return f"{self.data} · {self.protocol.fingerprint if self.protocol else 'not measured yet'}"

    def words(self) -> str:
        """How to read it."""
        if self.protocol is None or self.dataset is None:
            return "No row was measured yet."
        first = self.systems[0]
        tested = (
            f"Gains and stars are over {first.name} on the same users, paired permutation test over each user's mean "
            "of the seeds, with Holm's correction for the systems of a column (* p < 0.05, ** p < 0.01, *** p < 0.001)."
            if first.seeds
            else f"Nothing is tested, for {first.name}, the first row, is missing."
        )
        return (
            f"{self.dataset.users:,} users, {self.dataset.items:,} items, {self.dataset.events:,} events; "
            f"{self.users:,} users asked. Protocol: {self.protocol.words()}. Mean ± standard deviation over seeds "
            f"(standard error over users with one seed). {tested}"
        )

    def absent(self) -> list[str]:
        """What is planned and not there, a line a row."""
        return [
            f"{system.name.partition(' --row ')[0]} --row {system.row}: seed{'s' if len(system.missing) > 1 else ''} "
            f"{', '.join(map(str, system.missing))}"
            for system in self.systems
            if system.missing
        ]


class Point(Note):
    """One value of the quantity that a sweep varies; the lists are by seed."""

    at: float
    system: str
    row: str
    default: bool
    """Whether it is also a row of the table."""
    seeds: list[int]
    missing: list[int]
    validation: list[float]
    """The best score on the validation cases, which is what weights and settings are chosen by."""
    test: list[float]


class Sweep(Note):
    """A quantity that was varied."""

    quantity: str
    data: str
    metric: str
    """What `test` of the points is."""
    points: list[Point]

    def absent(self) -> list[str]:
        """The points of which a seed is planned and not there."""
        return [
            f"{self.quantity} {short(point.at)} ({point.system} --row {point.row}): "
            f"seed{'s' if len(point.missing) > 1 else ''} {', '.join(map(str, point.missing))}"
            for point in self.points
            if point.missing
        ]


class GroupReport(Note):
    """All that is known of a published table."""

    group: str
    tables: list[Table]
    sweeps: list[Sweep]
    written: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def absent(self) -> list[str]:
        """What is planned and not there."""
        rows = [f"{table.data}: {line}" for table in self.tables for line in table.absent()]
        return rows + [f"{sweep.data}: {line}" for sweep in self.sweeps for line in sweep.absent()]


def write_group(folder: Path, report: GroupReport) -> None:
    """Write the three files; each is the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "report.json", report.model_dump_json(indent=1) + "\n")
    write_text(folder / "report.md", markdown(report))
    write_text(folder / "report.html", page(report))


def markdown(report: GroupReport) -> str:
    """The group as text."""
    lines = [f"# {report.group}", ""]
    for table in report.tables:
        head = ["system", *(part for metric in table.metrics for part in (metric, "published"))]
        lines += [f"## {table.title()}", "", table.words(), "", f"| {' | '.join(head)} |"]
        lines.append("| --- |" + " ---: |" * (len(head) - 1))
        for system in table.systems:
            cells = [
                part for cell in system.cells.values() for part in (cell.ours() + cell.gained(), cell.theirs() or "–")
            ]
            lines.append(f"| {' | '.join([system.name, *cells])} |")
        if table.pairs:
            head = _pairs_head(table.pairs)
            lines += ["", PAIRED, "", f"| {' | '.join(head)} |", f"| --- | --- |{' ---: |' * (len(head) - 2)}"]
            lines += [f"| {' | '.join(pair.cells())} |" for pair in table.pairs]
        lines += ["", *(f"- {line}" for line in _sources(table)), ""]
    for sweep in report.sweeps:
        lines += [f"## {sweep.quantity} on {sweep.data}", ""]
        lines += [f"| {sweep.quantity} | validation | {sweep.metric} on test | row |", "| ---: | ---: | ---: | --- |"]
        lines += [
            f"| {short(point.at)} | {_mean(point.validation)} | {_mean(point.test)} | {point.system} --row {point.row}"
            f"{' (default)' if point.default else ''} |"
            for point in sweep.points
        ]
        lines.append("")
    if report.absent():
        lines += ["## Missing", "", *(f"- {line}" for line in report.absent()), ""]
    return "\n".join(lines)


def page(report: GroupReport) -> str:
    """The group as one page: no network, no script."""
    head = (
        f'<header><p class="over">Segue group</p><h1>{escape(report.group)}</h1><p class="soft">Ours beside what was '
        f"published. Written {escape(report.written)} by <code>segue reproduce {escape(report.group)}</code>.</p>"
        "</header>"
    )
    pictures = "".join(_picture(sweep) for sweep in report.sweeps)
    absent = "".join(f"<li>{escape(line)}</li>" for line in report.absent())
    sections = (
        head,
        *(_section(table) for table in report.tables),
        f'<section><h2>Sweeps</h2><div class="grid2">{pictures}</div></section>' if pictures else "",
        f"<section><h2>Missing</h2><ul>{absent}</ul></section>" if absent else "",
    )
    return sheet(f"{report.group}: ours and published", sections)


def _section(table: Table) -> str:
    rows = [
        (
            [
                f"{escape(system.name)}<br/><small>{_seeds(system)}</small>",
                *(_html_cell(cell) for cell in system.cells.values()),
            ],
            False,
        )
        for system in table.systems
    ]
    metric = table.metrics[-1]
    drawn = figure(
        f"{escape(metric)}: difference to {escape(table.systems[0].name)}",
        interval_chart(
            [
                (system.name.replace(" --row ", " "), *system.cells[metric].difference)  # type: ignore[misc]
                for system in table.systems
                if system.cells[metric].difference is not None
            ]
        ),
        "Mean over users with its 95 % bootstrap interval. Grey intervals include no difference.",
    )
    sources = "".join(f"<li>{escape(line)}</li>" for line in _sources(table))
    listed = f'<p class="soft">The published numbers:</p><ul class="soft">{sources}</ul>'
    pairs = [([*map(_two_lines, pair.cells()[:2]), *map(escape, pair.cells()[2:])], False) for pair in table.pairs]
    paired = f'<p class="soft">{PAIRED}</p>{html_table(_pairs_head(table.pairs), pairs)}' if pairs else ""
    return (
        f'<section><h2>{escape(table.title())}</h2><p class="soft">{escape(table.words())}</p>'
        f"{html_table(['system', *table.metrics], rows)}{drawn}{paired}{listed if sources else ''}</section>"
    )


def _two_lines(name: str) -> str:
    """The row of `SYSTEM --row ROW` small under its system."""
    system, _, row = name.partition(" --row ")
    return f"{escape(system)}<br/><small>{escape(row)}</small>"


def _html_cell(cell: Cell) -> str:
    lines = [cell.ours() + cell.gained()]
    if theirs := cell.theirs():
        lines.append(f"<small>published {theirs}</small>")
    return "<br/>".join(lines)


def _picture(sweep: Sweep) -> str:
    chart = sweep_chart(
        [_line(sweep.points, "validation"), _line(sweep.points, "test")],
        [point.at for point in sweep.points if point.default],
        sweep.quantity,
    )
    return figure(
        f"{escape(sweep.quantity)} on {escape(sweep.data)}",
        chart,
        '<span class="key bar"></span>validation NDCG of the best look, which is what is tuned on'
        f'<span class="key quiet"></span>{escape(sweep.metric)} on the test cases. The ring is the default; bars are '
        "± the standard deviation between seeds.",
    )


def _line(points: Sequence[Point], name: str) -> list[tuple[float, float, float]]:
    found = []
    for point in points:
        values = point.validation if name == "validation" else point.test
        if values:
            found.append((point.at, float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0))
    return found


def _sources(table: Table) -> list[str]:
    """Where the published numbers are from; systems with the same source share a line."""
    found: dict[str, list[str]] = {}
    for system in table.systems:
        if system.source:
            found.setdefault(f"{system.source} [{system.evidence}]", []).append(system.name)
    return [f"{', '.join(names)}: {source}" for source, names in found.items()]


def _seeds(system: System) -> str:
    done = f"{len(system.seeds)} seed{'' if len(system.seeds) == 1 else 's'}"
    return f"{done}, {len(system.missing)} missing" if system.missing else done


def _pairs_head(pairs: Sequence[Pair]) -> list[str]:
    return ["system", "against", "seeds", "gain", pairs[0].metric, "p"]


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "missing"
    around = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{around}"


def _share(gain: float | None) -> str:
    return "" if gain is None else _minus(f" ({100 * gain:+.1f} %)")


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
