"""The full softmax, by hand."""

import math
from dataclasses import replace

import pytest
import torch

from objectives.two_items import TwoItems, all_zero, rng
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.tables import Histories
from segue.models.item_scorer import ItemScorer
from segue.objectives.full_softmax import FullSoftmax
from segue.testing import check_objective


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_contract(smoothing: float) -> None:
    model = ItemScorer().build(CausalTransformer(width=8, inner=8, dropout=0.0), items=6, length=5)
    batch = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3, 4], [5, 0, 1, 2, 3]]), targets=True)
    check_objective(FullSoftmax(smoothing=smoothing), model, batch)


def test_value_by_hand() -> None:
    loss = FullSoftmax()(TwoItems(), all_zero(), rng())
    assert loss.count.item() == 6  # three users, two questions each
    assert loss.mean.item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_smoothing_by_hand() -> None:
    # 0.8 of the weight on the true item and 0.1 on each of the two: 0.9 log p0 + 0.1 log p1.
    chance = 1 / (1 + math.exp(-1))
    loss = FullSoftmax(smoothing=0.2)(TwoItems(), all_zero(), rng())
    assert loss.mean.item() == pytest.approx(-0.9 * math.log(chance) - 0.1 * math.log(1 - chance))


def test_without_targets_it_says_so() -> None:
    with pytest.raises(SettingsError, match="batches=next_item"):
        FullSoftmax()(TwoItems(), replace(all_zero(), targets=None), torch.Generator())
