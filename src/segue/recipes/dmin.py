"""DMIN: several interests at once, each a head of attention over the history that the candidate weighs on its own.

Xiao et al. 2020, "Deep Multi-Interest Network for Click-through Rate Prediction", CIKM. A first layer of self-attention
refines the events; the heads of a second one are the interests, each with an attention of the candidate over the events
that knows how old they are. Both layers are causal, so a history is read once for all candidates. The mean of the
history and its product with the candidate are told beside, as in GPSD's implementation (arXiv:2506.03699), which we
follow in having no auxiliary loss; an event is the sum of its vectors, as in our DIN.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.forms import Backbone
from segue.core.impressions import RankingBatch, Schema
from segue.core.ranking_recipe import RankingRecipe
from segue.core.recipe import Paper
from segue.core.shapes import Float
from segue.data.passes import SharedHistory
from segue.kernels.packed_attention import packed_attention
from segue.layers.attention import SelfAttention
from segue.layers.click_model import ClickModel, ClickModelPart, count
from segue.layers.pooling import Pairs
from segue.layers.target_attention import TargetAttention
from segue.layers.tower import Tower
from segue.objectives.action_likelihood import ActionLikelihood
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.recipes._ranking_tables import ranking_claims
from segue.training.loop import Loop
from segue.training.optim import AdamW


class Dmin(ClickModelPart):
    """Two layers of causal self-attention, target attention in each head of the second, and a tower."""

    heads: PositiveInt = 4
    """Heads of both layers, and so the number of interests; a divisor of the width."""
    attention: tuple[PositiveInt, ...] = Field(default=(32, 16), min_length=1)
    """Widths of the network in each head that weighs events for a candidate."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living model; there is no trunk.

        Raises:
            SettingsError: the heads do not divide the width.
        """
        if self.width % self.heads:
            raise SettingsError(f"model.heads: {self.heads} heads do not divide a width of {self.width}.")
        return DminModel(self, schema, facts)


class DminModel(ClickModel):
    """The living model of `Dmin`."""

    def __init__(self, part: Dmin, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__(part, schema, facts)
        self.shape = (part.heads, part.width // part.heads)
        self.refiner = SelfAttention(part.width, part.heads, causal=True)
        self.norm = nn.LayerNorm(part.width)
        self.extractor = nn.Linear(part.width, 3 * part.width)
        self.asked = nn.Linear(part.width, part.width)
        """What each head asks about a candidate."""
        self.attention = nn.ModuleList(
            TargetAttention(self.shape[1], part.attention, "prelu", ages=part.recent) for _ in range(part.heads)
        )
        fields, _ = count(schema)
        self.tower = Tower((fields + 3) * part.width, part.hidden, len(schema.tasks), "prelu", part.dropout)

    def read(self, batch: RankingBatch) -> tuple[Tensor, Tensor]:
        """The events, each the sum of its vectors, and the interests of each head at each of them."""
        events, rows = self.events(batch).sum(dim=1), batch.events.rows
        refined = self.norm(events + self.refiner(events, rows))
        qkv = self.extractor(refined).view(-1, 3, *self.shape)
        return events, packed_attention(qkv, rows, causal=True).view(-1, *self.shape)

    def judge(self, batch: RankingBatch, history: tuple[Tensor, Tensor]) -> Float[Tensor, "shown tasks"]:
        """The log odds of each candidate."""
        events, interests = history
        fields = self.fields(batch)
        candidates = fields[:, : self.items.count].sum(dim=1)
        pairs = Pairs.newest(batch.events.rows, batch.candidates, self.recent)
        asked = self.asked(candidates).view(-1, *self.shape)
        gathered = [
            pairs.sum(pairs.softmax(attention(asked[:, head], interests[:, head], pairs)), interests[:, head])
            for head, attention in enumerate(self.attention)
        ]
        mean = self.mean(events, batch)
        logits: Tensor = self.tower(torch.cat([*gathered, mean, mean * candidates, fields.flatten(1)], dim=1))
        return logits


RECIPE = RankingRecipe(
    name="dmin",
    paper=Paper(
        authors="Xiao, Yang, Jiang, Wei, Hu, Wang",
        title="Deep Multi-Interest Network for Click-through Rate Prediction",
        year=2020, venue="CIKM", url="https://doi.org/10.1145/3340531.3412092",
    ),
    batches=SharedHistory(history=50, slack=50),
    model=Dmin(),
    objective=ActionLikelihood(),
    procedure=SupervisedRanking(loop=Loop(epochs=10, optimizer=AdamW(rate=1e-3), patience=2)),
)  # fmt: skip
VARIANTS = {
    "small": RECIPE.changed(
        {"name": "dmin_small", "model.width": 16, "model.hidden": [32], "model.attention": [16], "model.recent": 20,
         "model.heads": 2,
         "procedure.loop.optimizer.rate": 1e-2, "procedure.loop.epochs": 14, "procedure.loop.patience": 0}
    )
}  # fmt: skip
CLAIMS = ranking_claims("dmin")
