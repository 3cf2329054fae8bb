"""A contract that everything passes is worth nothing: each check catches the fault it is there for."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from decoding.token_models import random_codes, random_model, some_histories
from segue.backbones.bidirectional import Bidirectional
from segue.backbones.gru import Gru
from segue.core.batches import SequenceBatch
from segue.core.forms import Backbone, Decoder, Loss, Objective, ScoringModel
from segue.core.ranking import Ranking, Rules
from segue.core.tables import Histories
from segue.decoding.beam_search import BeamSearch
from segue.decoding.top_scores import TopScores
from segue.models.item_scorer import ItemScorer, ItemScorerModel
from segue.objectives.full_softmax import FullSoftmax
from segue.recipes import popularity, sasrec
from segue.testing import (
    check_backbone,
    check_decoder,
    check_objective,
    check_recipe,
    check_token_decoder,
    first_losses,
)


class Fn(nn.Module):
    """A trunk that is a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, vectors: Tensor, batch: SequenceBatch) -> Tensor:
        return self.function(vectors, batch)


class Broken(Backbone):
    """A trunk with a fault."""

    abstract: ClassVar[bool] = True
    width: int = 4

    def build(self, length: int) -> nn.Module:
        return Fn(self.faulty)

    @staticmethod
    def faulty(vectors: Tensor, batch: SequenceBatch) -> Tensor:
        raise NotImplementedError


class Mixer(Broken):
    @staticmethod
    def faulty(vectors: Tensor, batch: SequenceBatch) -> Tensor:
        return vectors + vectors.mean(0)


class Foreseer(Broken):
    @staticmethod
    def faulty(vectors: Tensor, batch: SequenceBatch) -> Tensor:
        return vectors + batch.last(vectors)[batch.rows.owners]


class Dreamer(Broken):
    @staticmethod
    def faulty(vectors: Tensor, batch: SequenceBatch) -> Tensor:
        return vectors[:, :2]


def model_of() -> ItemScorerModel:
    torch.manual_seed(0)
    return ItemScorer(spread=1.0).build(Gru(width=4), items=6, length=5)


HISTORIES = Histories.from_lists([[0, 1, 2], [3, 4], [5, 0, 1, 2]])
BATCH = SequenceBatch.of(HISTORIES, targets=True)


@pytest.mark.parametrize(
    ("backbone", "wanted"),
    [(Mixer(), "alone in the batch"), (Foreseer(), "the future leaks"), (Dreamer(), "keeps the shape"),
     (Bidirectional(width=8, inner=8), "the future leaks")],
    ids=["mixes rows", "sees the future", "changes the shape", "bidirectional"],
)  # fmt: skip
def test_a_faulty_trunk_is_caught(backbone: Backbone, wanted: str) -> None:
    with pytest.raises(AssertionError, match=wanted):
        check_backbone(backbone)


def test_a_causal_trunk_is_not_bidirectional() -> None:
    with pytest.raises(AssertionError, match="later events are not seen"):
        check_backbone(Gru(width=4), causal=False)


class Restless(Objective[ScoringModel]):
    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        loss = FullSoftmax()(model, batch, rng)
        return Loss(loss.total + torch.rand(()), loss.count)


class Deaf(Objective[ScoringModel]):
    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        loss = FullSoftmax()(model, batch, rng)
        return Loss(loss.total * 0, loss.count)


class Endless(Objective[ScoringModel]):
    def __call__(self, model: ScoringModel, batch: SequenceBatch, rng: torch.Generator) -> Loss:
        loss = FullSoftmax()(model, batch, rng)
        return Loss(loss.total / 0, loss.count)


@pytest.mark.parametrize(
    ("objective", "wanted"),
    [(Restless(), "another loss"), (Deaf(), "gradients are zero"), (Endless(), "the loss is inf")],
    ids=["restless", "deaf", "endless"],
)
def test_a_faulty_objective_is_caught(objective: Objective, wanted: str) -> None:
    with pytest.raises(AssertionError, match=wanted):
        check_objective(objective, model_of(), BATCH)


class Lawless(Decoder[ScoringModel]):
    """Forgets the rules."""

    def __call__(self, model: ScoringModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        return TopScores()(model, histories, k, Rules(seen=True))


class Greedy(Decoder[ScoringModel]):
    """A longer list is another list."""

    def __call__(self, model: ScoringModel, histories: Histories, k: int, rules: Rules) -> Ranking:
        ranking = TopScores()(model, histories, k, rules)
        return ranking if k > 3 else Ranking(ranking.items[:, ::-1].copy(), ranking.scores)


@pytest.mark.parametrize(("decoder", "wanted"), [(Lawless(), "was allowed"), (Greedy(), "head of the long one")])
def test_a_faulty_decoder_is_caught(decoder: Decoder, wanted: str) -> None:
    with pytest.raises(AssertionError, match=wanted):
        check_decoder(decoder, model_of(), HISTORIES, 6)


def test_a_recipe_that_does_not_look_at_the_order_does_not_learn_the_ring() -> None:
    with pytest.raises(AssertionError, match="the next item was among the first 1"):
        check_recipe(popularity.RECIPE)


def test_first_losses_are_as_many_as_asked_and_repeat_themselves() -> None:
    losses = first_losses(sasrec.VARIANTS["small"], steps=2)
    assert len(losses) == 2
    assert losses == first_losses(sasrec.VARIANTS["small"], steps=2)
    assert losses[0] == pytest.approx(np.log(20), rel=0.02)  # before learning all 20 items are alike


def test_a_beam_as_wide_as_the_catalog_is_exact_and_a_narrow_or_renormalized_one_is_told() -> None:
    model, histories = random_model(random_codes(30, 2, 6, weighted=True)), some_histories(30, 3, 1, 5)
    check_token_decoder(BeamSearch(beams=30), model, histories)
    with pytest.raises(AssertionError):
        check_token_decoder(BeamSearch(beams=30, renormalized=True), model, histories)
    with pytest.raises(AssertionError):
        check_token_decoder(Shuffled(), model, histories)


class Shuffled(BeamSearch):
    """The second best item first."""

    abstract: ClassVar[bool] = True

    def __call__(self, model, histories: Histories, k: int, rules: Rules) -> Ranking:
        found = super().__call__(model, histories, k, rules)
        items = found.items.copy()
        items[:, :2] = items[:, 1::-1]
        return Ranking(items, found.scores)
