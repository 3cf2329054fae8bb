"""A ranker that writes each candidate right behind the history and reads the answer there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from segue.core.errors import SettingsError
from segue.core.forms import Backbone, Past, RankingModelPart
from segue.core.impressions import RankingBatch, Schema
from segue.core.shapes import Float, Int
from segue.layers.facts import SPREAD, ActionVectors, ContextVectors, ItemVectors
from segue.layers.judging import Context, Judging, event_marks, past_of
from segue.layers.reading_on import Clock, Growth, by_layer
from segue.layers.transformer import Transformer
from segue.layers.transformer_judge import TransformerJudge


class PrefixRanker(RankingModelPart):
    """A token is the sum of the item's vector, the vectors of its facts and one that tells events from candidates.

    The history is read once; every candidate sees the events before it and itself. A head turns what the trunk says
    there, with what is known of user and place, into log odds. `next_states` are what the same trunk says at the
    events, for generative training.

    Source: GPSD, arXiv:2506.03699, the transformer of both stages and its released code. All matrices start from a
    normal distribution of deviation 0.02 and biases from 0, as there.
    """

    embedding: PositiveInt | None = None
    """Size of the tables' vectors where it is not the trunk's width; matrices lead from one to the other and back."""
    actions: bool = False
    """Tell what was done with each event. As published the history is what was taken, and nothing needs telling."""
    head: Literal["mlp", "linear"] = "mlp"
    """Two layers, four times as wide as the trunk in between, or one."""

    def build(self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int) -> nn.Module:
        """The living ranker for histories of at most `length` events.

        Raises:
            SettingsError: there is no backbone, or one that cannot read a history once for all candidates.
        """
        if backbone is None:
            raise SettingsError("prefix_ranker needs a trunk; set backbone=causal_transformer.")
        trunk = backbone.build(length + 1)  # a candidate stands behind the longest history
        if isinstance(trunk, Transformer):
            trunk = TransformerJudge(trunk)
        if not isinstance(trunk, Judging):
            raise SettingsError(
                f"backbone: {backbone.kind()} cannot read a history once for all candidates; take causal_transformer."
            )
        ranker = _PrefixRanker(self, trunk, backbone.width, schema, facts, length)
        ranker.design = json.dumps([backbone.dump(), self.dump()], sort_keys=True)
        return ranker


class _PrefixRanker(nn.Module):
    design: str
    steps, looks_back = 1, True

    def __init__(
        self,
        settings: PrefixRanker,
        trunk: Judging,
        width: int,
        schema: Schema,
        facts: Mapping[str, Tensor],
        length: int,
    ) -> None:
        super().__init__()
        self.schema, self.length, self.trunk = schema, length, trunk
        size = settings.embedding or width
        self.items = ItemVectors(schema, facts, size)
        self.segments = nn.Embedding(2, size)
        self.actions = ActionVectors(len(schema.actions), size) if settings.actions else None
        projected = settings.embedding is not None
        self.entry = (
            nn.Sequential(nn.RMSNorm(size, eps=1e-5), nn.Linear(size, width, bias=False)) if projected else None
        )
        self.exit = nn.Sequential(nn.Linear(width, size, bias=False), nn.RMSNorm(size, eps=1e-5)) if projected else None
        self.context = ContextVectors(schema, width)
        wide, tasks = (1 + self.context.count) * width, len(schema.tasks)
        self.head = (
            nn.Sequential(nn.Linear(wide, 4 * width), nn.ReLU(), nn.Linear(4 * width, tasks))
            if settings.head == "mlp"
            else nn.Linear(wide, tasks)
        )
        self.apply(_start)

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of each action."""
        return self._judged(self._read(batch), batch)

    @property
    def reads_on(self) -> bool:
        """See `Remembering`."""
        return self.trunk.reads_on

    def marks(self, batch: RankingBatch) -> Int[Tensor, "events marks"]:
        """See `Remembering`: items, and what was done with them and when where that is looked at."""
        return event_marks(batch, actions=self.actions is not None, timed=self.trunk.timed)

    def read(self, batch: RankingBatch) -> Past:
        """See `Remembering`."""
        return past_of(self._read(batch))

    def read_on(self, batch: RankingBatch, past: Past, known: Int[Tensor, " users"]) -> Past:
        """See `Remembering`."""
        times = batch.events.timestamps
        growth = Growth(past.rows, known)
        self.trunk.read_on(self._events(batch, growth.new), growth, past.kept, Clock(times, times))
        return past

    def after(self, batch: RankingBatch, past: Past) -> Float[Tensor, "shown tasks"]:
        """See `Remembering`: the log odds."""
        return self._judged(Context(past.rows, by_layer(past.kept), batch.events.timestamps), batch)

    def _judged(self, context: Context, batch: RankingBatch) -> Tensor:
        shown = self.items(batch.items).sum(dim=1) + self.segments.weight[1]
        if self.actions is not None:
            shown = shown + self.actions.placeholder
        hidden = self.trunk.judge(context, self._entering(shown), batch.candidates)
        told: Tensor = self.head(torch.cat([hidden, *self.context(batch)], dim=-1))
        return told

    def next_states(self, batch: RankingBatch) -> Float[Tensor, "tokens width"]:
        """What the trunk says at each event, in the space of the tables."""
        states = self._read(batch, states=True).states
        assert states is not None
        return states if self.exit is None else self.exit(states)

    def _read(self, batch: RankingBatch, *, states: bool = False) -> Context:
        return self.trunk.read(self._events(batch), batch.events.rows, batch.events.timestamps, states=states)

    def _events(self, batch: RankingBatch, some: Int[Tensor, " some"] | slice = slice(None)) -> Tensor:
        vectors = self.items(batch.events.items[some]).sum(dim=1) + self.segments.weight[0]
        if self.actions is not None:
            vectors = vectors + self.actions(batch.actions[some])
        return self._entering(vectors)

    def _entering(self, vectors: Tensor) -> Tensor:
        entering: Tensor = vectors if self.entry is None else self.entry(vectors)
        return entering


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=SPREAD)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
