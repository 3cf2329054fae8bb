"""DIN: the history is summed with weights that depend on the candidate.

Zhou et al. 2018, "Deep Interest Network for Click-Through Rate Prediction", KDD, arXiv:1706.06978. Differs: an event
is the sum of its item's, facts' and actions' vectors and not their concatenation, so that a pair of candidate and
event costs the same whatever is known of items; the history holds what was shown, with what the user did, and not
clicks alone; no mini-batch aware regularisation. The released code of GPSD (arXiv:2506.03699) has a softmax over the
events, which the paper leaves out on purpose: `model.softmax`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.forms import Backbone
from segue.core.impressions import RankingBatch, Schema
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.core.shapes import Float
from segue.data.passes import SharedHistory
from segue.layers.click_model import ClickModel, ClickModelPart, count
from segue.layers.pooling import Pairs
from segue.layers.target_attention import TargetAttention
from segue.layers.tower import Tower
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW


class Din(ClickModelPart):
    """Target attention over the newest events, and a tower with Dice."""

    attention: tuple[PositiveInt, ...] = Field(default=(32, 16), min_length=1)
    """Widths of the network that weighs each event for each candidate."""
    softmax: bool = False
    """Whether the weights of a history add up to 1; the paper lets their size say how strong an interest is."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk."""
        return DinModel(self, schema, facts)


class DinModel(ClickModel):
    """The living model of `Din`."""

    def __init__(self, part: Din, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__(part, schema, facts)
        self.softmax = part.softmax
        self.attention = TargetAttention(part.width, part.attention)
        fields, _ = count(schema)
        self.tower = Tower((fields + 1) * part.width, part.hidden, len(schema.tasks), "dice", part.dropout)

    def read(self, batch: RankingBatch) -> Float[Tensor, "tokens width"]:
        """The events, each the sum of its vectors."""
        return self.events(batch).sum(dim=1)

    def judge(self, batch: RankingBatch, history: Float[Tensor, "tokens width"]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        fields = self.fields(batch)
        interest = self.interest(fields[:, : self.items.count].sum(dim=1), batch, history)
        logits: Tensor = self.tower(torch.cat([interest, fields.flatten(1)], dim=1))
        return logits

    def interest(
        self, candidates: Float[Tensor, "shown width"], batch: RankingBatch, history: Float[Tensor, "tokens width"]
    ) -> Float[Tensor, "shown width"]:
        """What each candidate gathers from the events that it sees."""
        pairs = Pairs.newest(batch.events.rows, batch.candidates, self.recent)
        weights = self.attention(candidates, history, pairs)
        return pairs.sum(pairs.softmax(weights) if self.softmax else weights, history)


RECIPE = RankingRecipe(
    name="din",
    paper=Paper(
        authors="Zhou, Song, Zhu, Fan, Zhu, Ma, Yan, Jin, Li, Gai",
        title="Deep Interest Network for Click-Through Rate Prediction",
        year=2018, venue="KDD", arxiv="1706.06978",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=Din(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "din_small", "model.width": 16, "model.hidden": [32], "model.attention": [16], "model.recent": 20,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 14, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("din", {"model.hidden": [256, 128]})
