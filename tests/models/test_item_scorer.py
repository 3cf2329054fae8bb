"""The item scorer: one table at both ends, and the ways to compare."""

import math

import pytest
import torch

from segue.backbones.bidirectional import Bidirectional
from segue.backbones.causal_transformer import CausalTransformer
from segue.core.batches import SequenceBatch
from segue.core.forms import ScoringModel
from segue.core.tables import Histories
from segue.models.item_scorer import ItemScorer, ItemScorerModel

BATCH = SequenceBatch.of(Histories.from_lists([[0, 1, 2], [3], [4, 0]]))


def model_of(part: ItemScorer, backbone=CausalTransformer(width=8, inner=8)) -> ItemScorerModel:  # noqa: B008 - frozen
    torch.manual_seed(0)
    return part.build(backbone, items=6, length=5).eval()


def test_it_is_a_scoring_model() -> None:
    model = model_of(ItemScorer())
    assert isinstance(model, ScoringModel)
    assert model.history == 5


def test_the_user_is_the_state_of_the_newest_event() -> None:
    model = model_of(ItemScorer())
    torch.testing.assert_close(model.user_vectors(BATCH), model.states(BATCH)[[0, 2, 5]])
    assert torch.equal(model.item_vectors(), model.table.weight)


def test_scaled_multiplies_what_enters_the_trunk() -> None:
    plain, scaled = model_of(ItemScorer()), model_of(ItemScorer(scaled=True))
    vectors = plain.table(BATCH.items) * math.sqrt(8)
    torch.testing.assert_close(scaled.states(BATCH), plain.trunk(vectors, BATCH))


def test_normalized_scores_are_cosines_over_the_temperature() -> None:
    model = model_of(ItemScorer(normalized=True, temperature=0.05))
    torch.testing.assert_close(model.item_vectors().norm(dim=1), torch.ones(6))
    torch.testing.assert_close(model.user_vectors(BATCH).norm(dim=1), torch.full((3,), 20.0))


def test_the_head_gives_each_item_a_bias() -> None:
    model = model_of(ItemScorer(head=True))
    before = model.user_vectors(BATCH) @ model.item_vectors().T
    with torch.no_grad():
        model.head.bias[4] = 2.5
    after = model.user_vectors(BATCH) @ model.item_vectors().T
    torch.testing.assert_close(after - before, torch.tensor([0, 0, 0, 0, 2.5, 0]).expand(3, 6))


class TestMask:
    model = model_of(ItemScorer(question="mask"), Bidirectional(width=8, inner=8))

    def test_the_question_stands_after_each_history(self) -> None:
        asked = self.model.with_question(BATCH)
        assert BATCH.items.tolist() == [3, 4, 0, 0, 1, 2]
        assert asked.items.tolist() == [3, 6, 4, 0, 6, 0, 1, 2, 6]
        assert asked.rows.offsets.tolist() == [0, 2, 5, 9]

    def test_the_user_is_the_state_of_the_question(self) -> None:
        states = self.model.states(self.model.with_question(BATCH))
        torch.testing.assert_close(self.model.user_vectors(BATCH), states[[1, 4, 8]])

    def test_the_mask_is_no_item(self) -> None:
        assert self.model.mask == 6
        assert self.model.item_vectors().shape == (6, 8)
        assert self.model.table.weight.shape == (7, 8)


def test_a_model_without_a_mask_says_so() -> None:
    with pytest.raises(AttributeError):
        _ = model_of(ItemScorer()).mask


def test_a_model_that_asks_by_mask_looks_at_one_event_fewer() -> None:
    # Training never goes beyond `length` places, and the question needs one of them.
    model = model_of(ItemScorer(question="mask"), Bidirectional(width=8, inner=8))
    assert (model.history, model_of(ItemScorer()).history) == (4, 5)
