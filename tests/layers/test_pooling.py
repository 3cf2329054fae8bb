"""Candidates beside the events that they see, and sums over them, worked out by hand."""

import pytest
import torch

from segue.core.batches import Rows
from segue.core.impressions import Candidates
from segue.layers.pooling import Pairs, mean_of_newest

ROWS = Rows(torch.tensor([0, 0, 2, 5]))  # rows of 0, 2 and 3 events
ASKED = Candidates(torch.tensor([0, 1, 1, 2, 2]), torch.tensor([0, 1, 2, 0, 3]), None)
VALUES = torch.tensor([[1.0], [2.0], [4.0], [8.0], [16.0]])


def test_a_candidate_is_beside_the_newest_events_before_it() -> None:
    pairs = Pairs.newest(ROWS, ASKED, recent=2)
    assert pairs.counts.tolist() == [0, 1, 2, 0, 2]
    assert pairs.tokens.tolist() == [0, 0, 1, 3, 4]
    assert pairs.shown.tolist() == [1, 2, 2, 4, 4]
    assert pairs.places.tolist() == [0, 0, 1, 0, 1]
    assert pairs.ages.tolist() == [0, 1, 0, 1, 0]


def test_means_are_over_the_newest_events_and_zero_without_any() -> None:
    assert mean_of_newest(VALUES, ROWS, ASKED, recent=2).flatten().tolist() == [0.0, 1.0, 1.5, 0.0, 12.0]
    assert mean_of_newest(VALUES, ROWS, ASKED, recent=9).flatten().tolist() == pytest.approx(
        [0.0, 1.0, 1.5, 0.0, 28 / 3]
    )


def test_means_keep_further_dimensions() -> None:
    vectors = torch.stack([VALUES, 2 * VALUES], dim=1)
    assert torch.equal(mean_of_newest(vectors, ROWS, ASKED, recent=2)[4], torch.tensor([[12.0], [24.0]]))


def test_a_weighted_sum_and_its_gradients() -> None:
    pairs = Pairs.newest(ROWS, ASKED, recent=2)
    weights = torch.tensor([1.0, 0.5, 0.25, -1.0, 2.0], requires_grad=True)
    vectors = VALUES.clone().requires_grad_()
    found = pairs.sum(weights, vectors)
    assert found.flatten().tolist() == [0.0, 1.0, 1.0, 0.0, 24.0]
    found.sum().backward()
    assert weights.grad.tolist() == [1.0, 1.0, 2.0, 8.0, 16.0]
    assert vectors.grad.flatten().tolist() == [1.5, 0.25, 0.0, -1.0, 2.0]


def test_softmax_is_within_each_candidate() -> None:
    pairs = Pairs.newest(ROWS, ASKED, recent=2)
    weights = pairs.softmax(torch.tensor([7.0, 0.0, 0.0, 1000.0, 1000.0 + torch.log(torch.tensor(3.0))]))
    assert weights.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.25, 0.75], rel=1e-4)


def test_nobody_has_a_history() -> None:
    rows, asked = Rows(torch.tensor([0, 0, 0])), Candidates(torch.tensor([0, 1]), torch.tensor([0, 0]), None)
    pairs = Pairs.newest(rows, asked, recent=2)
    nothing = torch.zeros(0, 3)
    assert torch.equal(pairs.sum(pairs.softmax(torch.zeros(0)), nothing), torch.zeros(2, 3))
    assert torch.equal(mean_of_newest(nothing, rows, asked, recent=2), torch.zeros(2, 3))
