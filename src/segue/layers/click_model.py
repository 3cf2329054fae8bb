"""What the click models have in common: the vectors they are told, and answers for any number of candidates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from segue.core.forms import RankingModelPart
from segue.core.impressions import Candidates, RankingBatch, Schema
from segue.core.shapes import Float
from segue.layers.facts import ActionVectors, ContextVectors, ItemVectors
from segue.layers.pooling import mean_of_newest

AT_ONCE = 4096
"""Candidates judged together in use: what is made of each pair of candidate and event stays small."""


class ClickModelPart(RankingModelPart):
    """A click model without a trunk: vectors, something that is done with the history, and a tower."""

    abstract: ClassVar[bool] = True

    width: PositiveInt = 64
    """Size of all vectors."""
    recent: PositiveInt = 50
    """The newest events that a candidate sees."""
    actions: bool = True
    """Whether it is told what the user did with each event of the history, or only what was shown."""
    hidden: tuple[PositiveInt, ...] = (128, 64)
    """Widths of the tower at the top; all tasks share it."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of values zeroed in training after each layer of the tower."""


class ClickModel(nn.Module, ABC):
    """Reads each history once with `read`, and says by `judge` what candidates make of it.

    The tables lie at `items.table.weight` and under `items.facts`, as in every ranker.
    """

    def __init__(self, part: ClickModelPart, schema: Schema, facts: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.schema, self.recent = schema, part.recent
        self.items = ItemVectors(schema, facts, part.width)
        self.context = ContextVectors(schema, part.width)
        actions = len(schema.actions)
        self.done = ActionVectors(actions, part.width) if part.actions else None
        self.scale = ActionVectors(actions, part.width) if part.actions else None

    def fields(self, batch: RankingBatch) -> Float[Tensor, "shown fields width"]:
        """The vectors of each candidate's item and its facts, of the user and of the place."""
        context = [vector[:, None] for vector in self.context(batch)]
        return torch.cat([self.items(batch.items), *context], dim=1)

    def events(self, batch: RankingBatch) -> Float[Tensor, "tokens parts width"]:
        """The vectors of each event's item and its facts, and in them what the user did with it.

        The vector of the actions is added to the item's. They also scale all of them, coordinate by coordinate: in a
        mean over events, a sum alone would lose which of the items an action belongs to.
        """
        vectors: Tensor = self.items(batch.events.items)
        if self.done is None or self.scale is None:
            return vectors
        vectors = vectors * (1 + self.scale(batch.actions)[:, None])
        return torch.cat([vectors[:, :1] + self.done(batch.actions)[:, None], vectors[:, 1:]], dim=1)

    def mean(self, vectors: Float[Tensor, "tokens *some"], batch: RankingBatch) -> Float[Tensor, "shown *some"]:
        """The mean over the events that each candidate sees."""
        return mean_of_newest(vectors, batch.events.rows, batch.candidates, self.recent)

    def logits(self, batch: RankingBatch) -> Float[Tensor, "shown tasks"]:
        """The log odds of each action; in use, so many candidates at a time."""
        history = self.read(batch)
        if self.training or len(batch.items) <= AT_ONCE:
            return self.judge(batch, history)
        cuts = [slice(first, first + AT_ONCE) for first in range(0, len(batch.items), AT_ONCE)]
        return torch.cat([self.judge(_some(batch, cut), history) for cut in cuts])

    @abstractmethod
    def read(self, batch: RankingBatch) -> Any:
        """What is made of the histories, whoever asks."""

    @abstractmethod
    def judge(self, batch: RankingBatch, history: Any) -> Float[Tensor, "shown tasks"]:
        """The log odds for the candidates of this batch, or for some of them."""


def count(schema: Schema) -> tuple[int, int]:
    """How many vectors a candidate has in `fields`, and how many of them, the first ones, an event has too."""
    parts = 1 + len(schema.fields_of("item"))
    return parts + len(schema.fields_of("user")) + len(schema.fields_of("place")), parts


def _some(batch: RankingBatch, cut: slice) -> RankingBatch:
    owners, at, times = batch.candidates
    return replace(
        batch,
        items=batch.items[cut],
        candidates=Candidates(owners[cut], at[cut], None if times is None else times[cut]),
        places=batch.places[cut],
        order=batch.order[cut],
        labels=None if batch.labels is None else batch.labels[cut],
        features={name: values[cut] for name, values in batch.features.items()},
    )
