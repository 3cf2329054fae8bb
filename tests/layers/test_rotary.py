"""Rotary positions: only distances matter."""

import pytest
import torch

from segue.layers.rotary import Rotary

SIZE = 8


def product(q: torch.Tensor, k: torch.Tensor, at: int, other: int) -> float:
    """The dot product of a query at one place and a key at another."""
    rotary = Rotary(SIZE, length=100)
    turned = rotary(torch.stack([q, k])[:, None, None], torch.tensor([at, other]))[:, 0, 0]
    return float(turned[0] @ turned[1])


def test_a_product_depends_on_the_distance_alone() -> None:
    q, k = torch.randn(2, SIZE, generator=torch.Generator().manual_seed(0))
    assert product(q, k, 7, 2) == pytest.approx(product(q, k, 95, 90), abs=1e-4)
    assert product(q, k, 7, 2) != pytest.approx(product(q, k, 7, 3), abs=1e-3)


def test_the_first_place_turns_nothing_and_no_place_changes_a_length() -> None:
    vectors = torch.randn(5, 1, 2, SIZE, generator=torch.Generator().manual_seed(0))
    turned = Rotary(SIZE, length=100)(vectors, torch.tensor([0, 1, 2, 50, 99]))
    assert torch.equal(turned[0], vectors[0])
    torch.testing.assert_close(turned.norm(dim=-1), vectors.norm(dim=-1))


def test_the_first_pair_turns_by_one_radian_a_place() -> None:
    vectors = torch.zeros(1, 1, 1, 2)
    vectors[..., 0] = 1.0
    turned = Rotary(2, length=2)(vectors, torch.tensor([1]))
    assert turned.ravel().tolist() == pytest.approx([0.540302, 0.841471], abs=1e-6)
