"""Draws are as likely as they say they are."""

from dataclasses import replace

import pytest
import torch

from objectives.two_items import all_zero, rng
from segue.core.batches import SequenceBatch
from segue.core.tables import Histories
from segue.data.negatives import InBatchNegatives, MixedNegatives, PopularityNegatives, UniformNegatives

COUNTS = torch.tensor([100.0, 30.0, 10.0, 1.0, 0.0])
BATCH = replace(all_zero(), counts=COUNTS)
FAR = 25.0
"""Chi-square of four degrees of freedom is beyond this once in twenty thousand."""


def chi_square(drawn: torch.Tensor, chances: torch.Tensor) -> float:
    expected = chances * drawn.numel()
    found = torch.bincount(drawn.ravel(), minlength=len(chances))
    return float(((found - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("power", [0.0, 0.75, 1.0])
def test_popular_items_are_drawn_by_their_count_to_a_power(power: float, shared: bool) -> None:
    weights = COUNTS.clamp_min(1) ** power  # never seen counts as seen once
    drawn = PopularityNegatives(count=6000, power=power, shared=shared)(BATCH, 5, rng())
    assert drawn.items.shape == ((6000,) if shared else (6, 6000))
    assert chi_square(drawn.items, weights / weights.sum()) < FAR
    torch.testing.assert_close(drawn.log_q, (weights / weights.sum() * 6000).log())


@pytest.mark.parametrize("shared", [True, False])
def test_uniform_draws_are_uniform(shared: bool) -> None:
    drawn = UniformNegatives(count=6000, shared=shared)(BATCH, 5, rng())
    assert chi_square(drawn.items, torch.full((5,), 0.2)) < FAR
    torch.testing.assert_close(drawn.log_q, torch.full((5,), 1200.0).log())


def test_in_batch_draws_are_the_targets_of_the_batch() -> None:
    batch = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3, 4]]), targets=True)
    drawn = InBatchNegatives()(replace(batch, counts=COUNTS), 5, rng())
    assert sorted(drawn.items.tolist()) == [1, 2, 4]
    torch.testing.assert_close(drawn.log_q, (COUNTS.clamp_min(1) / 142 * 3).log())
    few = InBatchNegatives(most=2)(replace(batch, counts=COUNTS), 5, rng())
    assert len(few.items) == 2
    assert set(few.items.tolist()) < {1, 2, 4}


def test_the_expected_numbers_of_two_draws_add_up() -> None:
    mixed = MixedNegatives(first=UniformNegatives(count=10), second=PopularityNegatives(count=20, power=1.0))
    drawn = mixed(BATCH, 5, rng())
    assert len(drawn.items) == 30
    torch.testing.assert_close(drawn.log_q.exp(), 10 / 5 + COUNTS.clamp_min(1) / 142 * 20)


def test_two_draws_of_different_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="both shared, or both for each token"):
        MixedNegatives(first=UniformNegatives(), second=UniformNegatives(shared=False))(BATCH, 5, rng())


def test_without_counts_popularity_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="training counts"):
        PopularityNegatives()(all_zero(), 5, rng())


def test_a_shared_draw_and_each_tokens_own_compare_alike() -> None:
    states, vectors = torch.randn(6, 3, generator=rng()), torch.randn(5, 3, generator=rng(1))
    targets = torch.zeros(6, dtype=torch.long)
    for shared in (True, False):
        drawn = UniformNegatives(count=4, shared=shared)(BATCH, 5, rng())
        positive, negative = drawn.compare(states, vectors, targets)
        scores = states @ vectors.T
        torch.testing.assert_close(positive, scores[:, 0])
        torch.testing.assert_close(negative, scores.gather(1, drawn.items.expand(6, -1)))
