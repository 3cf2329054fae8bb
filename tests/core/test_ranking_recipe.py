"""A fitted ranker puts answers where they were asked for, and can rank the whole catalog."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.forms import Backbone, RankingModelPart
from segue.core.impressions import RankingBatch, Schema
from segue.core.ranking import NOTHING, Rules
from segue.core.ranking_recipe import FittedRanker, RankingRecipe
from segue.core.recipe import Paper
from segue.core.run import Run
from segue.core.tables import Histories
from segue.data.passes import SharedHistory
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.testing import ring
from segue.testing.requests import parity_requests
from segue.training.loop import Loop


class Remembering(RankingModelPart):
    """Says of each item its table entry plus a tenth of the events it sees."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The model."""
        return _Remembering(schema)


class _Remembering(nn.Module):
    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.table = nn.Parameter(torch.arange(schema.items, dtype=torch.float32) / 100)

    def logits(self, batch: RankingBatch) -> Tensor:
        told = self.table[batch.items] + batch.candidates.at / 10
        return told[:, None].expand(-1, len(self.schema.tasks))


RECIPE = RankingRecipe(
    name="remembering",
    paper=Paper(authors="Nobody", title="None", year=2024),
    batches=SharedHistory(history=4, slack=2, users=3, shown=20),
    model=Remembering(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=1)),
)
SPLIT = parity_requests(users=12)


def ranker() -> FittedRanker:
    return FittedRanker(RECIPE, SPLIT.catalog, _Remembering(SPLIT.schema))


def test_answers_come_in_the_order_of_the_question() -> None:
    shuffled = SPLIT.asked.take(np.random.default_rng(0).permutation(len(SPLIT.asked)))
    found = ranker().probabilities(shuffled)
    lengths = shuffled.histories.lengths
    seen = np.where(lengths <= 4, lengths, 4 + (lengths - 4) % 3)[shuffled.owners]  # a window grows from 4 to 6
    assert found[:, 0] == pytest.approx(1 / (1 + np.exp(-(shuffled.items / 100 + seen / 10))), abs=1e-6)


def test_the_labels_are_not_looked_at() -> None:
    blind = replace(SPLIT.asked, labels=np.zeros_like(SPLIT.asked.labels))
    assert (ranker().probabilities(blind) == ranker().probabilities(SPLIT.asked)).all()


def test_the_whole_catalog_can_be_ranked_under_the_rules() -> None:
    ranking = ranker().recommend(Histories.from_lists([[11, 3], []]), 3, Rules(deny=np.array([10])))
    assert ranking.items.tolist() == [[9, 8, 7], [11, 9, 8]]
    assert (np.diff(ranking.scores) < 0).all()
    everything = ranker().recommend(Histories.from_lists([[0]]), 20)
    assert (everything.items[0] == NOTHING).sum() == 9


def test_fit_learns_and_what_was_fitted_comes_back() -> None:
    fitted = RECIPE.fit(SPLIT, Run(seed=1))
    assert (fitted.model.table != torch.arange(12) / 100).any()
    again = RECIPE.restore(SPLIT.catalog, fitted.weights())
    assert again.schema == SPLIT.schema
    assert (again.probabilities(SPLIT.asked) == fitted.probabilities(SPLIT.asked)).all()


def test_a_split_without_requests_is_refused() -> None:
    with pytest.raises(SettingsError, match="requests_by_time"):
        RECIPE.fit(ring(), Run())
