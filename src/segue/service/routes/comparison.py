"""Runs side by side, with the tests that say whether their difference is luck."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from segue.core.errors import ProtocolError
from segue.evaluation.comparison import Comparison, Row
from segue.evaluation.report import read_report
from segue.evaluation.significance import Spread
from segue.service.dependencies import ServiceOf
from segue.service.looks import LooksOf, stamp
from segue.service.problems import Problem, invalid
from segue.service.reading import reading, said
from segue.workflows.compare import compare_runs

router = APIRouter(tags=["runs"])
MOST = 12
"""Runs of one table."""


class Mean(BaseModel):
    """A metric of one row."""

    mean: float
    error: float | None = Field(description="Deviation between seeds, or with one seed the standard error over users.")
    over: Literal["seeds", "users"] = Field(description="What the error is over.")


class Tested(BaseModel):
    """A row minus the first one, on the same users."""

    mean: float
    low: float = Field(description="Lower end of the 95 % bootstrap interval.")
    high: float = Field(description="Upper end of it.")
    p: float = Field(description="Of the paired permutation test, after Holm's correction.")
    stars: str = Field(description="* below 0.05, ** below 0.01, *** below 0.001.")
    detectable: float = Field(description="The smallest true difference that these users would show in 4 of 5 cases.")
    users: int


class ComparedRow(BaseModel):
    """One system, over all of its seeds."""

    name: str = Field(description="The recipe, with what differs where it occurs several times.")
    fingerprint: str
    seeds: list[int]
    values: dict[str, Mean] = Field(description="By metric.")
    differences: dict[str, Tested] = Field(description="By metric; empty for the first row.")


class ProtocolNote(BaseModel):
    """A protocol, short and in words."""

    fingerprint: str
    words: str


class ComparisonPage(BaseModel):
    """A table of systems; the first row is the one that the others are tested against."""

    metrics: list[str] = Field(description="Those in the table.")
    available: list[str] = Field(description="All that these runs share.")
    rows: list[ComparedRow]
    words: str = Field(description="How to read the numbers.")
    protocols: list[ProtocolNote] = Field(description="One, or several in a mixed table.")


@router.get("/comparison")
def compare(
    service: ServiceOf,
    looks: LooksOf,
    run: Annotated[
        list[str], Query(min_length=1, max_length=MOST, description="Names of runs; the first is the one to beat.")
    ],
    metric: Annotated[
        list[str] | None, Query(max_length=MOST, description="Metrics; the leading ones if none is named.")
    ] = None,
    mixed: Annotated[bool, Query(description="Allow runs that were measured differently.")] = False,
) -> ComparisonPage:
    """Runs side by side. Those of one recipe that differ in nothing but their seed are one row."""
    folders = {name: service.shelf.folder(name) for name in dict.fromkeys(run)}
    key = ("comparison", *(stamp(folder) for folder in folders.values()), tuple(metric or ()), mixed)
    return looks.answers.get(key, lambda: _compared(folders, metric or (), mixed))


def _compared(folders: dict[str, Path], metrics: Sequence[str], mixed: bool) -> ComparisonPage:
    try:
        available = _shared(folders)
        unknown = [name for name in metrics if name not in available]
        if unknown:
            raise invalid(
                f"these runs do not share {unknown[0]!r}; they share: {', '.join(available)}.", field="metric"
            )
        comparison = compare_runs(list(folders.values()), metrics=metrics, mixed=mixed)
    except ProtocolError as error:
        raise Problem(409, "different-protocols", "Measured differently", str(error)) from None
    except Problem:
        raise
    except Exception as error:
        words = said(error, next(iter(folders.values())), next(iter(folders)))
        for name, folder in folders.items():
            words = words.replace(str(folder), name)
        raise Problem(409, "not-comparable", "These runs cannot be compared", words) from None
    return _page(comparison, available)


def _shared(folders: dict[str, Path]) -> list[str]:
    """The metrics that all of these runs have, in the order of the first."""
    reports = []
    for name, folder in folders.items():
        with reading(name, folder):
            reports.append(read_report(folder))
    return [name for name in reports[0].metrics if all(name in report.metrics for report in reports)]


def _page(comparison: Comparison, available: list[str]) -> ComparisonPage:
    return ComparisonPage(
        metrics=list(comparison.metrics),
        available=available,
        rows=[
            ComparedRow(
                name=row.name,
                fingerprint=row.fingerprint,
                seeds=list(row.seeds),
                values={metric: _mean(spread) for metric, spread in row.spreads.items()},
                differences={metric: _tested(row, metric) for metric in row.differences},
            )
            for row in comparison.rows
        ],
        words=comparison.words(),
        protocols=[ProtocolNote(fingerprint=one.fingerprint, words=one.words()) for one in comparison.protocols],
    )


def _mean(spread: Spread) -> Mean:
    if spread.deviation is not None:
        return Mean(mean=spread.mean, error=spread.deviation, over="seeds")
    return Mean(
        mean=spread.mean, error=spread.standard_error if np.isfinite(spread.standard_error) else None, over="users"
    )


def _tested(row: Row, metric: str) -> Tested:
    found = row.differences[metric]
    return Tested(
        mean=found.mean,
        low=found.low,
        high=found.high,
        p=row.corrected[metric],
        stars=row.mark(metric),
        detectable=found.detectable,
        users=found.users,
    )
