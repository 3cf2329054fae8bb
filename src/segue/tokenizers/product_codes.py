"""Product codes: a vector is cut into pieces, and each piece is quantised by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.core.shapes import Float, Int
from segue.kernels.k_means import k_means, sampled
from segue.kernels.nearest_centroid import nearest_centroid
from segue.tokenizers._codebooks import Codebooks, CodebookTokenizer, Learned, books_from, unexplained
from segue.tokenizers.collisions import Costs


class ProductCodes(CodebookTokenizer):
    """Level l quantises the l-th piece of the vector, so no level depends on another.

    Source: Jégou et al. 2011, "Product quantization for nearest neighbor search", TPAMI 33(1). With `rotated`, vectors
    are turned first so that the pieces lose least: Ge et al. 2013, "Optimized product quantization for approximate
    nearest neighbor search", CVPR, the non-parametric form (codes and rotation in turn) begun at the parametric one.
    Where the width is not a multiple of the levels, some pieces are one wider than others.
    """

    rotated: bool = False
    """Whether to learn a rotation of the vectors as well."""
    rounds: PositiveInt = 20
    """With `rotated`: how often codes and rotation are improved in turn."""

    def learn(self, vectors: Float[Tensor, "items width"], run: Run) -> Learned:
        """One k-means a piece, and the rotation before it.

        Raises:
            SettingsError: fewer numbers in a vector than levels.
        """
        width = vectors.shape[1]
        if width < self.levels:
            raise SettingsError(
                f"vectors of {width} numbers cannot be cut into {self.levels} pieces; set levels to {width} or less, "
                "or a larger width of the encoder."
            )
        rotation, books = self._rotation(vectors, run) if self.rotated else (None, None)
        found, variances = [], []
        run.begin("product codes", self.levels * self.iterations)
        for level, size in enumerate(self.sizes):
            piece = _piece(vectors, rotation, _bounds(width, self.levels)[level])
            clusters = k_means(
                *(piece, size, run.numpy_generator(self.kind(), level)),
                iterations=self.iterations,
                tolerance=self.tolerance,
                sample=self.sample,
                start=self.start if books is None else books[level],
                advance=run.advance,
            )
            found.append(clusters)
            variances.extend(unexplained([clusters.inertia], piece))
        run.end()
        codebooks = ProductCodebooks(
            tuple(clusters.centroids.cpu() for clusters in found), None if rotation is None else rotation.cpu()
        )
        codes = np.stack([clusters.codes.cpu().numpy() for clusters in found], axis=1)
        return Learned(codebooks, codes, {"inertia": [one.inertia for one in found], "unexplained": variances})

    def _rotation(self, vectors: Tensor, run: Run) -> tuple[Tensor, list[Tensor]]:
        """The rotation, and the codebooks it was learned with."""
        rng = run.numpy_generator(self.kind(), "rotation")
        some = vectors if self.sample is None else sampled(vectors, max(self.sizes) * self.sample, rng)
        bounds = _bounds(some.shape[1], self.levels)
        rotation = _even_shares(some, bounds)
        books: list[Tensor] = []
        run.begin("rotation", self.rounds)
        for turn in range(self.rounds):
            pieces = [_piece(some, rotation, piece) for piece in bounds]
            found = [
                k_means(piece, size, rng, iterations=1 if turn else 5, start=books[level] if turn else self.start)
                for level, (piece, size) in enumerate(zip(pieces, self.sizes, strict=True))
            ]
            books = [clusters.centroids for clusters in found]
            said = torch.cat([clusters.centroids[clusters.codes] for clusters in found], dim=1)
            # The rotation that turns the vectors nearest to what their codes say: orthogonal Procrustes.
            left, _, right = torch.linalg.svd(some.T @ said)
            rotation = left @ right
            run.advance(1, f"inertia {sum(clusters.inertia for clusters in found):.5g}")
        run.end()
        return rotation, books

    def remembered(self, weights: Mapping[str, Tensor]) -> Codebooks:
        """The codebooks whose tensors are among `weights`."""
        rotation = weights["rotation"].cpu() if self.rotated else None
        return ProductCodebooks(books_from(weights, self.levels), rotation)


@dataclass(frozen=True)
class ProductCodebooks(Codebooks):
    """An item is one centroid of each level beside the other, turned back where there is a rotation."""

    books: tuple[Tensor, ...]
    rotation: Float[Tensor, "width width"] | None = None
    """Vectors are multiplied with it from the right before they are cut."""

    @property
    def pieces(self) -> list[slice]:
        """Where each level's piece lies."""
        bounds = np.cumsum([0, *(book.shape[1] for book in self.books)]).tolist()
        return [slice(*pair) for pair in pairwise(bounds)]

    def nearest(self, vectors: Float[Tensor, "items width"]) -> Int[np.ndarray, "items levels"]:
        """The nearest centroid of each piece."""
        pieces = (_piece(vectors, self.rotation, piece) for piece in self.pieces)
        codes = [nearest_centroid(piece, book)[0].numpy() for piece, book in zip(pieces, self.books, strict=True)]
        return np.stack(codes, axis=1)

    def costs(self, vectors: Float[np.ndarray, "items width"]) -> Costs:
        """Squared distances of the first pieces; those of later levels are left out."""

        def costs(rows: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
            turned = torch.from_numpy(vectors[rows])
            turned = turned if self.rotation is None else turned @ self.rotation
            before = turned.new_zeros(len(rows))
            depth = prefixes.shape[1]
            for piece, book, codes in zip(self.pieces, self.books, prefixes.T, strict=False):
                before += (turned[:, piece] - book[torch.from_numpy(codes.copy())]).square().sum(1)
            squares = torch.cdist(turned[:, self.pieces[depth]], self.books[depth]).square()
            found: np.ndarray = (before[:, None] + squares).numpy()
            return found

        return costs

    def spoken(self, tuples: Int[np.ndarray, "items levels"]) -> Float[np.ndarray, "items width"]:
        """Their centroids side by side, turned back."""
        codes = torch.from_numpy(tuples)
        said = torch.cat([book[codes[:, level]] for level, book in enumerate(self.books)], dim=1)
        back: np.ndarray = (said if self.rotation is None else said @ self.rotation.T).numpy()
        return back

    def tensors(self) -> dict[str, Tensor]:
        """Everything learned, by name."""
        return super().tensors() | ({} if self.rotation is None else {"rotation": self.rotation})


def _bounds(width: int, levels: int) -> list[slice]:
    """Pieces as equally wide as possible."""
    bounds = [width * level // levels for level in range(levels + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def _piece(vectors: Tensor, rotation: Tensor | None, piece: slice) -> Tensor:
    return vectors[:, piece].contiguous() if rotation is None else vectors @ rotation[:, piece]


def _even_shares(some: Tensor, pieces: list[slice]) -> Tensor:
    """Principal directions, dealt out so that the variances of each piece have about the same product."""
    values, directions = torch.linalg.eigh(torch.cov(some.T, correction=0))
    values = values.clamp_min(1e-6 * float(values[-1]))
    sizes = (values / values[0]).log().tolist()  # none below zero, or a piece would be filled before the next begins
    loads, columns = [0.0] * len(pieces), [list[int]() for _ in pieces]
    for direction in range(len(sizes) - 1, -1, -1):
        open_ = [place for place, piece in enumerate(pieces) if len(columns[place]) < piece.stop - piece.start]
        lightest = min(open_, key=lambda place: loads[place])
        loads[lightest] += sizes[direction]
        columns[lightest].append(direction)
    return directions[:, [direction for column in columns for direction in column]].contiguous()
