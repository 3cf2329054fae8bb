"""One token for an item and its action: a real flow that is read, and candidates whose action is still to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.forms import Backbone, Past, RankingModelPart
from segue.core.impressions import RankingBatch, Schema
from segue.core.shapes import Float, Int
from segue.layers.action_heads import ActionHeads
from segue.layers.facts import ActionVectors, ItemVectors
from segue.layers.judging import Context, Judging, event_marks, past_of
from segue.layers.reading_on import Clock, Growth, by_layer


class DualFlowRanker(RankingModelPart):
    """Merges item and action into one token and learns from every event at once, without seeing what it predicts.

    The real flow holds true actions and is read causally. What is asked about has a placeholder for its action and the
    same weights everywhere else; it looks at the real tokens of earlier requests and is looked at by nobody. While
    learning, what is asked about are all impressions of a history (the fake flow); in use, the candidates: one call.

    Source: DFGR, arXiv:2505.16752. Item, facts and action are joined and projected, which the summaries that we have
    leave open; the user's id is in no token; facts about user and place enter before the heads.
    """

    width: PositiveInt = 32
    """Size of the vectors of items, facts and actions."""
    hidden: tuple[PositiveInt, ...] = (64,)
    """Widths of each task's network."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values zeroed in these networks in training."""
    actions: Literal["true", "none"] = "true"
    """What the real flow holds: what users did, or the placeholder, for a control that knows items alone."""

    def build(
        self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int
    ) -> DualFlowRankerModel:
        """The living model for histories of at most `length` events.

        Raises:
            SettingsError: there is no trunk, or one that cannot judge candidates.
        """
        if backbone is None:
            raise SettingsError("model: dual_flow_ranker needs a backbone; set backbone=hstu.")
        return DualFlowRankerModel(self, backbone, schema, facts, length)


class DualFlowRankerModel(nn.Module):
    """A `RankingModel`, and `Remembering`; see `DualFlowRanker`."""

    steps, looks_back = 1, True

    def __init__(
        self, part: DualFlowRanker, backbone: Backbone, schema: Schema, facts: Mapping[str, Tensor], length: int
    ) -> None:
        super().__init__()
        self.part, self.schema = part, schema
        self.items = ItemVectors(schema, facts, part.width)
        self.actions = ActionVectors(len(schema.actions), part.width)
        self.join = nn.Linear((self.items.count + 1) * part.width, backbone.width, bias=False)
        self.norm = nn.LayerNorm(backbone.width)
        trunk = backbone.build(length + 1)  # a candidate stands behind the longest history
        if not isinstance(trunk, Judging):
            raise SettingsError(
                f"backbone: {backbone.kind()} cannot judge candidates beside a history; set backbone=hstu."
            )
        self.trunk: Judging = trunk
        self.heads = ActionHeads(schema, backbone.width, part.width, part.hidden, part.dropout)

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of each action; the same while learning and in use."""
        return self.judge(self.begin(batch), batch)

    def begin(self, batch: RankingBatch) -> Context:
        """What is kept of the histories of a batch; whom they are compared with plays no part."""
        return self.trunk.read(self._real(batch), batch.events.rows, batch.events.timestamps)

    def append(self, context: Context, batch: RankingBatch) -> Context:
        """The context after the events of `batch`, whose row i goes on where row i of the context ended."""
        return self.trunk.append(context, self._real(batch), batch.events.rows, batch.events.timestamps)

    def judge(self, context: Context, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of the candidates of `batch`, whose owners and places are those of the context's rows."""
        vectors = self._tokens(batch.items, self.actions.placeholder.expand(len(batch.items), -1))
        return cast(Tensor, self.heads(self.trunk.judge(context, vectors, batch.candidates), batch))

    @property
    def reads_on(self) -> bool:
        """See `Remembering`."""
        return self.trunk.reads_on

    def marks(self, batch: RankingBatch) -> Int[Tensor, "events marks"]:
        """See `Remembering`: items, what was done with them, and when."""
        return event_marks(batch, actions=self.part.actions == "true", timed=self.trunk.timed)

    def read(self, batch: RankingBatch) -> Past:
        """See `Remembering`."""
        return past_of(self.begin(batch))

    def read_on(self, batch: RankingBatch, past: Past, known: Int[Tensor, " users"]) -> Past:
        """See `Remembering`."""
        times = batch.events.timestamps
        growth = Growth(past.rows, known)
        self.trunk.read_on(self._real(batch, growth.new), growth, past.kept, Clock(times, times))
        return past

    def after(self, batch: RankingBatch, past: Past) -> Float[Tensor, "shown tasks"]:
        """See `Remembering`: the log odds."""
        return self.judge(Context(past.rows, by_layer(past.kept), batch.events.timestamps), batch)

    def _real(self, batch: RankingBatch, some: Int[Tensor, " some"] | slice = slice(None)) -> Tensor:
        items = batch.events.items[some]
        if self.part.actions == "none":
            return self._tokens(items, self.actions.placeholder.expand(len(items), -1))
        return self._tokens(items, self.actions(batch.actions[some]))

    def _tokens(self, items: Tensor, actions: Tensor) -> Tensor:
        joined: Tensor = self.norm(self.join(torch.cat([self.items(items).flatten(1), actions], dim=1)))
        return joined
