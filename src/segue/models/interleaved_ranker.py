"""One causal flow of items and actions: each action is predicted at the token of its item."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.batches import Rows
from segue.core.errors import SettingsError
from segue.core.forms import Backbone, Past, RankingModelPart
from segue.core.impressions import Candidates, RankingBatch, Schema
from segue.core.shapes import Float, Int
from segue.layers.action_heads import ActionHeads
from segue.layers.facts import ActionVectors, ItemVectors
from segue.layers.judging import Context, Judging, event_marks, past_of
from segue.layers.reading_on import Clock, Growth, by_layer


class InterleavedRanker(RankingModelPart):
    """Item, action, item, action: an item's token sees all actions before it and predicts its own.

    While learning, an answer is read at the item's own token in the history, as published; so it sees the actions of
    earlier items of its own request, which nobody knows in use. What is in no history, and everything in use, is
    judged as a candidate: it sees earlier requests and itself, so the trunk must let it (`backbone.own`).

    Source: the ranking of HSTU, arXiv:2402.17152, section 2.2, called MetaGR in DFGR, arXiv:2505.16752.
    """

    width: PositiveInt = 32
    """Size of the vectors of items, facts and actions."""
    hidden: tuple[PositiveInt, ...] = (64,)
    """Widths of each task's network."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values zeroed in these networks in training."""
    apart: bool = True
    """Items and actions have tokens of their own; otherwise a token holds an item and the action of the event before
    it, a control with as many tokens as the dual flow."""
    session_aware: bool = False
    """Judge everything as a candidate while learning too: no action of an item's own request is seen, as in use, for
    the price of a token more an item."""

    def build(
        self, backbone: Backbone | None, schema: Schema, facts: Mapping[str, Tensor], length: int
    ) -> InterleavedRankerModel:
        """The living model for histories of at most `length` events.

        Raises:
            SettingsError: there is no trunk, or one that cannot judge candidates that see themselves.
        """
        if backbone is None:
            raise SettingsError("model: interleaved_ranker needs a backbone; set backbone=hstu.")
        return InterleavedRankerModel(self, backbone, schema, facts, length)


class InterleavedRankerModel(nn.Module):
    """A `RankingModel`, and `Remembering`; see `InterleavedRanker`."""

    looks_back = True

    def __init__(
        self, part: InterleavedRanker, backbone: Backbone, schema: Schema, facts: Mapping[str, Tensor], length: int
    ) -> None:
        super().__init__()
        self.part, self.schema, self.steps = part, schema, 2 if part.apart else 1
        self.items = ItemVectors(schema, facts, part.width)
        self.actions = ActionVectors(len(schema.actions), part.width)
        parts = self.items.count + (not part.apart)
        self.join = nn.Linear(parts * part.width, backbone.width, bias=False)
        self.norm = nn.LayerNorm(backbone.width)
        self.widen = nn.Linear(part.width, backbone.width, bias=False) if part.apart else None
        self.action_norm = nn.LayerNorm(backbone.width) if part.apart else None
        trunk = backbone.build(self.steps * length + 1)  # a candidate stands behind the longest history
        if not isinstance(trunk, Judging) or not getattr(backbone, "own", True):
            raise SettingsError(
                "backbone: an item's token sees itself, and so must candidates; set backbone=hstu, backbone.own=true."
            )
        self.trunk: Judging = trunk
        self.heads = ActionHeads(schema, backbone.width, part.width, part.hidden, part.dropout)

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of each action; while learning, those that histories hold are read there."""
        context = self.begin(batch, states=self.training and not self.part.session_aware)
        if context.states is None or not len(context.states):
            return self.judge(context, batch)
        hidden = context.states[batch.places.clamp_min(0) * self.steps]
        others = (batch.places < 0).nonzero()[:, 0]
        if len(others):
            hidden = hidden.index_copy(0, others, self._judged(context, batch, others).to(hidden.dtype))
        return self._answers(hidden, batch)

    def begin(self, batch: RankingBatch, *, states: bool = False) -> Context:
        """What is kept of the histories of a batch."""
        rows = Rows(batch.events.rows.offsets * self.steps)
        return self.trunk.read(self._tokens(batch), rows, self._times(batch), states=states)

    @property
    def reads_on(self) -> bool:
        """See `Remembering`."""
        return self.trunk.reads_on

    def marks(self, batch: RankingBatch) -> Int[Tensor, "events marks"]:
        """See `Remembering`: items, what was done with them, and when."""
        return event_marks(batch, actions=True, timed=self.trunk.timed)

    def read(self, batch: RankingBatch) -> Past:
        """See `Remembering`."""
        return past_of(self.begin(batch))

    def read_on(self, batch: RankingBatch, past: Past, known: Int[Tensor, " users"]) -> Past:
        """See `Remembering`."""
        growth = Growth(past.rows, known * self.steps)
        times = self._times(batch)
        self.trunk.read_on(self._tokens(batch)[growth.new], growth, past.kept, Clock(times, times))
        return past

    def after(self, batch: RankingBatch, past: Past) -> Float[Tensor, "shown tasks"]:
        """See `Remembering`: the log odds."""
        return self.judge(Context(past.rows, by_layer(past.kept), self._times(batch)), batch)

    def judge(self, context: Context, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of the candidates of `batch`, which sees the histories that the context was made of."""
        every = torch.arange(len(batch.items), device=batch.items.device)
        return self._answers(self._judged(context, batch, every), batch)

    def _times(self, batch: RankingBatch) -> Tensor | None:
        """Of each token."""
        times = batch.events.timestamps
        return None if times is None else times.repeat_interleave(self.steps)

    def _judged(self, context: Context, batch: RankingBatch, some: Tensor) -> Tensor:
        owners, at = batch.candidates.owners[some], batch.candidates.at[some]
        times = None if batch.candidates.times is None else batch.candidates.times[some]
        vectors = self.items(batch.items[some]).flatten(1)
        if not self.part.apart:
            newest = (batch.events.rows.offsets[owners] + at - 1).clamp_min(0)
            before = (
                self._actions(batch)[newest]
                if len(batch.events.items)
                else vectors.new_zeros(len(some), self.part.width)
            )
            vectors = torch.cat([vectors, torch.where(at[:, None] > 0, before, self.actions.placeholder)], dim=1)
        candidates = Candidates(owners, at * self.steps, times)
        return self.trunk.judge(context, self.norm(self.join(vectors)), candidates)

    def _tokens(self, batch: RankingBatch) -> Tensor:
        """The tokens of the histories, those of an event side by side."""
        items, actions = self.items(batch.events.items).flatten(1), self._actions(batch)
        if self.widen is not None and self.action_norm is not None:
            both = [self.norm(self.join(items)), self.action_norm(self.widen(actions))]
            return torch.stack(both, dim=1).flatten(0, 1)
        first = batch.events.rows.positions[:, None] == 0
        before = torch.where(first, self.actions.placeholder, actions.roll(1, dims=0))
        joined: Tensor = self.norm(self.join(torch.cat([items, before], dim=1)))
        return joined

    def _actions(self, batch: RankingBatch) -> Tensor:
        vectors: Tensor = self.actions(batch.actions)
        return vectors

    def _answers(self, hidden: Tensor, batch: RankingBatch) -> Tensor:
        logits: Tensor = self.heads(hidden, batch)
        return logits
