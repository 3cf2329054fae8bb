"""Several systems in one table: means, spread over seeds, and whether each differs from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segue.core.errors import ProtocolError
from segue.core.shapes import Float
from segue.evaluation.protocol import Protocol, same_protocol
from segue.evaluation.report import Measured
from segue.evaluation.significance import RESAMPLES, Difference, Spread, holm, paired, stars


@dataclass(frozen=True)
class Row:
    """One system, over all of its seeds."""

    name: str
    fingerprint: str
    seeds: tuple[int, ...]
    spreads: dict[str, Spread]
    """By metric."""
    differences: dict[str, Difference]
    """This system minus the first, by metric; empty for the first, and where the users are not the same."""
    corrected: dict[str, float]
    """P-values after Holm's correction for the number of systems compared with the first, by metric."""

    def mark(self, metric: str) -> str:
        """Stars for the corrected p-value."""
        return stars(self.corrected[metric]) if metric in self.corrected else ""


@dataclass(frozen=True)
class Comparison:
    """A table of systems; the first row is the one that the others are tested against."""

    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    protocols: tuple[Protocol, ...]
    """One, or several in a mixed table."""

    @property
    def reference(self) -> Row:
        """The first row."""
        return self.rows[0]

    def markdown(self) -> str:
        """The table as text, with the protocol under it."""
        mixed = len(self.protocols) > 1
        head = ["system", *self.metrics, *(["protocol"] if mixed else [])]
        lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
        for row in self.rows:
            cells = [f"{number(row.spreads[metric])}{row.mark(metric)}" for metric in self.metrics]
            lines.append("| " + " | ".join([row.name, *cells, *([row.fingerprint] if mixed else [])]) + " |")
        lines += ["", self.words(), ""]
        return "\n".join(lines + [f"{protocol.fingerprint}: {protocol.words()}" for protocol in self.protocols])

    def words(self) -> str:
        """How to read the numbers."""
        seeds = {len(row.seeds) for row in self.rows}
        spread = "standard error over users" if seeds == {1} else "standard deviation over seeds (users where one seed)"
        return (
            f"Mean ± {spread}. Stars: differs from {self.reference.name} on the same users, paired permutation "
            "test with Holm's correction (* p < 0.05, ** p < 0.01, *** p < 0.001)."
        )


def compare(
    measured: Sequence[Measured],
    *,
    metrics: Sequence[str] | None = None,
    mixed: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Put runs into one table; runs of one recipe that differ in their seed become one row, in the order given.

    `metrics` are those that all runs have, unless given. `mixed=True` allows several protocols, and tests only rows
    whose users are the same as the first's.

    Raises:
        ProtocolError: runs differ in their protocol or their data and `mixed` is not set.
        ValueError: there is nothing to compare, a metric is missing, or runs of one table have different users.
    """
    if not measured:
        raise ValueError("there is nothing to compare; give at least one run.")
    if not mixed:
        same_protocol(run.report.protocol for run in measured)
        _same_data(measured)
    shown = _shared_metrics(measured, metrics)
    groups: dict[tuple[str, str, str], list[Measured]] = {}
    for run in measured:
        report = run.report
        groups.setdefault((report.recipe, report.fingerprint, report.dataset.digest), []).append(run)
    first, *others = groups.values()
    rows = [_row(first, shown, {}, {})]
    differences = [
        {
            metric: paired(_stack(other, metric), _stack(first, metric), resamples=resamples, seed=seed)
            for metric in shown
            if _same_users([*first, *other], strict=not mixed)
        }
        for other in others
    ]
    corrected: list[dict[str, float]] = [{} for _ in others]
    for metric in shown:
        tested = [place for place, found in enumerate(differences) if metric in found]
        for place, p in zip(tested, holm([differences[place][metric].p for place in tested]), strict=True):
            corrected[place][metric] = p
    rows += [_row(*parts) for parts in zip(others, [shown] * len(others), differences, corrected, strict=True)]
    return Comparison(tuple(rows), shown, tuple(dict.fromkeys(run.report.protocol for run in measured)))


def number(spread: Spread) -> str:
    """`0.1857 ± 0.0021`: the deviation between seeds, or with one seed the standard error over users."""
    around = spread.standard_error if spread.deviation is None else spread.deviation
    return f"{spread.mean:.4f} ± {around:.4f}" if np.isfinite(around) else f"{spread.mean:.4f}"


def _row(
    runs: list[Measured], metrics: tuple[str, ...], differences: dict[str, Difference], corrected: dict[str, float]
) -> Row:
    _same_users(runs, strict=True)
    return Row(
        name=runs[0].report.recipe,
        fingerprint=runs[0].report.fingerprint,
        seeds=tuple(run.report.seed for run in runs),
        spreads={metric: Spread.of(_stack(runs, metric)) for metric in metrics},
        differences=differences,
        corrected=corrected,
    )


def _stack(runs: list[Measured], metric: str) -> Float[np.ndarray, "seeds users"]:
    return np.stack([np.asarray(run.values[metric], dtype=np.float64) for run in runs])


def _same_users(runs: Sequence[Measured], *, strict: bool) -> bool:
    first = runs[0]
    for run in runs[1:]:
        if not np.array_equal(run.users, first.users):
            if strict:
                raise ValueError(
                    f"{first.report.recipe} (seed {first.report.seed}) and {run.report.recipe} (seed "
                    f"{run.report.seed}) were measured on different users ({len(first.users)} and {len(run.users)}, or "
                    "in another order); evaluate both on the same split."
                )
            return False
    return True


def _same_data(measured: Sequence[Measured]) -> None:
    first = measured[0].report.dataset
    for run in measured[1:]:
        other = run.report.dataset
        if other.digest != first.digest:
            raise ProtocolError(
                f"these numbers were measured on different data: {first.name} ({first.digest[:8]}) and {other.name} "
                f"({other.digest[:8]}). Measure both on the same dataset, or ask for a mixed table (mixed=True)."
            )


def _shared_metrics(measured: Sequence[Measured], wanted: Sequence[str] | None) -> tuple[str, ...]:
    shared = [name for name in measured[0].values if all(name in run.values for run in measured)]
    missing = [name for name in wanted or () if name not in shared]
    if missing or not shared:
        raise ValueError(
            f"not all runs have the metric {missing[0]!r}; they share: {', '.join(shared) or 'none'}."
            if missing
            else "these runs share no metric; evaluate them with the same metrics."
        )
    return tuple(wanted or shared)
