"""What a study says of several systems, in one table: means, spread over seeds, paired tests against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from pydantic import Field

from segue.evaluation.note import Note
from segue.evaluation.report import DatasetNote
from segue.evaluation.significance import RESAMPLES, Spread, holm, paired, stars
from segue.studies.exposure_bias import Findings

CLAIMED = "hidden recall"
"""The measure that the claim is about."""


class Difference(Note):
    """A system minus the base on the same users, each averaged over seeds."""

    mean: float
    low: float
    """Of the 95 % bootstrap interval over users."""
    high: float
    p: float
    """Two-sided, of the paired permutation test."""
    corrected: float
    """The same after Holm's correction for the number of systems compared with the base."""
    detectable: float
    """The smallest true difference that so many users would show four times out of five."""
    users: int

    @property
    def mark(self) -> str:
        """Stars of the corrected p-value."""
        return stars(self.corrected)


class Cell(Note):
    """One measure of one system."""

    mean: float
    """Over users and seeds."""
    deviation: float | None
    """Between seeds; None with one seed."""
    error: float | None = None
    """Standard error over users; None of measures that are not of single users."""
    difference: Difference | None = None

    def words(self) -> str:
        """`0.1857 ± 0.0021*`: the deviation between seeds, or with one seed the standard error over users."""
        around = self.error if self.deviation is None else self.deviation
        return f"{self.mean:.3f}" + ("" if around is None else f" ± {around:.3f}") + self.mark

    @property
    def mark(self) -> str:
        """Stars of the difference, where one was tested."""
        return self.difference.mark if self.difference is not None else ""


class StudyRow(Note):
    """One system over its seeds; a reference is there to compare with, and is not tested."""

    system: str
    seeds: list[int]
    reference: bool = False
    cells: dict[str, Cell]
    """By measure; what a system does not have is missing."""
    reliability: list[tuple[float, float]] = Field(default_factory=list)
    """True share of value and P, as multiples of an even share; over all seeds."""


class StudyReport(Note):
    """A study as `report.json` holds it; the first row is the base."""

    study: dict[str, Any]
    """Its kind and settings."""
    data: dict[str, Any]
    """The settings of the world."""
    settings: dict[str, Any]
    """What was changed in all systems."""
    split: str
    dataset: DatasetNote
    users: int
    measures: list[str]
    rows: list[StudyRow]
    command: str = ""
    hardware: dict[str, str] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    written: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def base(self) -> StudyRow:
        """What the others are tested against."""
        return self.rows[0]

    def markdown(self) -> str:
        """The table as text, and how to read it."""
        lines = [
            "| system | " + " | ".join(self.measures) + " |",
            "| --- |" + " ---: |" * len(self.measures),
        ]
        for row in self.rows:
            cells = [row.cells[name].words() if name in row.cells else "-" for name in self.measures]
            lines.append("| " + " | ".join([row.system, *cells]) + " |")
        return "\n".join([*lines, "", self.words(), "", *(f"- {verdict}" for verdict in self.verdicts())])

    def verdicts(self) -> list[str]:
        """System by system, in plain words: does it find more of what was never shown than the base?"""
        claimed = next(name for name in self.measures if name.startswith(CLAIMED))
        said = []
        for row in self.rows[1:]:
            found = row.cells[claimed].difference if claimed in row.cells else None
            if row.reference or found is None:
                continue
            more = f"{found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}, p = {found.corrected:.2g})"
            if found.corrected >= 0.05:
                said.append(
                    f"{row.system}: no difference to {self.base.system} is shown in {claimed}, {more}; {found.users:,} "
                    f"users would show one of {found.detectable:.4f}."
                )
            else:
                amount = "more" if found.mean > 0 else "fewer"
                said.append(f"{row.system} finds {amount} hidden favourites than {self.base.system}: {claimed} {more}.")
        return said

    def words(self) -> str:
        """How to read the numbers."""
        return (
            "Mean ± standard deviation between seeds (standard error over users where there is one seed). "
            + self.tested()
        )

    def tested(self) -> str:
        """What the stars say."""
        return (
            f"Stars: differs from {self.base.system} on the same users, each averaged over seeds, by a paired "
            "permutation test with Holm's correction for the number of systems (* p < 0.05, ** p < 0.01, "
            "*** p < 0.001). References are not tested."
        )


def rows_of(
    examined: Mapping[str, Sequence[Findings]], references: Mapping[str, Findings], *, resamples: int = RESAMPLES
) -> list[StudyRow]:
    """The rows of a table: systems with their findings seed by seed, the first being the base, then references.

    Raises:
        ValueError: findings are of different users.
    """
    base, *others = examined
    users = examined[base][0].users
    for name, found in [*examined.items(), *((name, [one]) for name, one in references.items())]:
        if any(not np.array_equal(one.users, users) for one in found):
            raise ValueError(f"{name} was examined on other users than {base}; examine both on the same split.")
    differences: dict[str, dict[str, Difference]] = {name: {} for name in others}
    for measure in examined[base][0].per_user:
        tested = {name: _stack(examined[name], measure) for name in others if measure in examined[name][0].per_user}
        for name, difference in _tests(tested, _stack(examined[base], measure), resamples).items():
            differences[name][measure] = difference
    rows = [_row(name, found, differences.get(name, {}), reference=False) for name, found in examined.items()]
    return rows + [_row(name, [found], {}, reference=True) for name, found in references.items()]


def _tests(tested: Mapping[str, np.ndarray], base: np.ndarray, resamples: int) -> dict[str, Difference]:
    """Each system against the base, over the users who have this number in every seed of both."""
    found = {}
    for name, values in tested.items():
        known = np.isfinite(base).all(axis=0) & np.isfinite(values).all(axis=0)
        if known.any():
            found[name] = paired(values[:, known], base[:, known], resamples=resamples)
    corrected = holm([one.p for one in found.values()])
    return {
        name: Difference(
            mean=one.mean, low=one.low, high=one.high, p=one.p, corrected=p, detectable=one.detectable, users=one.users
        )
        for (name, one), p in zip(found.items(), corrected, strict=True)
    }


def _row(name: str, found: Sequence[Findings], differences: Mapping[str, Difference], *, reference: bool) -> StudyRow:
    cells = {}
    for measure in found[0].per_user:
        values = _stack(found, measure)
        known = np.isfinite(values).all(axis=0)
        if known.any():
            spread = Spread.of(values[:, known])
            error = spread.standard_error if np.isfinite(spread.standard_error) else None
            cells[measure] = Cell(
                mean=spread.mean, deviation=spread.deviation, error=error, difference=differences.get(measure)
            )
    for measure in found[0].overall:
        numbers = [one.overall[measure] for one in found]
        deviation = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        cells[measure] = Cell(mean=float(np.mean(numbers)), deviation=deviation)
    curves = [one.curve for one in found if one.curve is not None]
    together = Findings(found[0].users, {}, {}, np.sum(curves, axis=0) if curves else None)
    return StudyRow(
        system=name,
        seeds=[] if reference else list(range(len(found))),
        reference=reference,
        cells=cells,
        reliability=together.points,
    )


def _stack(found: Sequence[Findings], measure: str) -> np.ndarray:
    return np.stack([np.asarray(one.per_user[measure], dtype=np.float64) for one in found])
