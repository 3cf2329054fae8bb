from __future__ import annotations

import torch

from segue.tokenizers._sinkhorn import balanced_plan


def test_rows_sum_to_one_and_columns_get_equally_much() -> None:
    costs = torch.rand(40, 8, generator=torch.Generator().manual_seed(0))
    plan = balanced_plan(costs, epsilon=0.1, iterations=300)
    assert torch.allclose(plan.sum(1), torch.ones(40).double())
    assert torch.allclose(plan.sum(0), torch.full((8,), 5.0).double(), atol=1e-3)


def test_two_by_two_by_hand() -> None:
    # Both rows like column 0; row 0 likes it more, so it gets it and row 1 has to go.
    plan = balanced_plan(torch.tensor([[0.0, 1.0], [0.0, 0.4]]), epsilon=0.02, iterations=200)
    assert plan.argmax(1).tolist() == [0, 1]
    # A plan is the kernel exp(-cost / epsilon) times row and column factors, which cancel out in the cross ratio.
    blurred = balanced_plan(torch.tensor([[0.0, 1.0], [0.0, 0.4]]), epsilon=1.0, iterations=200)
    ratio = blurred[0, 0] * blurred[1, 1] / (blurred[0, 1] * blurred[1, 0])
    assert torch.isclose(ratio, torch.exp(torch.tensor(0.6 / 0.5, dtype=torch.float64)), atol=1e-5)


def test_groups_are_balanced_each_for_itself() -> None:
    costs = torch.rand(12, 4, generator=torch.Generator().manual_seed(1))
    groups = torch.tensor([0, 1, 2] * 4)
    plan = balanced_plan(costs, 0.1, 200, groups)
    for group in range(3):
        alone = balanced_plan(costs[groups == group], 0.1, 200)
        assert torch.allclose(plan[groups == group], alone, atol=1e-9)


def test_a_small_epsilon_stays_finite() -> None:
    costs = torch.rand(64, 16, generator=torch.Generator().manual_seed(2)) * 1e4
    plan = balanced_plan(costs, epsilon=0.003, iterations=50)
    assert torch.isfinite(plan).all()
    assert torch.bincount(plan.argmax(1), minlength=16).max() <= 6  # an even 4 each, nearly
