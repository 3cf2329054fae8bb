"""Whether what was exported says what the fitted system says, and how far it is off at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from segue.core.ranking import NOTHING
from segue.core.shapes import Float
from segue.export.cases import Cases
from segue.export.graph import Graph

TOLERANCE = 1e-4
"""Largest difference, relative to the largest number of its row, that is put down to rounding."""

Program = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]
"""Inputs by name to outputs in order."""


def largest_difference(graph: Graph, cases: Cases, program: Program) -> float:
    """Over all cases at once, and some of them alone; infinite where something is missing or in the wrong place."""
    count, lengths = len(cases.lengths), cases.lengths
    alone = {int(lengths.argmin()), int(lengths.argmax()), *np.flatnonzero(lengths == 1)[:1].tolist(), count - 1}
    pieces = [list(range(count)), *([row] for row in sorted(alone))]
    return max(_difference(graph, some, program(some.inputs)) for some in map(cases.take, pieces))


def _difference(graph: Graph, cases: Cases, given: list[np.ndarray]) -> float:
    outputs = {port.name: values for port, values in zip(graph.outputs, given, strict=True)}
    worst = 0.0
    for name, expected in cases.expected.items():
        found = outputs[name]
        if found.shape != expected.shape:
            return np.inf
        if name == "found":
            worst = max(worst, _misplaced(found, expected, cases.expected["scores"]))
            continue
        if cases.judged is not None:
            found, expected = found[cases.judged], expected[cases.judged]
        worst = max(worst, relative(found, expected))
    return worst


def relative(found: Float[np.ndarray, "rows ..."], expected: Float[np.ndarray, "rows ..."]) -> float:
    """The largest difference relative to the largest expected number of its row; of what is infinite both must be."""
    if not expected.size:
        return 0.0
    found, expected = (values.reshape(len(values), -1).astype(np.float64) for values in (found, expected))
    finite = np.isfinite(expected)
    if np.isnan(found).any() or not np.array_equal(np.where(finite, 0, found), np.where(finite, 0, expected)):
        return np.inf
    scale = np.abs(np.where(finite, expected, 0)).max(axis=1, keepdims=True)
    apart = np.where(finite, np.abs(found - np.where(finite, expected, 0)), 0)
    return float((apart / np.maximum(scale, np.finfo(np.float32).tiny)).max())


def _misplaced(found: np.ndarray, expected: np.ndarray, scores: np.ndarray) -> float:
    """How far apart the scores of items are that changed places; what is not in the list is as good as its last."""
    worst = 0.0
    for row, place in np.argwhere(found != expected):
        own = float(scores[row, place])
        elsewhere = np.flatnonzero(expected[row] == found[row, place])
        if found[row, place] == NOTHING or expected[row, place] == NOTHING:
            return np.inf
        other = float(scores[row, elsewhere[0]]) if len(elsewhere) else float(scores[row, -1])
        scale = float(np.abs(scores[row][np.isfinite(scores[row])]).max())
        worst = max(worst, abs(own - other) / max(scale, float(np.finfo(np.float32).tiny)))
    return worst
