"""Vectors of items and their facts, of users, of shown places and of actions: the bottom of every ranker."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segue.core.impressions import Field, RankingBatch, Schema
from segue.core.shapes import Float, Int

SPREAD = 0.02
"""Standard deviation of all vectors at the start."""


class ItemVectors(nn.Module):
    """A vector for each item and for each known fact about it.

    Call it `items` in a model: then its table is `items.table.weight` in all of them, and can be carried from one to
    another. Facts are buffers and are saved with the weights.
    """

    def __init__(self, schema: Schema, facts: Mapping[str, Tensor], width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(schema.items, width)
        nn.init.normal_(self.table.weight, std=SPREAD)
        self.fields = schema.fields_of("item")
        self.facts = nn.ModuleDict({f"item_{one.name}": _FactVectors(one, width) for one in self.fields})
        for one in self.fields:
            self.register_buffer(f"fact_{one.name}", facts[one.name].clone())  # safetensors takes no shared ones

    @property
    def count(self) -> int:
        """How many vectors an item has."""
        return 1 + len(self.fields)

    def forward(self, items: Int[Tensor, " tokens"]) -> Float[Tensor, "tokens parts width"]:
        """The item's own vector first, then one for each fact."""
        others = [self.facts[f"item_{one.name}"](self.fact(one.name)[items]) for one in self.fields]
        return torch.stack([self.table(items), *others], dim=1)

    def fact(self, name: str) -> Tensor:
        """The value of a fact for every item."""
        return self.get_buffer(f"fact_{name}")


class ContextVectors(nn.Module):
    """A vector for each fact about the user and the place in which an item is shown."""

    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        self.of_user, self.of_place = schema.fields_of("user"), schema.fields_of("place")
        self.facts = nn.ModuleDict(
            {f"{one.of}_{one.name}": _FactVectors(one, width) for one in (*self.of_user, *self.of_place)}
        )

    @property
    def count(self) -> int:
        """How many vectors a shown item has from here; may be 0."""
        return len(self.facts)

    def forward(self, batch: RankingBatch) -> list[Float[Tensor, "shown width"]]:
        """One vector of each fact for every shown item."""
        owners = batch.candidates.owners
        users = [self.facts[f"user_{one.name}"](batch.users[one.name])[owners] for one in self.of_user]
        return users + [self.facts[f"place_{one.name}"](batch.features[one.name]) for one in self.of_place]


class ActionVectors(nn.Module):
    """The sum of the vectors of all actions that a user took with an item, and one vector for 'nobody can know'."""

    def __init__(self, actions: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(nn.init.normal_(torch.empty(actions, width), std=SPREAD))
        self.nothing = nn.Parameter(nn.init.normal_(torch.empty(width), std=SPREAD))
        """Stands for what was shown and not acted upon; part of every real token."""
        self.placeholder = nn.Parameter(nn.init.normal_(torch.empty(width), std=SPREAD))
        """Stands for an action that is still to come."""

    def forward(self, actions: Float[Tensor, "tokens actions"]) -> Float[Tensor, "tokens width"]:
        """The vector of what was done with each item."""
        return actions @ self.table + self.nothing


class _FactVectors(nn.Module):
    def __init__(self, field: Field, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(nn.init.normal_(torch.empty(max(field.size, 1), width), std=SPREAD))
        self.number = field.size == 0

    def forward(self, values: Tensor) -> Tensor:
        return values.to(self.table.dtype)[:, None] * self.table if self.number else self.table[values.long()]
