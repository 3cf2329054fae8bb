"""The runs on the shelf: a line for each, and all that is known of one."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from segue.core.recipe import Paper, TokenRecipe
from segue.evaluation.report import REPORT, Report, Value, leading, read_report
from segue.service.dependencies import ServiceOf
from segue.service.looks import METRICS, Looks, LooksOf, stamp
from segue.service.problems import Problem
from segue.service.reading import reading, said
from segue.training.trackers import curve
from segue.workflows.runs import RECIPE, WEIGHTS, experiment_of

router = APIRouter(tags=["runs"])


class RunLine(BaseModel):
    """A run in the list."""

    name: str = Field(description="Its name on the shelf.")
    system: str = Field(description="The recipe it was fitted with; empty where the run cannot be read.")
    dataset: str = Field(description="What it was measured on; empty where it was not measured.")
    fingerprint: str = Field(description="Of the protocol: numbers with equal fingerprints may be compared.")
    protocol: str = Field(description="The protocol in words.")
    metrics: dict[str, Value] = Field(description="The few metrics that stand for the rest, by name.")
    seed: int
    seconds: float = Field(description="What the fit took.")
    fitted: datetime = Field(description="When its weights were written.")
    codes: bool = Field(description="Whether it gives items codes.")
    served: bool = Field(description="Whether a system of this service answers with it now.")
    problem: str | None = Field(default=None, description="What keeps the run from being read, and what to do.")


class RunList(BaseModel):
    """All finished runs of the shelf."""

    runs: list[RunLine]


class Publication(BaseModel):
    """Where a system was published."""

    words: str = Field(description="The citation in one line.")
    url: str | None = Field(description="A page of it.")


class RunPage(RunLine):
    """A run with all that it keeps but its weights."""

    leading: list[str] = Field(description="The metrics that stand for the rest.")
    report: Report | None = Field(
        description="Every number with its protocol, machine and versions; null if unmeasured."
    )
    recipe: str = Field(description="The experiment in full, as the YAML that `segue fit` reads.")
    curves: list[dict[str, float | None]] = Field(
        description="Lines of the training, oldest first: step, and what was noted there, such as loss and score."
    )
    paper: Publication


@router.get("/runs")
def list_runs(service: ServiceOf, looks: LooksOf) -> RunList:
    """The runs of the shelf with their leading numbers, the newest first."""
    served = service.served_runs()
    lines = [
        line_of(name, folder, looks).model_copy(update={"served": name in served})
        for name, folder in service.shelf.runs().items()
    ]
    return RunList(runs=sorted(lines, key=lambda line: (line.fitted, line.name), reverse=True))


@router.get("/runs/{name}")
def show_run(name: str, service: ServiceOf, looks: LooksOf) -> RunPage:
    """One run: its report, its recipe, how it learnt, and the paper behind it."""
    folder = service.shelf.folder(name)
    line = line_of(name, folder, looks).model_copy(update={"served": name in service.served_runs()})
    if line.problem is not None:
        raise Problem(409, "unreadable-run", "This run cannot be read", line.problem)
    with reading(name, folder):
        experiment = experiment_of(folder)
        report = read_report(folder) if (folder / REPORT).exists() else None
        return RunPage(
            **line.model_dump(),
            leading=list(line.metrics),
            report=report,
            recipe=(folder / RECIPE).read_text(encoding="utf-8"),
            curves=[{key: _finite(value) for key, value in row.items()} for row in curve(folder / METRICS)],
            paper=_paper(experiment.recipe.paper),
        )


def line_of(name: str, folder: Path, looks: Looks) -> RunLine:
    """What the list says of a run, whether it is served left open."""
    try:
        return looks.notes.get(("line", name, stamp(folder)), lambda: _read_line(name, folder))
    except OSError as error:  # which may be gone the next time, with the same files
        return _line(name, folder, problem=said(error, folder, name))


def _read_line(name: str, folder: Path) -> RunLine:
    """
    Raises:
        OSError: the files cannot be read at the moment.
    """
    known: dict[str, Any] = {}
    try:
        recipe = experiment_of(folder).recipe
        known |= {"system": recipe.name, "codes": isinstance(recipe, TokenRecipe)}
        report = read_report(folder) if (folder / REPORT).exists() else None
        if report is None:
            return _line(name, folder, **known)
        line = _line(
            name, folder, **known,
            dataset=report.dataset.name,
            fingerprint=report.fingerprint,
            protocol=report.protocol.words(),
            metrics={metric: report.metrics[metric] for metric in _leading(report)},
            seed=report.seed,
            seconds=report.seconds,
        )  # fmt: skip
        line.model_dump_json()  # what cannot be said in JSON would take the whole list with it
        return line
    except OSError:
        raise
    except Exception as error:
        return _line(name, folder, **known, problem=said(error, folder, name))


def _line(name: str, folder: Path, **known: Any) -> RunLine:
    """A line with what is known, and blanks for the rest."""
    blank = {
        "system": "", "dataset": "", "fingerprint": "", "protocol": "", "metrics": {}, "seed": 0, "seconds": 0.0,
        "codes": False, "served": False,
    }  # fmt: skip
    try:
        written = (folder / WEIGHTS).stat().st_mtime
    except OSError:
        written = 0.0
    return RunLine(name=name, fitted=datetime.fromtimestamp(written, UTC), **{**blank, **known})


def _leading(report: Report) -> list[str]:
    return [name for name in leading(report) if name in report.metrics] or list(report.metrics)[:2]


def _paper(paper: Paper) -> Publication:
    url = f"https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else paper.url
    return Publication(words=paper.words(), url=url)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
