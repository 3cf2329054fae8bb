"""A trunk between item vectors at both ends: the score of an item is its vector times the user's."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize

from segue.core.batches import SequenceBatch
from segue.core.forms import Backbone, ModelPart
from segue.core.shapes import Float


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
    """A `ScoringModel`; see `ItemScorer`."""

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
        vectors = self.table(batch.items)
        if self.part.scaled:
            vectors = vectors * vectors.shape[-1] ** 0.5
        hidden = self.trunk(vectors, batch)
        return self._asking(hidden if self.head is None else self.head(hidden))

    def user_vectors(self, batch: SequenceBatch) -> Float[Tensor, "users width"]:
        """The vector of each user's next event."""
        if self.part.question == "mask":
            batch = self.with_question(batch)
        return batch.last(self.states(batch))

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

    def _asking(self, hidden: Tensor) -> Tensor:
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
