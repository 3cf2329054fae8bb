"""Train a published system under a published protocol, seed by seed, and write the ledger row."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

from segue.core.claim import Claim
from segue.core.errors import DataError, SettingsError
from segue.core.run import Run, Watch
from segue.evaluation.report import REPORT, Report, read_report
from segue.workflows import runs, systems
from segue.workflows.evaluate import evaluate_run
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from segue.workflows.ledger import Entry, SeedNote, write


def claims() -> list[Claim]:
    """The rows that all recipes plan."""
    modules = (importlib.import_module(f"segue.recipes.{name}") for name in systems.names())
    return [claim for module in modules for claim in getattr(module, "CLAIMS", ())]


def reproduce(
    system: str,
    *,
    row: str | None = None,
    ledger: Path = Path("ledger"),
    data: Path = Path("../shared/data"),
    folder: Path = Path("runs/reproduce"),
    seeds: int | None = None,
    device: torch.device | None = None,
    watches: Sequence[Watch] = (),
) -> list[Entry]:
    """Fit each seed (going on where it was stopped), measure it, and write the rows.

    Raises:
        SettingsError: the system plans no such row.
        DataError: the data set is not there.
    """
    planned = [claim for claim in claims() if claim.system == system and row in (None, claim.row)]
    if not planned:
        known = ", ".join(f"{claim.system} --row {claim.row}" for claim in claims()) or "none"
        raise SettingsError(f"no ledger row is planned for {system}{f' --row {row}' if row else ''}. Planned: {known}.")
    entries = []
    for claim in planned:
        path = data / claim.data
        if not path.exists():
            raise DataError(f"{path} is not there; get the data set, or say with --data where the data sets are.")
        reports = []
        for seed in range(seeds or claim.seeds):
            experiment = new(claim.system, str(path), claim.settings, seed)
            run = Run(seed=seed, device=device or torch.device("cpu"), resume=True, watches=tuple(watches))
            reports.append(_measured(claim, experiment, folder / claim.run_name / f"seed-{seed}", run))
        entry = _entry(claim, reports)
        write(entry, ledger)
        entries.append(entry)
    return entries


def _measured(claim: Claim, experiment: Experiment, folder: Path, run: Run) -> Report:
    """The report of one seed: read if it is there and of these settings, else fitted or asked."""
    if not _finished(folder, experiment):
        fit(experiment, folder, run)
    if not claim.asked:
        return read_report(folder)
    out = folder / claim.row
    if not _finished(out, experiment.with_settings(claim.asked)):
        evaluate_run(folder, claim.asked, Run(device=run.device, watches=run.watches), out=out)
    return read_report(out)


def _finished(folder: Path, experiment: Experiment) -> bool:
    if not (folder / REPORT).exists() or not (folder / runs.RECIPE).exists():
        return False
    return runs.experiment_of(folder).yaml() == experiment.yaml()


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
        settings=last.settings,
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
