"""BCE and gBCE, by hand."""

import math
from dataclasses import replace

import pytest
import torch

from objectives.two_items import TwoItems, all_zero, rng
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.tables import Histories
from segue.data.negatives import UniformNegatives
from segue.models.item_scorer import ItemScorer
from segue.objectives.binary_cross_entropy import BinaryCrossEntropy
from segue.testing import check_objective


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("calibration", [0.0, 0.75])
def test_contract(shared: bool, calibration: float) -> None:
    model = ItemScorer().build(CausalTransformer(width=8, inner=8, dropout=0.0), items=6, length=5)
    batch = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3, 4], [5, 0, 1, 2, 3]]), targets=True)
    negatives = UniformNegatives(count=3, shared=shared)
    check_objective(BinaryCrossEntropy(negatives=negatives, calibration=calibration), model, batch)


def test_value_by_hand() -> None:
    # Yes to score 1, no to score 0, for each of the draws that is not the target.
    others = int((torch.randint(2, (6, 4), generator=rng()) == 1).sum())
    loss = BinaryCrossEntropy(negatives=UniformNegatives(count=4, shared=False))(TwoItems(), all_zero(), rng())
    assert loss.count.item() == 6
    assert loss.total.item() == pytest.approx(6 * math.log(1 + math.exp(-1)) + others * math.log(2))


@pytest.mark.parametrize(
    ("calibration", "wanted"),
    [(0.0, 1.0), (1.0, 0.25), (0.5, 0.625)],  # 0.25 (0.5 (1 - 4) + 4) = 0.625
)
def test_beta_of_25_draws_out_of_101_items(calibration: float, wanted: float) -> None:
    assert BinaryCrossEntropy(calibration=calibration).power(25, 101) == pytest.approx(wanted)


def test_beta_weighs_the_true_item_alone() -> None:
    # One draw out of two items: alpha is 1 / (2 - 1) = 1, so beta is 1 whatever the calibration.
    plain, calibrated = (
        BinaryCrossEntropy(negatives=UniformNegatives(count=1, shared=False), calibration=calibration)
        for calibration in (0.0, 1.0)
    )
    assert torch.equal(plain(TwoItems(), all_zero(), rng()).total, calibrated(TwoItems(), all_zero(), rng()).total)


def test_without_targets_it_says_so() -> None:
    with pytest.raises(SettingsError, match="batches=next_item"):
        BinaryCrossEntropy()(TwoItems(), replace(all_zero(), targets=None), torch.Generator())
