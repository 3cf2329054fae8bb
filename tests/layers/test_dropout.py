"""Dropout: how much is dropped, by whom, and that the way back is the way forth."""

import pytest
import torch

from segue.layers.dropout import Dropout

MANY = torch.ones(401, 251)


def seeded(rate: float, seed: int = 0) -> Dropout:
    dropout = Dropout(rate)
    dropout.rng = torch.Generator().manual_seed(seed)
    return dropout


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_of_zeros_is_the_rate_and_the_rest_is_scaled(rate: float) -> None:
    values = seeded(rate)(MANY)
    assert (values == 0).float().mean().item() == pytest.approx(rate, abs=0.006)  # four standard errors at 0.5
    assert torch.unique(values).tolist() == pytest.approx([0, 1 / (1 - rate)], rel=1e-4)


def test_out_of_training_and_at_rate_zero_nothing_happens() -> None:
    assert seeded(0.5).eval()(MANY) is MANY
    assert seeded(0.0)(MANY) is MANY


def test_the_generator_decides() -> None:
    assert torch.equal(seeded(0.5)(MANY), seeded(0.5)(MANY))
    assert not torch.equal(seeded(0.5)(MANY), seeded(0.5, seed=1)(MANY))
    dropout = seeded(0.5)
    assert not torch.equal(dropout(MANY), dropout(MANY))


def test_the_global_generator_is_left_alone_when_there_is_another() -> None:
    before = torch.random.get_rng_state()
    seeded(0.5)(MANY)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_gradient_goes_where_the_value_went() -> None:
    values = MANY.clone().requires_grad_()
    kept = seeded(0.3)(values)
    kept.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, kept.detach())


@pytest.mark.parametrize("shape", [(0, 3), (1,), (5, 3), (2, 3, 7)])
def test_any_shape_and_type_is_kept(shape: tuple[int, ...]) -> None:
    values = torch.ones(shape, dtype=torch.bfloat16)
    assert seeded(0.5)(values).shape == values.shape
    assert seeded(0.5)(values).dtype == torch.bfloat16
