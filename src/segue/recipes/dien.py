"""DIEN: a recurrent network follows how interests change, a second one those that the candidate is about.

Zhou et al. 2019, "Deep Interest Evolution Network for Click-Through Rate Prediction", AAAI, arXiv:1809.03672. The
first network reads a history once for all candidates; the second, whose steps are scaled by the attention of the
candidate, runs for each over its newest events. The mean of the history and its product with the candidate are told
beside, as in the authors' code (theirs is a sum). Differs: no auxiliary loss, as in GPSD's code (arXiv:2506.03699),
which also has `attention=agru`; an event is the sum of its vectors, as in our DIN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from segue.core.forms import Backbone
from segue.core.impressions import RankingBatch, Schema
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.core.shapes import Float
from segue.data.passes import SharedHistory
from segue.layers.click_model import ClickModel, ClickModelPart, count
from segue.layers.pooling import Pairs
from segue.layers.recurrence import AttentionGru, over_rows
from segue.layers.tower import Tower
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW


class Dien(ClickModelPart):
    """A GRU over the history, an attention GRU for each candidate, and a tower with Dice."""

    attention: Literal["augru", "agru"] = "augru"
    """Whether the attention scales the update gate of the second network or takes its place."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk."""
        return DienModel(self, schema, facts)


class DienModel(ClickModel):
    """The living model of `Dien`."""

    def __init__(self, part: Dien, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__(part, schema, facts)
        self.extraction = nn.GRU(part.width, part.width)
        self.relevance = nn.Linear(part.width, part.width, bias=False)
        self.evolution = AttentionGru(part.width, part.attention)
        fields, _ = count(schema)
        self.tower = Tower((fields + 3) * part.width, part.hidden, len(schema.tasks), "dice", part.dropout)

    def read(self, batch: RankingBatch) -> tuple[Tensor, Tensor]:
        """The events, each the sum of its vectors, and the interests after each of them."""
        events = self.events(batch).sum(dim=1)
        return events, over_rows(self.extraction, events, batch.events.rows)

    def judge(self, batch: RankingBatch, history: tuple[Tensor, Tensor]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        events, interests = history
        fields = self.fields(batch)
        candidates = fields[:, : self.items.count].sum(dim=1)
        pairs = Pairs.newest(batch.events.rows, batch.candidates, self.recent)
        relevance = (self.relevance(candidates)[pairs.shown] * interests[pairs.tokens]).sum(dim=-1)
        evolved = self.evolution(interests, pairs.softmax(relevance), pairs)
        mean = self.mean(events, batch)
        logits: Tensor = self.tower(torch.cat([evolved, mean, mean * candidates, fields.flatten(1)], dim=1))
        return logits


RECIPE = RankingRecipe(
    name="dien",
    paper=Paper(
        authors="Zhou, Mou, Fan, Pi, Bian, Zhou, Zhu, Gai",
        title="Deep Interest Evolution Network for Click-Through Rate Prediction",
        year=2019, venue="AAAI", arxiv="1809.03672",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=Dien(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "dien_small", "model.width": 16, "model.hidden": [32], "model.recent": 20,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 14, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("dien")
