"""The randomised SVD agrees with the exact one where that can be had."""

import numpy as np
import pytest
import torch
from torch import Tensor

from segue.kernels.randomized_svd import compressed_rows, randomized_svd


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sparse(rows: int = 300, columns: int = 200, share: float = 0.05) -> Tensor:
    drawn = torch.rand(rows, columns, generator=rng(1))
    return torch.where(drawn < share, drawn / share + 0.5, 0.0)


def test_two_known_values_by_hand() -> None:
    matrix = torch.tensor([[3.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    values, vectors = randomized_svd(matrix, 2, rng())
    assert values.tolist() == pytest.approx([3.0, 2.0])
    assert vectors.tolist() == [pytest.approx([1.0, 0.0], abs=1e-6), pytest.approx([0.0, 1.0], abs=1e-6)]


@pytest.mark.parametrize("compressed", [False, True])
def test_it_is_the_exact_one(compressed: bool) -> None:
    dense = sparse()
    values, vectors = randomized_svd(dense.to_sparse_csr() if compressed else dense, 4, rng(), rounds=20)
    exact = torch.linalg.svd(dense.double())
    assert values.numpy() == pytest.approx(exact.S[:4].float().numpy(), rel=1e-4)
    overlap = (vectors.double().T @ exact.Vh[:4].T).abs()
    assert overlap.numpy() == pytest.approx(np.eye(4), abs=2e-3)


def test_few_rounds_lose_little_of_the_matrix() -> None:
    dense = sparse()
    exact = torch.linalg.svdvals(dense)[:16].square().sum()
    _, vectors = randomized_svd(dense, 16, rng(), rounds=2)
    assert (dense @ vectors).square().sum() > 0.95 * exact


def test_the_vectors_are_orthonormal_and_fewer_than_asked_where_the_matrix_is_small() -> None:
    values, vectors = randomized_svd(sparse(rows=6, columns=9, share=0.9), 20, rng())
    assert values.shape == (6,)
    assert vectors.shape == (9, 6)
    assert (vectors.T @ vectors).numpy() == pytest.approx(np.eye(6), abs=1e-5)


def test_signs_do_not_hang_on_the_draw() -> None:
    one, other = (randomized_svd(sparse(), 3, rng(seed), rounds=30)[1] for seed in (0, 1))
    assert one.numpy() == pytest.approx(other.numpy(), abs=5e-3)


def test_equal_generators_give_equal_vectors() -> None:
    one, other = (randomized_svd(sparse().to_sparse_csr(), 8, rng())[1] for _ in range(2))
    assert torch.equal(one, other)


@pytest.mark.filterwarnings("error")
def test_compressed_rows_are_the_cells_they_were_made_of() -> None:
    matrix = compressed_rows(
        torch.tensor([0, 2, 2, 3]), torch.tensor([0, 3, 1]), torch.tensor([1.0, 2.0, 3.0]), width=4
    )
    assert matrix.to_dense().tolist() == [[1.0, 0.0, 0.0, 2.0], [0.0] * 4, [0.0, 3.0, 0.0, 0.0]]
