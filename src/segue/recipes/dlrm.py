"""DLRM: the dot products of all pairs of vectors, below a tower.

Naumov et al. 2019, "Deep Learning Recommendation Model for Personalization and Recommendation Systems",
arXiv:1906.00091. Numbers go through a network of their own into one vector; each category is a vector, and so are the
history's items and their categories, pooled as the paper's many-hot features are (a mean, theirs is a sum). Where no
fact is a number, there is no bottom network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from segue.core.forms import Backbone
from segue.core.impressions import Field, RankingBatch, Schema
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.core.shapes import Float
from segue.data.passes import SharedHistory
from segue.layers.click_model import ClickModel, ClickModelPart, count
from segue.layers.tower import Tower
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW


class Dlrm(ClickModelPart):
    """A bottom network for numbers, dot products of all vectors, and a tower over both."""

    bottom: tuple[PositiveInt, ...] = (64,)
    """Widths of the network that makes one vector of all numbers."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk."""
        return DlrmModel(self, schema, facts)


class DlrmModel(ClickModel):
    """The living model of `Dlrm`."""

    def __init__(self, part: Dlrm, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        categories = replace(schema, fields=tuple(one for one in schema.fields if one.size))
        super().__init__(part, categories, facts)
        self.schema = schema
        self.numbers = tuple(one for one in schema.fields if not one.size)
        for one in self.numbers:
            if one.of == "item":
                self.register_buffer(f"fact_{one.name}", facts[one.name].float())
        self.bottom = Tower(len(self.numbers), part.bottom, part.width) if self.numbers else None
        vectors = sum(count(categories)) + bool(self.numbers)
        below = vectors * (vectors - 1) // 2 + part.width * bool(self.numbers)
        self.tower = Tower(below, part.hidden, len(schema.tasks), dropout=part.dropout)

    def read(self, batch: RankingBatch) -> Float[Tensor, "tokens parts width"]:
        """The vectors of the events."""
        return self.events(batch)

    def judge(self, batch: RankingBatch, history: Float[Tensor, "tokens parts width"]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        vectors = torch.cat([self.fields(batch), self.mean(history, batch)], dim=1)
        if self.bottom is None:
            return self.tower(interactions(vectors))
        dense = torch.relu(self.bottom(torch.stack([self._number(one, batch) for one in self.numbers], dim=1)))
        vectors = torch.cat([dense[:, None].to(vectors.dtype), vectors], dim=1)
        logits: Tensor = self.tower(torch.cat([dense, interactions(vectors)], dim=1))
        return logits

    def _number(self, field: Field, batch: RankingBatch) -> Float[Tensor, " shown"]:
        if field.of == "item":
            return self.get_buffer(f"fact_{field.name}")[batch.items]
        if field.of == "user":
            return batch.users[field.name].float()[batch.candidates.owners]
        return batch.features[field.name].float()


def interactions(vectors: Float[Tensor, "shown vectors width"]) -> Float[Tensor, "shown pairs"]:
    """The dot product of each pair of distinct vectors, each pair once."""
    later, earlier = torch.tril_indices(vectors.shape[1], vectors.shape[1], -1, device=vectors.device)
    return torch.bmm(vectors, vectors.transpose(1, 2))[:, later, earlier]


RECIPE = RankingRecipe(
    name="dlrm",
    paper=Paper(
        authors="Naumov, Mudigere, Shi, Huang, Sundaraman, Park, Wang, Gupta, Wu, Azzolini and others",
        title="Deep Learning Recommendation Model for Personalization and Recommendation Systems",
        year=2019, arxiv="1906.00091",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=Dlrm(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "dlrm_small", "model.width": 16, "model.hidden": [32], "model.bottom": [16], "model.recent": 20,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 25, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("dlrm", {"model.hidden": [512, 128]})
