"""Train a published system, or all of a published table, seed by seed, and write the rows of the ledger."""

from __future__ import annotations

import difflib
import importlib
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from segue.core.claim import Claim
from segue.core.errors import DataError, SettingsError
from segue.core.run import Run, Watch
from segue.evaluation.group_page import write_group
from segue.evaluation.report import Report, read_report
from segue.workflows import systems
from segue.workflows.evaluate import evaluate_run
from segue.workflows.fit import BASELINES, fit
from segue.workflows.group import group_report
from segue.workflows.ledger import Entry, SeedNote, write
from segue.workflows.planned import WORLD, Planned, nearby

NEAR = 8
"""Rows that an error names at most."""


def claims() -> list[Claim]:
    """The rows that all recipes plan."""
    modules = (importlib.import_module(f"segue.recipes.{name}") for name in systems.names())
    return [claim for module in modules for claim in getattr(module, "CLAIMS", ())]


def reproduce(
    name: str,
    *,
    row: str | None = None,
    ledger: Path = Path("ledger"),
    data: Path = Path("../shared/data"),
    folder: Path = Path("runs/reproduce"),
    seeds: int | None = None,
    device: torch.device | None = None,
    watches: Sequence[Watch] = (),
    page_only: bool = False,
) -> list[Entry]:
    """Fit each seed of the rows of a system or group (going on where it was stopped), measure it, and write the rows.

    A group gets its page beside the runs, in a folder of its name; `page_only` trains nothing and writes that page from
    the runs that are there. Points of a sweep stand on the page and are not rows of the ledger.

    Raises:
        SettingsError: neither a system nor a group of this name plans such a row.
        DataError: the data set is not there.
    """
    known = claims()
    wanted = [claim for claim in known if name in (claim.system, claim.group) and row in (None, claim.row)]
    table = [claim for claim in known if claim.group == name]
    if not wanted or (page_only and not table):
        raise SettingsError(_unplanned(name, row, known, page_only))
    entries = []
    if not page_only:
        for path in {data / claim.data: None for claim in wanted if claim.data != WORLD}:
            if not path.exists():
                raise DataError(f"{path} is not there; get the data set, or say with --data where the data sets are.")
        for claim in wanted:
            run = Run(device=device or torch.device("cpu"), resume=True, watches=tuple(watches))
            planned = [Planned(claim, seed, data, folder) for seed in range(seeds or claim.seeds)]
            entry = _entry(claim, [_measured(one, known, run) for one in planned])
            if not claim.sweep:
                write(entry, ledger)
            entries.append(entry)
    if table:
        write_group(folder / name, group_report(name, table, data, folder, seeds))
    return entries


def _unplanned(name: str, row: str | None, known: Sequence[Claim], page_only: bool) -> str:
    """What is asked for and not there, and what there is in its place."""
    groups = ", ".join(sorted({claim.group for claim in known} - {""})) or "none"
    if page_only:
        return f"{name} is no group. Groups: {groups}."
    rows = sorted({claim.row for claim in known if name in (claim.system, claim.group)})
    if row is not None and rows:
        near = difflib.get_close_matches(row, rows, n=NEAR, cutoff=0) if len(rows) > NEAR else rows
        more = f" and {len(rows) - len(near)} more" if len(rows) > len(near) else ""
        return f"{name} plans no row {row} of the ledger. Its rows: {', '.join(near)}{more}."
    planned = ", ".join(sorted({claim.system for claim in known})) or "none"
    return f"{name} plans no row of the ledger. Groups: {groups}. Systems with rows: {planned}."


def _measured(planned: Planned, known: Sequence[Claim], run: Run) -> Report:
    """The report of one seed: read if it is there and of these settings, else fitted or asked."""
    _fit(planned, known, run)
    if not planned.is_measured:
        asked = Run(device=run.device, watches=run.watches)
        evaluate_run(planned.folder, planned.claim.asked, asked, out=planned.answers, baselines=_beside(planned.claim))
    return read_report(planned.answers)


def _fit(planned: Planned, known: Sequence[Claim], run: Run) -> None:
    """Fit one seed if its run is not there, after the runs that it builds on."""
    for other in planned.before(known):
        _fit(other, known, run)
    planned.settle()
    if not planned.is_fitted:
        fit(planned.experiment, planned.folder, replace(run, seed=planned.seed), baselines=_beside(planned.claim))


def _beside(claim: Claim) -> Sequence[str]:
    """What is fitted beside it: rows of a group are held against each other, and baselines have rows of their own."""
    return () if claim.group else BASELINES


def _entry(claim: Claim, reports: list[Report]) -> Entry:
    last = reports[-1]
    return Entry(
        system=claim.system,
        row=claim.row,
        dataset=last.dataset,
        protocol=last.protocol,
        fingerprint=last.fingerprint,
        users=last.users,
        seeds=[
            SeedNote(
                seed=report.seed,
                metrics={name: value.mean for name, value in report.metrics.items()},
                standard_error={name: value.error for name, value in report.metrics.items()},
                seconds=report.seconds,
                cpu_seconds=report.cpu_seconds,
                peak_memory_mb=report.peak_memory_mb,
            )
            for report in reports
        ],
        published=claim.published,
        source=claim.source,
        evidence=claim.evidence,
        hardware=last.hardware,
        versions=last.versions,
        command=f"segue reproduce {claim.system} --row {claim.row} --seeds {len(reports)}",
        commit=_commit(),
        settings=nearby(last.settings),
        group=claim.group,
        language="" if last.language is None else last.language.words(),
    )


def _commit() -> str:
    """The commit of the checkout that this code lies in, if it is one."""
    folder = Path(__file__).resolve().parent
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True, check=True
        )
        return said.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
