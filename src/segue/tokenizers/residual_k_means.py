"""Residual k-means: each level's codebook is learned from what the levels before it have not said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.kernels.k_means import Clusters, balanced_k_means, k_means
from segue.kernels.nearest_centroid import nearest_centroid
from segue.tokenizers._codebooks import Codebooks, CodebookTokenizer, Learned, books_from, unexplained
from segue.tokenizers.collisions import Costs, residual_costs

TILE = 4096
"""Vectors whose centroids are taken away at once."""


class ResidualKMeans(CodebookTokenizer):
    """The nearest of a level's centroids is the item's code, and is taken away before the next level.

    With `balanced` each code of a level has the same number of items, to within one, as in OneRec (arXiv:2502.18965,
    algorithm 1, where levels=3 and size=8192); it learns from all items and `sample` does not apply. A collision policy
    that moves items to other codes unbalances the last level a little. New items take the nearest codes, balanced or
    not.
    """

    balanced: bool = False
    """Whether all codes of a level have the same number of items."""

    def learn(self, vectors: Float[Tensor, "items width"], run: Run) -> Learned:
        """One k-means a level."""
        cluster: Callable[..., Clusters] = balanced_k_means if self.balanced else partial(k_means, sample=self.sample)
        rest = vectors.clone()
        books, codes, inertias = [], [], []
        run.begin("residual k-means", self.levels * self.iterations)
        for level, size in enumerate(self.sizes):
            found = cluster(
                *(rest, size, run.numpy_generator(self.kind(), level)),
                iterations=self.iterations,
                tolerance=self.tolerance,
                start=self.start,
                advance=run.advance,
            )
            _take_away(rest, found.centroids, found.codes)
            books.append(found.centroids.cpu())
            codes.append(found.codes.cpu().numpy())
            inertias.append(found.inertia)
        run.end()
        notes = {"inertia": inertias, "unexplained": unexplained(inertias, vectors)}
        return Learned(ResidualCodebooks(tuple(books)), np.stack(codes, axis=1), notes)

    def remembered(self, weights: Mapping[str, Tensor]) -> Codebooks:
        """The codebooks whose tensors are among `weights`."""
        return ResidualCodebooks(books_from(weights, self.levels))


@dataclass(frozen=True)
class ResidualCodebooks(Codebooks):
    """An item is the sum of one centroid of each level."""

    books: tuple[Tensor, ...]

    def nearest(self, vectors: Float[Tensor, "items width"]) -> Int[np.ndarray, "items levels"]:
        """Level after level, the nearest centroid to what is left."""
        rest, codes = vectors.clone(), []
        for book in self.books:
            nearest, _ = nearest_centroid(rest, book)
            _take_away(rest, book, nearest)
            codes.append(nearest.numpy())
        return np.stack(codes, axis=1)

    def costs(self, vectors: Float[np.ndarray, "items width"]) -> Costs:
        """Squared distances of what is left after the codes before."""
        return residual_costs(vectors, [book.numpy() for book in self.books])

    def spoken(self, tuples: Int[np.ndarray, "items levels"]) -> Float[np.ndarray, "items width"]:
        """The sums of their centroids."""
        firsts = np.cumsum([0, *(len(book) for book in self.books[:-1])])
        sums: np.ndarray = embedding_bag(torch.from_numpy(tuples + firsts), torch.cat(self.books), mode="sum").numpy()
        return sums


def _take_away(rest: Tensor, centroids: Tensor, codes: Tensor) -> None:
    """Subtract each vector's centroid in place, a tile at a time."""
    for some, own in zip(rest.split(TILE), codes.split(TILE), strict=True):
        some -= centroids[own]
