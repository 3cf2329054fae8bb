"""The Cloze task: only hidden events count, and only from what is left to see."""

from dataclasses import replace

import pytest
import torch

from objectives.two_items import TwoItems, all_zero, rng
from segue.backbones.bidirectional import Bidirectional
from segue.core.batches import SequenceBatch
from segue.core.errors import SettingsError
from segue.core.tables import Histories
from segue.models.item_scorer import ItemScorer, ItemScorerModel
from segue.objectives.masked_item import MaskedItem
from segue.testing import check_objective

BATCH = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3, 4], [5, 0, 1, 2, 3]]))


def model_of() -> ItemScorerModel:
    torch.manual_seed(0)
    part = ItemScorer(question="mask", head=True, spread=1.0)
    return part.build(Bidirectional(width=8, inner=8, dropout=0.0), items=6, length=5)


class Noting:
    """A model that writes down what it was asked."""

    history, mask = 5, 6

    def __init__(self) -> None:
        self.asked: list[int] = []

    def states(self, batch: SequenceBatch) -> torch.Tensor:
        self.asked = batch.items.tolist()
        return torch.zeros(len(batch.items), 2)

    def user_vectors(self, batch: SequenceBatch) -> torch.Tensor:
        return batch.last(self.states(batch))

    def item_vectors(self) -> torch.Tensor:
        return torch.zeros(6, 2)


def test_contract() -> None:
    check_objective(MaskedItem(share=0.5), model_of(), BATCH)


def test_hidden_events_alone_are_counted_and_none_of_them_is_shown() -> None:
    model = Noting()
    loss = MaskedItem(share=0.5, last_only=0.0)(model, BATCH, rng())
    hidden = [asked == 6 for asked in model.asked]
    assert loss.count.item() == sum(hidden) > 0
    assert [asked for asked in model.asked if asked != 6] == [
        item for item, gone in zip(BATCH.items.tolist(), hidden, strict=True) if not gone
    ]
    # All items score the same, so each hidden event costs the logarithm of the number of items.
    assert loss.mean.item() == pytest.approx(torch.tensor(6.0).log().item(), rel=1e-6)


def test_last_only_hides_just_the_newest_events() -> None:
    model = Noting()
    loss = MaskedItem(last_only=1.0)(model, BATCH, rng())
    assert model.asked == [3, 6, 0, 1, 6, 5, 0, 1, 2, 6]
    assert loss.count.item() == 3


def test_what_a_hidden_event_was_matters_as_the_answer_alone() -> None:
    # The newest events are hidden; were the model to see them, another item there would move the other users' losses.
    model, other = model_of().eval(), BATCH.items.clone()
    other[1] = 5
    before = MaskedItem(last_only=1.0)(model, BATCH, rng()).total
    after = MaskedItem(last_only=1.0)(model, replace(BATCH, items=other), rng()).total
    asked = replace(BATCH, items=BATCH.items.index_fill(0, BATCH.rows.last, 6))
    chances = torch.log_softmax(model.states(asked)[1] @ model.item_vectors().T, 0)
    assert (after - before).item() == pytest.approx((chances[4] - chances[5]).item(), abs=1e-4)


def test_a_model_without_a_mask_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"model\.question=mask"):
        MaskedItem()(TwoItems(), all_zero(), rng())
    with pytest.raises(SettingsError, match=r"model\.question=mask"):
        MaskedItem()(ItemScorer().build(Bidirectional(width=8, inner=8), items=6, length=5), BATCH, rng())
