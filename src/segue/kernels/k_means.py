"""k-means by Lloyd's steps, and its balanced form, in which all clusters are equally large.

Draws come from a numpy generator, so that they are the same on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from segue.core.shapes import Float, Int
from segue.kernels.nearest_centroid import nearest_centroid

Start = Literal["plus_plus", "sample"]
"""Where the centroids begin: k-means++ (spread out, in proportion to squared distances), or a sample of the points."""

SEEDS = 32
"""Points a cluster among which k-means++ chooses; among all points it would cost more than the steps themselves."""
BLOCK_BYTES, BLOCK = 64 << 20, 32
"""Distances of the balanced form alive at once, and centroids whose distances they are."""


@dataclass(frozen=True)
class Clusters:
    """Centroids, and what belongs to them."""

    centroids: Float[Tensor, "clusters width"]
    codes: Int[Tensor, " vectors"]
    """The cluster of each vector."""
    inertia: float
    """Sum over all vectors of the squared distance to the own centroid."""
    steps: tuple[float, ...]
    """The inertia that each step found, over the points it learned from."""


@torch.no_grad()
def k_means(
    vectors: Float[Tensor, "vectors width"],
    clusters: int,
    rng: np.random.Generator,
    *,
    iterations: int = 25,
    tolerance: float = 1e-4,
    sample: int | None = None,
    start: Start | Float[Tensor, "clusters width"] = "plus_plus",
    advance: Callable[[int, str], None] | None = None,
) -> Clusters:
    """Clusters that minimise the inertia, as far as Lloyd's steps find them; the inertia never rises.

    Stops when a step lowers the inertia by less than the share `tolerance`. With `sample`, centroids are learned from
    so many vectors a cluster, and only the codes are found for all. A cluster that runs empty begins again at the point
    farthest from its centroid. `advance` hears of `iterations` steps altogether.

    Raises:
        ValueError: fewer vectors than clusters.
    """
    _check(vectors, clusters)
    points = vectors if sample is None else sampled(vectors, clusters * sample, rng)
    centroids = _started(points, clusters, start, rng)
    lengths = torch.linalg.vecdot(points, points)
    steps: list[float] = []
    for step in range(iterations):
        codes, distances = nearest_centroid(points, centroids, lengths)
        steps.append(_total(distances))
        if step and steps[-2] - steps[-1] <= tolerance * steps[-2]:
            _tell(advance, iterations - step, steps[-1])
            break
        centroids, counts = _means(points, codes, clusters)
        empty = counts == 0
        if empty.any():
            centroids[empty] = points[distances.topk(int(empty.sum())).indices]
        _tell(advance, 1, steps[-1])
    codes, distances = nearest_centroid(vectors, centroids)
    return Clusters(centroids, codes, _total(distances), tuple(steps))


@torch.no_grad()
def balanced_k_means(
    vectors: Float[Tensor, "vectors width"],
    clusters: int,
    rng: np.random.Generator,
    *,
    iterations: int = 25,
    tolerance: float = 1e-4,
    start: Start | Float[Tensor, "clusters width"] = "plus_plus",
    advance: Callable[[int, str], None] | None = None,
) -> Clusters:
    """Clusters of vectors // clusters members each, and as many of one more as it takes.

    In each step the centroids are visited in turn; each takes the vectors nearest to it that nobody took before, and
    becomes their mean. What is left goes to the nearest centroid, at most one to each. Ends when a step changes the
    inertia by no more than the share `tolerance`; unlike k-means, it may rise.

    Source: OneRec, arXiv:2502.18965, algorithm 1. Theirs does not say what happens to the remainder, nor how the
    centroids begin. A step multiplies each centroid with what is left at its turn, half of the work of a plain step,
    and looks for the smallest of each row. At width 384 it took one core 0.1 s for 12,101 vectors and 256 clusters and
    4.4 s for 200,000 and 1,024; for a million and 8,192 that makes three minutes of one core a step.

    Raises:
        ValueError: fewer vectors than clusters.
    """
    _check(vectors, clusters)
    centroids = _started(vectors, clusters, start, rng)
    steps: list[float] = []
    codes = torch.empty(0)
    for step in range(max(1, iterations)):
        codes = _dealt(vectors, centroids)
        centroids, _ = _means(vectors, codes, clusters)
        if (codes < 0).any():
            _place_rest(vectors, centroids, codes)
            centroids, _ = _means(vectors, codes, clusters)
        steps.append(_inertia(vectors, centroids, codes))
        if step and abs(steps[-2] - steps[-1]) <= tolerance * steps[-2]:
            _tell(advance, iterations - step, steps[-1])
            break
        _tell(advance, 1, steps[-1])
    return Clusters(centroids, codes, steps[-1], tuple(steps))


def _dealt(vectors: Tensor, centroids: Tensor) -> Tensor:
    """The cluster of each vector when the centroids take their share in turn, -1 for the rest."""
    share = len(vectors) // len(centroids)
    codes = torch.full((len(vectors),), -1, dtype=torch.int64, device=vectors.device)
    rows = torch.arange(len(vectors), device=vectors.device)
    left, norms = vectors, torch.linalg.vecdot(vectors, vectors)
    block = min(BLOCK, max(1, BLOCK_BYTES // (len(vectors) * vectors.element_size())))
    for begin in range(0, len(centroids), block):
        free = codes[rows] < 0
        if int(free.sum()) < len(rows) * 7 // 8:
            rows, norms = rows[free], norms[free]
            del left  # before what follows it is made, or both would take memory
            left, free = vectors[rows], free[free]
        # |c|^2 is the same along a row, where the smallest are looked for
        products = torch.addmm(norms, centroids[begin : begin + block], left.T, alpha=-2)
        products.masked_fill_(~free, torch.inf)
        for turn in range(len(products)):
            taken = products[turn].topk(share, largest=False, sorted=False).indices
            codes[rows[taken]] = begin + turn
            products[turn + 1 :].index_fill_(1, taken, torch.inf)
    return codes


def _place_rest(vectors: Tensor, centroids: Tensor, codes: Tensor) -> None:
    """Give each vector without a cluster the nearest that has no such guest yet; of two that want one, the nearer."""
    open_ = torch.arange(len(centroids), device=codes.device)
    rest = torch.nonzero(codes < 0)[:, 0]
    while len(rest):
        wanted, distances = nearest_centroid(vectors[rest], centroids[open_])
        order = torch.argsort(distances, stable=True)
        order = order[torch.argsort(wanted[order], stable=True)]  # by wanted centroid, the nearest first
        first = torch.ones(len(rest), dtype=torch.bool, device=codes.device)
        first[1:] = wanted[order][1:] != wanted[order][:-1]
        winners = order[first]
        codes[rest[winners]] = open_[wanted[winners]]
        open_ = _without(open_, wanted[winners])
        rest = _without(rest, winners)


def _without(values: Tensor, places: Tensor) -> Tensor:
    keep = torch.ones(len(values), dtype=torch.bool, device=values.device)
    keep[places] = False
    return values[keep]


def _means(vectors: Tensor, codes: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """The mean (zero of nothing) and the number of each cluster's vectors; code -1 belongs to none."""
    order = torch.argsort(codes, stable=True)
    starts = torch.searchsorted(codes[order], torch.arange(clusters + 1, device=codes.device))
    means = embedding_bag(order[starts[0] :], vectors, starts[:-1] - starts[0], mode="mean")
    return means, starts.diff()


def _started(points: Tensor, clusters: int, start: Start | Tensor, rng: np.random.Generator) -> Tensor:
    if isinstance(start, Tensor):
        return start.clone()
    return sampled(points, clusters, rng) if start == "sample" else _plus_plus(points, clusters, rng)


def _plus_plus(points: Tensor, clusters: int, rng: np.random.Generator) -> Tensor:
    """Each next one drawn in proportion to the squared distance from those chosen before.

    Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding".
    """
    points = sampled(points, clusters * SEEDS, rng)
    norms = torch.linalg.vecdot(points, points)
    nearest = torch.full_like(norms, torch.inf)
    chosen = torch.empty(clusters, dtype=torch.int64, device=points.device)
    place = torch.tensor(int(rng.integers(len(points))))
    for turn in range(clusters):
        chosen[turn] = place
        products = points @ points[place]
        nearest = torch.minimum(nearest, (norms - 2 * products + norms[place]).clamp_min_(0))
        sums = nearest.cumsum(0, dtype=torch.float64)
        place = torch.searchsorted(sums, sums[-1] * rng.random(), right=True).clamp_max(len(points) - 1)
    return points[chosen]


def sampled(
    vectors: Float[Tensor, "vectors width"], count: int, rng: np.random.Generator
) -> Float[Tensor, "some width"]:
    """So many different ones, in their order; all, where there are no more."""
    if count >= len(vectors):
        return vectors
    rows = np.sort(rng.choice(len(vectors), count, replace=False))
    return vectors[torch.from_numpy(rows).to(vectors.device)]


def _inertia(vectors: Tensor, centroids: Tensor, codes: Tensor) -> float:
    tiles = zip(vectors.split(4096), codes.split(4096), strict=True)
    return sum(float((some - centroids[own]).square_().sum()) for some, own in tiles)


def _total(distances: Tensor) -> float:
    return float(distances.sum(dtype=torch.float64))


def _tell(advance: Callable[[int, str], None] | None, steps: int, inertia: float) -> None:
    if advance is not None:
        advance(steps, f"inertia {inertia:.5g}")


def _check(vectors: Tensor, clusters: int) -> None:
    if len(vectors) < clusters:
        raise ValueError(f"{clusters} clusters need as many vectors, and there are {len(vectors)}.")
