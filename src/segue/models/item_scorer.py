"""A trunk between item vectors at both ends: the score of an item is its vector times the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from segue.core.batches import Rows, SequenceBatch
from segue.core.forms import Backbone, ModelPart, Past
from segue.core.shapes import Float, Int
from segue.layers.reading_on import Clock, Growth, ReadingOn


class ItemScorer(ModelPart):
    """Embeds the items of a history, runs the trunk, and compares the result with the same item table.

    `question='last'` reads the state of the newest event (causal trunks). `question='mask'` appends a mask token and
    reads its state (bidirectional trunks); its row is the last one of the table and is never recommended.
    """

    question: Literal["last", "mask"] = "last"
    """Where the answer is read: at the newest event, or at a mask appended after it."""
    scaled: bool = False
    """Multiply item vectors by sqrt(width) where they enter the trunk."""
    normalized: bool = False
    """Compare directions only: divide both vectors by their length and the score by the temperature."""
    temperature: PositiveFloat = 1.0
    """Divides the score."""
    head: bool = False
    """A dense layer with GELU and LayerNorm before the comparison, and a bias for each item, as in BERT4Rec."""
    spread: PositiveFloat = 0.02
    """Standard deviation of the item vectors at the start."""

    def build(self, backbone: Backbone, items: int, length: int) -> ItemScorerModel:
        """The living model for a catalog of `items` and histories of at most `length` events."""
        return ItemScorerModel(self, backbone, items, length)


class ItemScorerModel(nn.Module):
    """A `ScoringModel`, and `Remembering`; see `ItemScorer`."""

    steps, looks_back = 1, False

    def __init__(self, part: ItemScorer, backbone: Backbone, items: int, length: int) -> None:
        super().__init__()
        # The question takes a place, and only `length` places are ever trained: one event fewer is looked at.
        self.part, self.items, self.history = part, items, length - (part.question == "mask")
        self.table = nn.Embedding(items + (part.question == "mask"), backbone.width)
        nn.init.trunc_normal_(self.table.weight, std=part.spread, a=-2 * part.spread, b=2 * part.spread)
        self.trunk = backbone.build(length)
        self.head = _Head(backbone.width, items) if part.head else None

    def states(self, batch: SequenceBatch) -> Float[Tensor, "tokens width"]:
        """A vector at every token, to be compared with `item_vectors`."""
        return self._leaving(self.trunk(self._entering(batch.items), batch))

    def user_vectors(self, batch: SequenceBatch) -> Float[Tensor, "users width"]:
        """The vector of each user's next event."""
        if self.part.question == "mask":
            batch = self.with_question(batch)
        return batch.last(self.states(batch))

    @property
    def reads_on(self) -> bool:
        """Whether a past can go on: where the newest event says what comes next, and the trunk sees no later ones."""
        return self.part.question == "last" and isinstance(self.trunk, ReadingOn) and self.trunk.reads_on

    def marks(self, batch: SequenceBatch) -> Int[Tensor, "events marks"]:
        """See `Remembering`: the items, and times where the trunk looks at them."""
        timed = isinstance(self.trunk, ReadingOn) and self.trunk.timed and batch.timestamps is not None
        clock = [part for part in self._clock(batch) if part is not None] if timed else []
        return torch.stack([batch.items, *clock], dim=1)

    def read(self, batch: SequenceBatch) -> Past:
        """See `Remembering`; of a trunk that cannot go on, the answer alone is kept."""
        if not self.reads_on:
            vectors = self.user_vectors(batch)
            return Past(Rows(torch.zeros_like(batch.rows.offsets)), vectors.new_zeros(0), vectors)
        states, kept = self._trunk.read_all(self._entering(batch.items), batch.rows, self._clock(batch))
        return Past(batch.rows, kept, self._leaving(batch.last(states)))

    def read_on(self, batch: SequenceBatch, past: Past, known: Int[Tensor, " users"]) -> Past:
        """See `Remembering`."""
        growth = Growth(batch.rows, known)
        vectors = self._entering(batch.items[growth.new])
        states = self._trunk.read_on(vectors, growth, past.kept, self._clock(batch))
        return past._replace(ends=past.ends.index_copy(0, growth.some, self._leaving(states[growth.last])))

    def after(self, batch: SequenceBatch, past: Past) -> Float[Tensor, "users width"]:
        """See `Remembering`: the user vectors."""
        return past.ends

    def item_vectors(self) -> Float[Tensor, "items width"]:
        """The vector of each item of the catalog."""
        vectors = self.table.weight[: self.items]
        if self.part.normalized:
            return normalize(vectors, dim=-1)
        if self.head is not None:
            return torch.cat([vectors, self.head.bias[:, None]], dim=1)
        return vectors

    @property
    def mask(self) -> int:
        """The row of the table that stands for an item to be guessed."""
        if self.part.question != "mask":
            raise AttributeError("this model asks at the newest event and has no mask")
        return self.items

    def with_question(self, batch: SequenceBatch) -> SequenceBatch:
        """The batch with a mask token after each history."""
        rows = batch.rows.extended()
        items = batch.items.new_full((len(batch.items) + len(batch),), self.mask)
        items[torch.arange(len(batch.items), device=items.device) + batch.rows.owners] = batch.items
        return replace(batch, items=items, rows=rows, targets=None, timestamps=None, next_timestamps=None)

    @property
    def _trunk(self) -> ReadingOn:
        return cast(ReadingOn, self.trunk)

    def _clock(self, batch: SequenceBatch) -> Clock:
        return Clock(batch.timestamps, batch.timestamps if batch.next_timestamps is None else batch.next_timestamps)

    def _entering(self, items: Tensor) -> Tensor:
        vectors: Tensor = self.table(items)
        return vectors * vectors.shape[-1] ** 0.5 if self.part.scaled else vectors

    def _leaving(self, hidden: Tensor) -> Tensor:
        """What is compared with items."""
        hidden = hidden if self.head is None else self.head(hidden)
        if self.part.normalized:
            hidden = normalize(hidden, dim=-1)
        elif self.head is not None:
            hidden = torch.cat([hidden, hidden.new_ones(len(hidden), 1)], dim=1)  # meets the items' bias
        return hidden / self.part.temperature if self.part.temperature != 1.0 else hidden


class _Head(nn.Module):
    def __init__(self, width: int, items: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(items))

    def forward(self, hidden: Tensor) -> Tensor:
        normed: Tensor = self.norm(gelu(self.dense(hidden)))
        return normed
