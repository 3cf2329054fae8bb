"""Log chances of trajectories: one distribution over the catalog, and the same that a walk down the trie finds."""

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoding.token_models import random_codes, random_model, some_histories
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.codes import ItemCodes
from segue.core.ranking import NOTHING
from segue.decoding.exact_likelihood import ExactLikelihood
from segue.layers.trajectory_chances import log_chances
from segue.models.token_generator import TokenGenerator


def test_even_states_by_hand() -> None:
    """Of 3 x 3 tuples there are 00, 01, 20 and 21: states that say nothing make every code 1/3, or 1/2 in the trie."""
    model = random_model(ItemCodes(np.array([[0, 0], [0, 1], [2, 0], [2, 1]]), (3, 3)))
    nothing, items = torch.zeros(1, 4, 2, 8), torch.arange(4)[None]
    assert log_chances(model, nothing, items).exp().flatten().tolist() == pytest.approx([1 / 3] * 8)
    assert log_chances(model, nothing, items, renormalized=True).exp().flatten().tolist() == pytest.approx([1 / 2] * 8)


@given(items=st.integers(2, 40), levels=st.integers(1, 4), size=st.integers(1, 6), seed=st.integers(0, 99))
def test_within_the_trie_the_tuples_of_the_catalog_add_up_to_one(items: int, levels: int, size: int, seed: int) -> None:
    codes = random_codes(items, levels, size, seed)
    model, batch = random_model(codes, seed), SequenceBatch.of(some_histories(items, 3, 5))
    _, firsts = np.unique(codes.codes, axis=0, return_index=True)  # one item of each tuple
    asked = torch.from_numpy(firsts).expand(2, -1)
    with torch.no_grad():
        chances = log_chances(model, model.states_of(batch, asked), asked, renormalized=True)
    assert chances.sum(2).exp().sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert (chances <= 0).all()


@pytest.mark.parametrize("softmax", ["level", "vocabulary"])
def test_over_all_codes_they_are_the_scores_of_the_walk_but_for_shares(softmax: Literal["level", "vocabulary"]) -> None:
    codes = random_codes(50, 3, 5, weighted=True)
    torch.manual_seed(0)
    backbone = CausalTransformer(width=8, depth=1, heads=2, inner=16, dropout=0.0)
    model = TokenGenerator(spread=1.0, softmax=softmax).build(backbone, codes, 10).eval()
    batch, items = SequenceBatch.of(some_histories(50, 4, 6)), torch.arange(50).expand(2, -1)
    with torch.no_grad():
        chances = log_chances(model, model.states_of(batch, items), items)
        scores = ExactLikelihood().likelihood(model, batch)
    shares = torch.zeros(50).index_put((codes.tree.items,), codes.tree.log_shares)
    torch.testing.assert_close(chances.sum(2) + shares, scores, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("renormalized", [False, True])
def test_nothing_is_harmless_and_autocast_changes_no_sum(renormalized: bool) -> None:
    model = random_model(random_codes(30, 3, 5))
    items = torch.tensor([[4, NOTHING], [7, 9]])
    states = torch.randn(2, 2, 3, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    chances = log_chances(model, states, items, renormalized)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_chances(model, states, items, renormalized), chances)
        assert log_chances(model, states.bfloat16(), items, renormalized).dtype == torch.float32
    chances.sum().backward()
    assert states.grad is not None
    assert states.grad.isfinite().all()
    assert model.table.weight.grad is not None
