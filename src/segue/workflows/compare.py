"""Put finished runs into one table, with tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segue.evaluation.comparison import Comparison, compare
from segue.evaluation.report import Measured, leading


def compare_runs(folders: Sequence[Path], *, metrics: Sequence[str] | None = None, mixed: bool = False) -> Comparison:
    """Runs side by side; those of one recipe that differ in their seed are one row, and the first row is the reference.

    `metrics` are the few that stand for the rest unless given.

    Raises:
        RunError: a folder has no report.
        ProtocolError: the runs were measured under different protocols or on different data, and `mixed` is not set.
    """
    measured = [Measured.read(folder) for folder in folders]
    if not metrics and measured:
        metrics = leading(measured[0].report)
    return compare(measured, metrics=metrics, mixed=mixed)
