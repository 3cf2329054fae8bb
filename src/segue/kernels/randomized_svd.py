"""The leading singular vectors of a large sparse matrix, by products with it alone.

A random subspace is drawn through the matrix and back a few times, which turns it towards the leading singular
vectors, and the exact decomposition is taken inside it. The cost is a few products of the matrix with a thin dense one.

Source: Halko, Martinsson and Tropp 2011, "Finding structure with randomness", SIAM Review 53(2), algorithms 4.4 and
5.1. Each vector's sign is fixed: its entry of largest size is positive.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from segue.core.shapes import Float, Int

SPARE = 16
"""Directions drawn beyond the wanted ones, which make the last wanted ones exact."""


def randomized_svd(
    matrix: Float[Tensor, "rows columns"], width: int, rng: torch.Generator, *, rounds: int = 3
) -> tuple[Float[Tensor, " rank"], Float[Tensor, "columns rank"]]:
    """The largest singular values, in falling order, and their right singular vectors.

    `rank` is `width`, or less where the matrix has fewer rows or columns. The matrix is dense or in compressed sparse
    rows. `rounds` are the times that the subspace goes through the matrix and back; slowly falling singular values want
    more. The generator lives on the matrix's device.
    """
    rows, columns = matrix.shape
    rank = min(width, rows, columns)
    drawn = min(rank + SPARE, rows, columns)
    with _quiet():
        flipped = matrix.t().to_sparse_csr() if matrix.layout == torch.sparse_csr else matrix.t()
    basis = torch.randn(columns, drawn, generator=rng, device=rng.device, dtype=matrix.dtype)
    for _ in range(rounds):
        basis = torch.linalg.qr(flipped @ (matrix @ basis))[0]
    left = torch.linalg.qr(matrix @ basis)[0]  # rows drawn
    within, small = torch.linalg.qr(flipped @ left)  # columns drawn; the matrix is about left @ small.T @ within.T
    turned, values, _ = torch.linalg.svd(small.double(), full_matrices=False)
    vectors = within @ turned[:, :rank].to(matrix.dtype)
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return values[:rank].to(matrix.dtype), torch.where(largest < 0, -vectors, vectors)


def compressed_rows(
    bounds: Int[Tensor, " bounds"], columns: Int[Tensor, " cells"], values: Float[Tensor, " cells"], width: int
) -> Float[Tensor, "rows width"]:
    """A sparse matrix in compressed rows: row r has `values` at `columns` from `bounds[r]` to `bounds[r + 1]`."""
    with _quiet():
        return torch.sparse_csr_tensor(bounds, columns, values, size=(len(bounds) - 1, width), check_invariants=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """torch says once a process that this layout is young; products with it are checked by our tests."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        yield
