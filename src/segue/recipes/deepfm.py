"""DeepFM: a factorisation machine beside a deep network, over the same vectors.

Guo et al. 2017, "DeepFM: A Factorization-Machine based Neural Network for CTR Prediction", IJCAI, arXiv:1703.04247.
Fields are the candidate's item and facts, the user's and the place's facts, and the means over the history of its
items and their facts; the paper knows no histories, and these are the fields of GPSD (arXiv:2506.03699), whose tower
ours has too. Differs: of several tasks each weighs the coordinates of the pairwise part; with weights of 1, where they
begin, it is the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from segue.core.forms import Backbone
from segue.core.impressions import RankingBatch, Schema
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.core.shapes import Float
from segue.data.passes import SharedHistory
from segue.layers.click_model import ClickModel, ClickModelPart, count
from segue.layers.facts import ContextVectors, ItemVectors
from segue.layers.tower import Tower
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW


class DeepFm(ClickModelPart):
    """First-order weights, products of all pairs of fields, and a tower over all fields."""

    hidden: tuple[PositiveInt, ...] = (128, 64, 64)
    """Widths of the tower beside the factorisation machine."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk."""
        return DeepFmModel(self, schema, facts)


class DeepFmModel(ClickModel):
    """The living model of `DeepFm`."""

    def __init__(self, part: DeepFm, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__(part, schema, facts)
        tasks = len(schema.tasks)
        fields, parts = count(schema)
        self.first = ItemVectors(schema, facts, 2 * tasks)
        """The first-order weights of items and facts: of candidates, then of events."""
        self.first_context = ContextVectors(schema, tasks)
        self.second = nn.Parameter(torch.ones(tasks, part.width))
        self.tower = Tower((fields + parts) * part.width, part.hidden, tasks, dropout=part.dropout)

    def read(self, batch: RankingBatch) -> tuple[Tensor, Tensor]:
        """The vectors and the first-order weights of the events."""
        _, weights = self.first(batch.events.items).sum(dim=1).chunk(2, dim=-1)
        return self.events(batch), weights

    def judge(self, batch: RankingBatch, history: tuple[Tensor, Tensor]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        events, weights = history
        fields = torch.cat([self.fields(batch), self.mean(events, batch)], dim=1)
        own, _ = self.first(batch.items).sum(dim=1).chunk(2, dim=-1)
        first = own + sum(self.first_context(batch)) + self.mean(weights, batch)
        logits: Tensor = first + pairwise(fields) @ self.second.T + self.tower(fields.flatten(1))
        return logits


def pairwise(fields: Float[Tensor, "shown fields width"]) -> Float[Tensor, "shown width"]:
    """The sum over all pairs of fields of their product, coordinate by coordinate, at the cost of one pass."""
    return (fields.sum(dim=1).square() - fields.square().sum(dim=1)) / 2


RECIPE = RankingRecipe(
    name="deepfm",
    paper=Paper(
        authors="Guo, Tang, Ye, Li, He",
        title="DeepFM: A Factorization-Machine based Neural Network for CTR Prediction",
        year=2017, venue="IJCAI", arxiv="1703.04247",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=DeepFm(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "deepfm_small", "model.width": 16, "model.hidden": [32, 16], "model.recent": 20,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 14, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("deepfm", {"model.hidden": [192, 96]})
