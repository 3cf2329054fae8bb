"""Several systems in one table: means, spread over seeds, and whether each differs from the first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.core.errors import ProtocolError
from segue.core.shapes import Float
from segue.evaluation.probabilities import LOWER_IS_BETTER
from segue.evaluation.protocol import Protocol, same_protocol
from segue.evaluation.report import Measured
from segue.evaluation.significance import RESAMPLES, Difference, Spread, holm, paired, stars

DIFFERENT = 3
"""Settings that a row's name tells at most."""


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
        lower = list(dict.fromkeys(word for name in self.metrics if (word := name.split()[0]) in LOWER_IS_BETTER))
        less = f" Of {' and '.join(lower)} less is better." if lower else ""
        return (
            f"Mean ± {spread}. Stars: differs from {self.reference.name} on the same users, paired permutation "
            f"test with Holm's correction (* p < 0.05, ** p < 0.01, *** p < 0.001).{less}"
        )


def compare(
    measured: Sequence[Measured],
    *,
    metrics: Sequence[str] | None = None,
    mixed: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Put runs into one table; runs that differ in nothing but their seed become one row, in the order given.

    A recipe that occurs with several settings has a row for each; all but the first say in their names what differs.

    `metrics` are those that all runs have, unless given. `mixed=True` allows several protocols, and tests only rows
    whose users are the same as the first's.

    Raises:
        ProtocolError: runs differ in their protocol or their data and `mixed` is not set.
        ValueError: there is nothing to compare, a metric is missing, or runs of one table have different users.
    """
    groups: dict[tuple[str, ...], list[Measured]] = {}
    for run in measured:
        report = run.report
        settings = json.dumps(_without_starts(report.settings), sort_keys=True)
        groups.setdefault((report.recipe, report.fingerprint, report.dataset.digest, settings), []).append(run)
    rows = list(zip(_names(list(groups.values())), groups.values(), strict=True))
    return tabulate(rows, metrics=metrics, mixed=mixed, resamples=resamples, seed=seed)


def _without_starts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without the runs that were built on: each seed has another folder, and is of the same system."""
    procedure = settings.get("procedure")
    ours = {"procedure": {**procedure, "tuned": None, "drafts": None}} if isinstance(procedure, Mapping) else {}
    return {**settings, "start": None, **ours}


def tabulate(
    named: Sequence[tuple[str, Sequence[Measured]]],
    *,
    metrics: Sequence[str] | None = None,
    mixed: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """`compare` for who knows already which runs are the seeds of one row, and what the row is called."""
    measured = [run for _, runs in named for run in runs]
    if not measured:
        raise ValueError("there is nothing to compare; give at least one run.")
    if not mixed:
        same_protocol(run.report.protocol for run in measured)
        _same_data(measured)
    shown = _shared_metrics(measured, metrics)
    names, (first, *others) = [name for name, _ in named], [list(runs) for _, runs in named]
    rows = [_row(names[0], first, shown, {}, {})]
    differences = [
        {
            metric: paired(
                _stack(other, metric), _stack(first, metric), resamples=resamples, seed=seed, users=first[0].users
            )
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
    rows += [
        _row(name, other, shown, found, holm_p)
        for name, other, found, holm_p in zip(names[1:], others, differences, corrected, strict=True)
    ]
    return Comparison(tuple(rows), shown, tuple(dict.fromkeys(run.report.protocol for run in measured)))


def number(spread: Spread) -> str:
    """`0.1857 ± 0.0021`: the deviation between seeds, or with one seed the standard error over users."""
    around = spread.standard_error if spread.deviation is None else spread.deviation
    return f"{spread.mean:.4f} ± {around:.4f}" if np.isfinite(around) else f"{spread.mean:.4f}"


def _names(groups: Sequence[Sequence[Measured]]) -> list[str]:
    """The recipes; where one has been met with other settings, with what differs from that first one."""
    met: dict[str, dict[str, Any]] = {}
    names = []
    for runs in groups:
        name, settings = runs[0].report.recipe, _flat(runs[0].report.settings)
        before = met.setdefault(name, settings)
        changed = [path for path, value in settings.items() if before.get(path) != value]
        kinds = [path.removesuffix("kind") for path in changed if path.endswith(".kind")]
        # Of a part that was replaced its kind says enough.
        told = [path for path in changed if path.endswith(".kind") or not path.startswith(tuple(kinds))]
        words = [f"{path.removesuffix('.kind')}={settings[path]}" for path in told[:DIFFERENT]]
        names.append(f"{name} ({', '.join([*words, *(['…'] if len(told) > DIFFERENT else [])])})" if words else name)
    return names


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their dotted path."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _row(
    name: str,
    runs: list[Measured],
    metrics: tuple[str, ...],
    differences: dict[str, Difference],
    corrected: dict[str, float],
) -> Row:
    _same_users(runs, strict=True)
    return Row(
        name=name,
        fingerprint=runs[0].report.fingerprint,
        seeds=tuple(run.report.seed for run in runs),
        spreads={metric: Spread.of(_stack(runs, metric), runs[0].users) for metric in metrics},
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
