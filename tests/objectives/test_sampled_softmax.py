"""The sampled softmax: by hand, and in the mean the full one."""

import math
from dataclasses import replace

import pytest
import torch

from objectives.two_items import Scores, TwoItems, all_zero, rng
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.tables import Histories
from segue.data.negatives import InBatchNegatives, MixedNegatives, PopularityNegatives, UniformNegatives
from segue.models.item_scorer import ItemScorer
from segue.objectives.full_softmax import FullSoftmax
from segue.objectives.sampled_softmax import SampledSoftmax
from segue.testing import check_objective

COUNTS = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize(
    "negatives",
    [
        UniformNegatives(count=4),
        UniformNegatives(count=4, shared=False),
        PopularityNegatives(count=4),
        MixedNegatives(),
    ],
    ids=["uniform", "own", "popularity", "mixed"],
)
def test_contract(negatives, corrected: bool) -> None:
    model = ItemScorer().build(CausalTransformer(width=8, inner=8, dropout=0.0), items=6, length=5)
    batch = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3, 4], [5, 0, 1, 2, 3]]), targets=True)
    check_objective(SampledSoftmax(negatives=negatives, corrected=corrected), model, replace(batch, counts=COUNTS))


def test_draws_equal_to_the_target_are_left_out() -> None:
    drawn = torch.randint(2, (8,), generator=rng())
    others = int((drawn == 1).sum())
    assert 0 < others < 8
    loss = SampledSoftmax(negatives=UniformNegatives(count=8))(TwoItems(), all_zero(), rng())
    assert loss.count.item() == 6
    assert loss.mean.item() == pytest.approx(math.log(1 + others * math.exp(-1)))


def test_logq_correction_by_hand() -> None:
    # Each of eight uniform draws out of two items is expected 8 / 2 = 4 times: an item's weight is divided by 4.
    others = int((torch.randint(2, (8,), generator=rng()) == 1).sum())
    loss = SampledSoftmax(negatives=UniformNegatives(count=8), corrected=True)(TwoItems(), all_zero(), rng())
    assert loss.mean.item() == pytest.approx(math.log(1 + others * math.exp(-1) / 4))


@pytest.mark.parametrize("negatives", [UniformNegatives(count=4000), PopularityNegatives(count=4000, power=1.0)])
def test_corrected_draws_estimate_the_loss_over_the_catalogue(negatives) -> None:
    model = Scores([0.5, 2.0, -1.0, 1.0, 0.0, 3.0])
    batch = replace(all_zero(), counts=torch.tensor([1.0, 30.0, 10.0, 5.0, 3.0, 1.0]))
    full = FullSoftmax()(model, batch, rng()).mean.item()
    corrected = SampledSoftmax(negatives=negatives, corrected=True)
    losses = [corrected(model, batch, rng(seed)).mean.item() for seed in range(20)]
    assert sum(losses) / 20 == pytest.approx(full, abs=0.03)


def test_uncorrected_popular_draws_do_not() -> None:
    model = Scores([0.5, 2.0, -1.0, 1.0, 0.0, 3.0])
    batch = replace(all_zero(), counts=torch.tensor([1.0, 30.0, 10.0, 5.0, 3.0, 1.0]))
    full = FullSoftmax()(model, batch, rng()).mean.item()
    loss = SampledSoftmax(negatives=PopularityNegatives(count=4000, power=1.0))(model, batch, rng())
    assert abs(loss.mean.item() - full) > 1


def test_the_other_targets_of_the_batch_are_negatives() -> None:
    # Targets 0 and 1; for each the other one is the only negative left.
    batch = SequenceBatch.of(Histories.from_lists([[1, 0], [0, 1]]), targets=True)
    batch = replace(batch, counts=torch.ones(2))
    loss = SampledSoftmax(negatives=InBatchNegatives())(TwoItems(), batch, rng())
    wanted = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))
    assert loss.total.item() == pytest.approx(wanted)


def test_without_targets_it_says_so() -> None:
    with pytest.raises(SettingsError, match="batches=next_item"):
        SampledSoftmax()(TwoItems(), replace(all_zero(), targets=None), torch.Generator())
