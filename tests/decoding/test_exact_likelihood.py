"""Every item's probability: it is one distribution, and the same whatever pieces the trie is walked in."""

import numpy as np
import pytest
import torch

from decoding.token_models import Table, random_codes, random_model, some_histories
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.ranking import Rules
from segue.core.tables import Histories
from segue.decoding.exact_likelihood import ExactLikelihood


def test_a_full_tree_is_one_distribution() -> None:
    """With an item at every tuple nothing lies outside of the trie: the probabilities add up to one."""
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), -1).reshape(-1, 3)
    model = random_model(ItemCodes(grid, (4, 4, 4)))
    with torch.no_grad():
        scores = ExactLikelihood().likelihood(model, SequenceBatch.of(some_histories(64, 2, 7)))
    assert scores.exp().sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


def test_the_pieces_of_the_walk_do_not_matter() -> None:
    model, past = random_model(random_codes(80, 3, 5, weighted=True)), some_histories(80, 3, 9, 1)
    whole = ExactLikelihood()(model, past, 80, Rules(seen=True))
    pieces = ExactLikelihood(prefixes=3)(model, past, 80, Rules(seen=True))
    np.testing.assert_allclose(pieces.scores, whole.scores, atol=1e-5)


def test_it_equals_the_teacher_forced_probability_of_each_item() -> None:
    codes = random_codes(50, 3, 5)
    model, past = random_model(codes), some_histories(50, 4, 6)
    ranking = ExactLikelihood()(model, past, 50, Rules(seen=True))
    batch = SequenceBatch.of(past)
    with torch.no_grad():
        states = model.states_of(batch, torch.arange(50).expand(2, -1))
        total = torch.zeros(2, 50)
        for level in range(3):
            table, _ = model.codebook(level)
            chances = torch.log_softmax(states[:, :, level] @ table.T, dim=-1)
            total += chances[:, torch.arange(50), torch.from_numpy(codes.codes[:, level])]
    total += torch.zeros(50).index_put_((codes.tree.items,), codes.tree.log_shares)
    for place, row in enumerate(batch.order.tolist()):
        np.testing.assert_allclose(ranking.scores[row], total[place].numpy()[ranking.items[row]], atol=1e-5)


def test_items_of_one_tuple_share_its_probability() -> None:
    codes = ItemCodes(np.array([[0], [1], [1]]), (2,), weights=np.array([0.0, 0.0, 2.0], dtype=np.float32))
    ranking = ExactLikelihood()(Table(codes, [[0.2, 0.8]]), Histories.from_lists([[0]]), 3, Rules(seen=True))
    assert ranking.items[0, 0] == 2
    assert np.exp(ranking.scores[0]).tolist() == pytest.approx([0.6, 0.2, 0.2])


def test_what_lies_behind_the_end_costs_nothing() -> None:
    """With every tuple that ends early or never in the catalog, and the end paid for once, there is nothing else."""
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    grid[np.cumsum(grid == 0, axis=1) > 0] = 0
    codes = ItemCodes(np.unique(grid, axis=0), (3, 3, 3), shared=True, end=0)
    for model in (random_model(codes), Table(codes, [[0.2, 0.3, 0.5]] * 3)):
        exact = ExactLikelihood()(model, Histories.from_lists([[3, 7], [1]]), len(codes), Rules(seen=True))
        assert np.exp(exact.scores).sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
        pieces = ExactLikelihood(prefixes=2)(model, Histories.from_lists([[3, 7], [1]]), len(codes), Rules(seen=True))
        np.testing.assert_allclose(pieces.scores, exact.scores, atol=1e-5)
