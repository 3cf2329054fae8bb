"""EASE and item-kNN: sums over the items of a history, as one product or one scatter."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segue.export.padded import filled


class MixingGraph(nn.Module):
    """The rows of an items x items matrix, added up over the different items of each history."""

    mixing: Tensor

    def __init__(self, mixing: Tensor) -> None:
        super().__init__()
        self.register_buffer("mixing", mixing.float().contiguous())

    def forward(self, items: Tensor, lengths: Tensor) -> tuple[Tensor]:
        """The score of every item."""
        catalog = self.mixing.shape[0]
        # Places without an event all name one further item, which is cut off again.
        named = torch.where(filled(lengths, items.shape[1]), items, catalog)
        nothing = torch.zeros(items.shape[0], catalog + 1, device=items.device)
        had = nothing.scatter(1, named, torch.ones_like(named, dtype=nothing.dtype))
        return (had[:, :catalog] @ self.mixing,)


class NeighboursGraph(nn.Module):
    """The similarities of the nearest items of each event, added up; older events may count less."""

    nearest: Tensor
    similarity: Tensor

    def __init__(self, nearest: Tensor, similarity: Tensor, fading: float) -> None:
        super().__init__()
        self.fading = fading
        self.register_buffer("nearest", nearest.long())
        self.register_buffer("similarity", similarity.float())

    def forward(self, items: Tensor, lengths: Tensor) -> tuple[Tensor]:
        """The score of every item."""
        users, width = items.shape
        age = (lengths[:, None] - 1 - torch.arange(width, device=items.device)).clamp_min(0)
        counts = filled(lengths, width) * torch.pow(self.fading, age.float())
        values = (self.similarity[items] * counts[:, :, None]).flatten(1)
        nothing = torch.zeros(users, self.nearest.shape[0], device=items.device)
        return (nothing.scatter_add(1, self.nearest[items].flatten(1), values),)
