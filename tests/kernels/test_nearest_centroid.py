"""The nearest centroid, tile by tile, is the nearest centroid."""

import pytest
import torch
from torch import Tensor

from kernels.packed import UnwrittenIsNaN, normal
from segue.kernels import nearest_centroid as module
from segue.kernels.nearest_centroid import nearest_centroid


def whole(*shape: int, seed: int = 0) -> Tensor:
    """Small whole numbers, whose distances are exact and often equal."""
    return torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("tile", [2 << 20, 1])
@pytest.mark.parametrize("shape", [(1, 1, 1), (37, 5, 3), (700, 33, 2), (257, 300, 8)])
def test_it_is_brute_force_and_ties_go_to_the_lower(
    tile: int, shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.TILE_BYTES, "cpu", tile)
    monkeypatch.setattr(module, "FEWEST", 16)
    vectors, centroids = whole(shape[0], shape[2]), whole(shape[1], shape[2], seed=1)
    squares = (vectors[:, None] - centroids).square().sum(2)
    with UnwrittenIsNaN():
        codes, distances = nearest_centroid(vectors, centroids)
        again = nearest_centroid(vectors, centroids, vectors.square().sum(1))
    assert torch.equal(distances, squares.amin(1))
    assert torch.equal(again[0], codes)
    assert torch.equal(again[1], distances)
    first = [int(torch.nonzero(row == row.min())[0]) for row in squares]
    assert codes.tolist() == first


def test_distances_by_hand() -> None:
    codes, distances = nearest_centroid(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.0, 1.0], [0.0, 4.0]]))
    assert codes.tolist() == [0, 1]
    assert distances.tolist() == [1.0, 9.0]


def test_a_vector_on_its_centroid_is_never_less_than_nothing_away() -> None:
    vectors = 100 * normal(300, 64).detach()
    codes, distances = nearest_centroid(vectors, vectors)
    assert torch.equal(codes, torch.arange(300))
    assert (distances >= 0).all()
    assert distances.max() < 1e-6 * vectors.square().sum(1).max()


def test_no_vectors_have_no_codes() -> None:
    codes, distances = nearest_centroid(torch.empty(0, 4), torch.ones(3, 4))
    assert len(codes) == len(distances) == 0


def test_the_distances_of_many_vectors_never_exist_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    addmm = torch.addmm

    def noting(*inputs: Tensor, alpha: int, out: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, out.numel())
        return addmm(*inputs, alpha=alpha, out=out)

    monkeypatch.setattr(module.torch, "addmm", noting)
    nearest_centroid(torch.ones(50_000, 2), torch.ones(256, 2))
    assert largest == 2048 * 256  # 2 MB
