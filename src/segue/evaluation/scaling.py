"""How a measure changes with the size of a model: a law a + b x^-c, fitted by least squares."""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Float
from segue.evaluation.note import Note

SLOWEST, FASTEST = 0.01, 3.0
"""Exponents that are looked at."""
LOOKS, ROUNDS = 200, 4
"""Exponents of a round, and rounds, each around the best of the one before."""


class Law(Note):
    """asymptote + scale * size^-exponent."""

    asymptote: float
    scale: float
    exponent: float
    error: float
    """Root of the mean squared distance of the points."""
    settled: bool
    """Whether the exponent lies inside the range that is looked at; if not, the points show no bend to extrapolate."""

    def at(self, size: float) -> float:
        """The value that the law gives to a size."""
        return self.asymptote + self.scale * size**-self.exponent

    def words(self) -> str:
        """As people write it."""
        sign = "+" if self.scale >= 0 else "\N{MINUS SIGN}"
        found = f"{self.asymptote:.4f} {sign} {abs(self.scale):.4g} x^-{self.exponent:.3f}"
        return found if self.settled else f"{found} (not settled: the points show no bend)"


def fit_law(sizes: Float[np.ndarray, " points"], values: Float[np.ndarray, " points"]) -> Law | None:
    """The law nearest to some points, or None for fewer than three different sizes.

    For each exponent the other two numbers are a linear problem; the exponent is searched on a grid that is narrowed.
    """
    if len(np.unique(sizes)) < 3:
        return None
    low, high = np.log(SLOWEST), np.log(FASTEST)
    best: tuple[float, float, float, float] = (np.inf, 0.0, 0.0, 0.0)
    for _ in range(ROUNDS):
        exponents = np.exp(np.linspace(low, high, LOOKS))
        best = min(best, *(_at_exponent(sizes, values, float(exponent)) for exponent in exponents))
        step = (high - low) / (LOOKS - 1)
        low = max(np.log(best[1]) - step, np.log(SLOWEST))
        high = min(np.log(best[1]) + step, np.log(FASTEST))
    error, exponent, asymptote, scale = best
    inside = SLOWEST * 1.01 < exponent < FASTEST / 1.01
    return Law(asymptote=asymptote, scale=scale, exponent=exponent, error=error, settled=inside)


def _at_exponent(
    sizes: Float[np.ndarray, " points"], values: Float[np.ndarray, " points"], exponent: float
) -> tuple[float, float, float, float]:
    """Error, exponent, asymptote and scale of the best law with this exponent."""
    smallest = sizes.min()
    falling = (sizes / smallest) ** -exponent
    design = np.stack([np.ones_like(falling), falling], axis=1)
    (asymptote, scale), *_ = np.linalg.lstsq(design, values, rcond=None)
    error = float(np.sqrt(np.mean((design @ np.array([asymptote, scale]) - values) ** 2)))
    return error, exponent, float(asymptote), float(scale * smallest**exponent)
