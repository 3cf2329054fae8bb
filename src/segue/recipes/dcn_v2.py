"""DCN-v2: layers that multiply all fields with each other, one degree more a layer, and a deep network.

Wang et al. 2021, "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank Systems",
WWW, arXiv:2008.13535. The paper knows no histories: as in our DeepFM, the means over the history of its items and
their facts are fields like others. Differs: the low-rank form has one pair of matrices, no mixture of experts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from segue.core.forms import Backbone
from segue.core.impressions import RankingBatch, Schema
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


class DcnV2(ClickModelPart):
    """Cross layers over all fields, and a tower after or beside them."""

    depth: PositiveInt = 3
    """Cross layers; the highest degree of a product is one more."""
    rank: NonNegativeInt = 0
    """Each cross matrix is the product of two with so many inner dimensions; 0 means one full matrix."""
    structure: Literal["stacked", "parallel"] = "stacked"
    """Whether the tower comes after the cross layers or beside them."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk."""
        return DcnV2Model(self, schema, facts)


class Cross(nn.Module):
    """x0 * (W x + b) + x."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.map = (
            nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
            if rank
            else nn.Linear(width, width)
        )

    def forward(
        self, first: Float[Tensor, "shown width"], now: Float[Tensor, "shown width"]
    ) -> Float[Tensor, "shown width"]:
        """One degree more in `first` than `now` has."""
        crossed: Tensor = torch.addcmul(now, first, self.map(now).to(first.dtype))
        return crossed


class DcnV2Model(ClickModel):
    """The living model of `DcnV2`."""

    def __init__(self, part: DcnV2, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__(part, schema, facts)
        tasks, width = len(schema.tasks), sum(count(schema)) * part.width
        self.crosses = nn.ModuleList(Cross(width, part.rank) for _ in range(part.depth))
        self.tower = Tower(width, part.hidden, tasks, dropout=part.dropout)
        self.beside = nn.Linear(width, tasks, bias=False) if part.structure == "parallel" else None
        """The weights of the products in the last layer, which are stacked beside what the tower ends with."""

    def read(self, batch: RankingBatch) -> Float[Tensor, "tokens parts width"]:
        """The vectors of the events."""
        return self.events(batch)

    def judge(self, batch: RankingBatch, history: Float[Tensor, "tokens parts width"]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        first = torch.cat([self.fields(batch), self.mean(history, batch)], dim=1).flatten(1)
        now = first
        for cross in self.crosses:
            now = cross(first, now)
        logits: Tensor = self.tower(now) if self.beside is None else self.tower(first) + self.beside(now)
        return logits


RECIPE = RankingRecipe(
    name="dcn_v2",
    paper=Paper(
        authors="Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi",
        title="DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning to Rank Systems",
        year=2021, venue="WWW", arxiv="2008.13535",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=DcnV2(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "dcn_v2_small", "model.width": 16, "model.hidden": [32], "model.recent": 20, "model.depth": 2,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 14, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("dcn_v2", {"model.rank": 32})
