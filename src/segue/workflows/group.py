"""What the runs of a published table say: each row over its seeds, beside what was published, and each sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from segue.core.claim import Claim
from segue.core.errors import RunError
from segue.evaluation.comparison import Row, tabulate
from segue.evaluation.group_page import Cell, GroupReport, Pair, Point, Sweep, System, Table
from segue.evaluation.report import Measured, read_report
from segue.evaluation.significance import holm
from segue.training.trackers import curve
from segue.workflows.planned import Planned

HEADLINE = ("HR@10", "NDCG@10")
"""The metrics of a table for which nobody has published a number."""
DRAWN = "NDCG@10"
"""What is drawn of the test cases, beside the score that the weights were chosen by."""


def group_report(
    group: str, claims: Sequence[Claim], data: Path, folder: Path, seeds: int | None = None
) -> GroupReport:
    """The tables and sweeps of a group, from the runs that are there; the others are called missing.

    Raises:
        ProtocolError: runs of one table were measured under different protocols or on different data.
        RunError: a run cannot be read, or a claim names a metric or a row that is not there.
    """
    tables: dict[str, list[list[Planned]]] = {}
    for claim in sorted(claims, key=lambda claim: (not claim.reference, bool(claim.start))):
        row = [Planned(claim, seed, data, folder) for seed in range(seeds or claim.seeds)]
        tables.setdefault(row[0].question, []).append(row)
    return GroupReport(
        group=group,
        tables=[_table(every) for every in tables.values() if any(not row[0].claim.sweep for row in every)],
        sweeps=[sweep for every in tables.values() for sweep in _sweeps(every)],
    )


def _table(every: Sequence[Sequence[Planned]]) -> Table:
    rows = [row for row in every if not row[0].claim.sweep]
    claims = [row[0].claim for row in rows]
    metrics = (
        tuple(dict.fromkeys(metric for claim in claims for metric in (*claim.shown, *claim.published))) or HEADLINE
    )
    names = [claim.system for claim in claims]
    names = [
        f"{name} --row {claim.row}" if names.count(name) > 1 else name
        for name, claim in zip(names, claims, strict=True)
    ]
    measured = {
        name: [_read(one, metrics) for one in row if one.is_measured] for name, row in zip(names, rows, strict=True)
    }
    there = [(name, runs) for name, runs in measured.items() if runs]
    found = {row.name: row for row in tabulate(there, metrics=metrics).rows} if there else {}
    report = there[0][1][0].report if there else None
    first = found.get(names[0])
    systems = []
    for name, claim, row in zip(names, claims, rows, strict=True):
        seeds = [run.report.seed for run in measured[name]]
        systems.append(
            System(
                name=name,
                row=claim.row,
                seeds=seeds,
                missing=[one.seed for one in row if one.seed not in seeds],
                cells={metric: _cell(metric, claim, claims[0], found.get(name), first) for metric in metrics},
                source=claim.source,
                evidence=claim.evidence,
            )
        )
    return Table(
        data=claims[0].data,
        dataset=report.dataset if report else None,
        protocol=report.protocol if report else None,
        users=report.users if report else 0,
        systems=systems,
        pairs=_pairs(every, metrics[-1]),
    )


def _pairs(rows: Sequence[Sequence[Planned]], metric: str) -> list[Pair]:
    """Each row, points of sweeps too, and the one that it names, on the seeds that both have."""
    there = {_full_name(row[0].claim): {one.seed: one for one in row if one.is_measured} for row in rows}
    pairs = []
    for row in rows:
        claim = row[0].claim
        if claim.beside and claim.beside not in there:
            raise RunError(f"{_full_name(claim)} is held against {claim.beside}; its table has {', '.join(there)}.")
        ours, theirs = there[_full_name(claim)], there.get(claim.beside, {})
        seeds = [seed for seed in ours if seed in theirs]
        if not seeds:
            continue
        runs = [[_read(some[seed], (metric,)) for seed in seeds] for some in (theirs, ours)]
        before, after = tabulate([(claim.beside, runs[0]), (claim.system, runs[1])], metrics=(metric,)).rows
        difference = after.differences[metric]
        pairs.append(
            Pair(
                system=claim.system,
                row=claim.row,
                beside=claim.beside,
                metric=metric,
                seeds=seeds,
                gain=_gain(after.spreads[metric].mean, before.spreads[metric].mean),
                difference=(difference.mean, difference.low, difference.high),
                p=difference.p,
            )
        )
    corrected = holm([pair.p for pair in pairs])
    return [pair.model_copy(update={"p": p}) for pair, p in zip(pairs, corrected, strict=True)]


def _full_name(claim: Claim) -> str:
    return f"{claim.system}--{claim.row}"


def _read(planned: Planned, metrics: Sequence[str]) -> Measured:
    run = Measured.read(planned.answers)
    for metric in metrics:
        if metric not in run.values:
            raise RunError(
                f"{planned.answers} has no {metric}, which the group's claims name; it has {', '.join(run.values)}. "
                "Metrics of claims are called as in report.json."
            )
    return run


def _cell(metric: str, claim: Claim, reference: Claim, row: Row | None, first: Row | None) -> Cell:
    """One number of one system; `first` is the reference's row where that is there."""
    spread = row.spreads[metric] if row else None
    compared = row if first is not None and row is not first else None
    difference = compared.differences[metric] if compared else None
    return Cell(
        mean=spread.mean if spread else None,
        error=spread.standard_error if spread else None,
        deviation=spread.deviation if spread else None,
        published=claim.published.get(metric),
        gain=_gain(spread.mean, first.spreads[metric].mean) if compared and spread and first else None,
        published_gain=_gain(claim.published.get(metric), reference.published.get(metric))
        if claim is not reference
        else None,
        difference=(difference.mean, difference.low, difference.high) if difference else None,
        p=compared.corrected[metric] if compared else None,
    )


def _gain(value: float | None, over: float | None) -> float | None:
    return value / over - 1 if value is not None and over else None


def _sweeps(rows: Sequence[Sequence[Planned]]) -> list[Sweep]:
    """The sweeps among the rows of one table."""
    tabled = {row[0].claim.run_name for row in rows if not row[0].claim.sweep}
    points: dict[str, list[Point]] = {}
    for row in rows:
        claim = row[0].claim
        if claim.at is not None:
            points.setdefault(claim.sweep, []).append(_point(row, claim.at, default=claim.run_name in tabled))
    return [
        Sweep(
            quantity=quantity,
            data=rows[0][0].claim.data,
            metric=DRAWN,
            points=sorted(some, key=lambda point: point.at),
        )
        for quantity, some in points.items()
    ]


def _point(row: Sequence[Planned], at: float, *, default: bool) -> Point:
    there = [one for one in row if one.is_measured]
    return Point(
        at=at,
        system=row[0].claim.system,
        row=row[0].claim.row,
        default=default,
        seeds=[one.seed for one in there],
        missing=[one.seed for one in row if one not in there],
        validation=[best for one in there if (best := _best(curve(one.folder / "metrics.jsonl"))) is not None],
        test=[read_report(one.answers).metrics[DRAWN].mean for one in there],
    )


def _best(looks: Sequence[Mapping[str, float]]) -> float | None:
    """The highest score of all looks at the validation cases."""
    return max((look["score"] for look in looks if "score" in look), default=None)
