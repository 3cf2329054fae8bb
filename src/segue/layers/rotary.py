"""Rotary position embedding: a query and a key are turned by their places, so that only the distance matters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segue.core.shapes import Float, Int


class Rotary(nn.Module):
    """Turns pairs of coordinates by position times a frequency.

    Source: RoFormer, arXiv:2104.09864, equation 34; frequencies base^(-2i/size).
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, size: int, length: int, base: float = 10_000.0) -> None:
        super().__init__()
        angles = torch.arange(length)[:, None] * base ** (-torch.arange(0, size, 2) / size)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(
        self, vectors: Float[Tensor, "tokens parts heads size"], positions: Int[Tensor, " tokens"]
    ) -> Float[Tensor, "tokens parts heads size"]:
        """The vectors, each turned by its position."""
        cos, sin = (angles[positions, None, None].to(vectors.dtype) for angles in (self.cos, self.sin))
        first, second = vectors.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
