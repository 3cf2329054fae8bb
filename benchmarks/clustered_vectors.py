"""Random clusters of vectors, the same for every side: a centre of many, and noise around it."""

import numpy as np

ROWS = 65_536
"""Vectors drawn at once, so that drawing takes little more memory than the vectors."""


def clustered(count: int, width: int, seed: int, centers: int = 10_000, noise: float = 0.7) -> np.ndarray:
    """`count` float32 vectors around `centers` normal ones; there are more centres than codes, as among items."""
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centers, width), dtype=np.float32)
    vectors = np.empty((count, width), dtype=np.float32)
    for begin in range(0, count, ROWS):
        some = vectors[begin : begin + ROWS]
        rng.standard_normal(dtype=np.float32, out=some)
        some *= noise
        some += middle[rng.integers(centers, size=len(some))]
    return vectors
