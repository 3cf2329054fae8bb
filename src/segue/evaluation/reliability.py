"""Does it happen as often as it was said to: probabilities against what came, in bins of equally many impressions."""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Bool, Float, Int
from segue.evaluation.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, short, ticks
from segue.evaluation.note import Note

BINS = 20


class Reliability(Note):
    """What was said and what came, by bin, the least likely first."""

    predicted: list[float]
    """The mean probability."""
    observed: list[float]
    """The share of positives."""
    counts: list[int]
    """Impressions."""


def reliability(probabilities: Float[np.ndarray, " shown"], positive: Bool[np.ndarray, " shown"]) -> Reliability:
    """The curve of one task."""
    _, bins, counts = np.unique(bins_of(probabilities), return_inverse=True, return_counts=True)
    predicted = np.bincount(bins, weights=probabilities) / counts
    observed = np.bincount(bins, weights=positive) / counts
    return Reliability(predicted=predicted.tolist(), observed=observed.tolist(), counts=counts.tolist())


def reliability_chart(curve: Reliability, task: str) -> str:
    """Observed rates over probabilities, each with twice its standard error, against a dotted line where they agree."""
    if not curve.counts:
        return ""
    bins = list(zip(curve.predicted, curve.observed, curve.counts, strict=True))
    ends = [
        (said, max(came - 2 * error, 0.0), came, min(came + 2 * error, 1.0))
        for said, came, count in bins
        for error in [np.sqrt(came * (1 - came) / count)]
    ]
    marks = ticks(0.0, max(max(said, high) for said, _, _, high in ends) or 1.0, 4)
    top = marks[-1]

    def across(value: float) -> float:
        return LEFT + value / top * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    parts = []
    for mark in marks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(mark) + 4:.1f}" text-anchor="end">{short(mark)}</text>')
        parts.append(f'<text x="{across(mark):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{short(mark)}</text>')
    parts.append(
        f'<line class="axis" x1="{across(0):.1f}" y1="{up(0):.1f}" x2="{across(top):.1f}" y2="{up(top):.1f}"/>'
    )
    for said, low, came, high in ends:
        x = across(said)
        parts.append(f'<line class="line thin" x1="{x:.1f}" x2="{x:.1f}" y1="{up(low):.1f}" y2="{up(high):.1f}"/>')
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{up(came):.1f}" r="3"/>')
    said_all = "; ".join(f"{short(said)}: {short(came)}" for said, came, _ in bins)
    return drawing(parts, HEIGHT, f"Said and observed rates of {task}: {said_all}")


def gaps(
    probabilities: Float[np.ndarray, " shown"], positive: Bool[np.ndarray, " shown"]
) -> Float[np.ndarray, " shown"]:
    """What each impression adds to the expected calibration error, which is the mean of these.

    The gap of a bin is a sum of differences between probability and label, with the sign of their sum.
    """
    bins, off = bins_of(probabilities), probabilities - positive
    return np.sign(np.bincount(bins, weights=off, minlength=BINS))[bins] * off


def bins_of(probabilities: Float[np.ndarray, " shown"]) -> Int[np.ndarray, " shown"]:
    """The bin of each probability by its rank; equal ones share a bin, so the order of impressions does not matter."""
    _, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.floor(BINS * middle / max(len(probabilities), 1)).astype(np.int64)[inverse]
